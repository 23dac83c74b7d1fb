"""OpenAI's own agent libraries, unmodified, against the engine: a turn, an interruption and a call of a tool each.

``openai-agents`` (Python) holds every event of ours to the reference's types by itself; ``@openai/agents-realtime`` reads
them with schemas of its own, in Chromium, over WebRTC.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from kai.bench.driver import visitor, write_mic
from tests.browser.conftest import chromium
from tests.support.engine import RunningEngine, engine
from tests.support.recordings import recordings
from tests.support.scripted import scripted
from tests.support.strangers import bundle_with, python_with, seen_by, stranger_page
from tests.support.words import word_errors

__all__ = ["chromium", "engine"]

CLIENT = Path(__file__).parents[1] / "support" / "agents_client.py"
STORY = "Once upon a time there was a hen. And then"
"""The first sentence sounds at once, for the next one has begun."""
TURNS = [
    [{"say": "My name is Kai."}],
    [{"say": "I heard you."}],
    [{"say": STORY}, {"wait_ms": 20_000}, {"say": "Never said."}],
    [{"say": "I am silent."}],
    [{"say": "One moment."}, {"tool": "order_tea", "arguments": {"cups": 2}}],
    [{"say": "Two cups are on their way."}],
]


@pytest.mark.long
@pytest.mark.timeout(900)
def test_openai_agents_speaks_interrupts_and_calls_its_tool_without_a_complaint(
    engine: RunningEngine, tmp_path: Path
) -> None:
    python = python_with("openai-agents==0.24.0")
    spoken = next(r for r in recordings() if r.path.name == "LJ001-0008.wav")
    speech = tmp_path / "speech.pcm"
    speech.write_bytes(np.concatenate([spoken.samples(24_000), np.zeros(24_000, np.int16)]).tobytes())
    model = scripted(engine, turns=TURNS).model
    seen = seen_by(python, CLIENT, engine.url, engine.key, model, str(speech), within_s=200)
    assert seen["complaints"] == []
    assert seen["asked"] == [2]
    assert seen["statuses"] == ["completed", "completed", "cancelled", "completed", "completed", "completed"]
    assert [word_errors(spoken.text, line) for line in seen["users"]] == [0, 0]
    said = [
        part["transcript"]
        for item in seen["history"]
        if item["type"] == "message" and item["role"] == "assistant"
        for part in item["content"]
    ]
    assert [said[0], said[1], *said[3:]] == [
        "My name is Kai.",
        "I heard you.",
        "I am silent.",
        "One moment.",
        "Two cups are on their way.",
    ]
    assert said[2]
    assert STORY.startswith(said[2])
    assert seen["heard_bytes"] > 4 * 24_000


# -- @openai/agents-realtime in Chromium -------------------------------------------------------------------------------

ENTRY = 'import * as sdk from "@openai/agents-realtime"; window.sdk = sdk;'
SPEECH = Path(__file__).parents[1] / "support" / "speech" / "LJ001-0008.wav"

# Begins a session; everything that is seen of it is kept in `seen`.
BEGIN = """
async ({ url, secret, model }) => {
  const seen = (window.seen = { complaints: [], asked: [], all: {}, typed: {}, kinds: [], statuses: [], turns: 0 });
  const complain = (what) => seen.complaints.push(String(what?.message ?? JSON.stringify(what) ?? what));
  window.addEventListener('unhandledrejection', (e) => complain(e.reason));
  window.addEventListener('error', (e) => complain(e.error ?? e.message));
  for (const level of ['warn', 'error']) console[level] = (...words) => complain(words.map(String).join(' '));
  const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebRTC, tool } = window.sdk;
  const tea = tool({
    name: 'order_tea',
    description: 'Orders tea.',
    parameters: {
      type: 'object', properties: { cups: { type: 'integer' } }, required: ['cups'], additionalProperties: false,
    },
    execute: async ({ cups }) => { seen.asked.push(cups); return `${cups} cups are on their way.`; },
  });
  const agent = new RealtimeAgent({ name: 'Kai', instructions: 'You are Kai. Be brief.', tools: [tea] });
  const transport = new OpenAIRealtimeWebRTC({ baseUrl: `${url}/realtime/calls` });
  const session = (window.session = new RealtimeSession(agent, { transport, model, tracingDisabled: false }));
  session.on('error', (e) => complain(e.error ?? e));
  session.on('history_updated', (history) => { seen.history = history; });
  // What its schemas refuse it hands on by '*' alone.
  transport.on('*', (event) => {
    seen.kinds.push(event.type);
    if (!(event.type in seen.all)) {
      seen.all[event.type] = seen.typed[event.type] = 0;
      transport.on(event.type, () => { seen.typed[event.type] += 1; });
    }
    seen.all[event.type] += 1;
    if (event.type === 'response.done') seen.statuses.push(event.response.status);
  });
  await session.connect({ apiKey: secret });
  seen.callId = transport.callId;
}
"""
LOUDNESS = """
async () => {
  let energy = 0;
  for (const connection of window.__kaiConnections)
    (await connection.getStats()).forEach((s) => { if (s.type === 'inbound-rtp') energy += s.totalAudioEnergy; });
  return energy;
}
"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_agents_realtime_in_a_browser_talks_interrupts_and_calls_its_tool_without_a_complaint(
    engine: RunningEngine, tmp_path: Path, chromium: Path
) -> None:
    bundle = bundle_with("@openai/agents-realtime@0.20.0", entry=ENTRY)
    model = scripted(engine, turns=[[{"say": "I heard you."}], *TURNS[2:]]).model
    answer = httpx2.post(
        f"{engine.url}/realtime/client_secrets",
        json={"session": {"type": "realtime", "model": model}},
        headers={"Authorization": f"Bearer {engine.key}"},
    )
    mic = write_mic(tmp_path / "mic.wav", [2.0, SPEECH, 120.0])
    with visitor(chromium, mic=mic) as person, stranger_page(person.page, bundle) as page:
        page.evaluate(BEGIN, {"url": engine.url, "secret": answer.json()["value"], "model": model})

        def seen(what: str) -> Any:
            return page.evaluate(f"() => window.seen.{what}")

        def wait_for(kind: str, count: int = 1) -> None:
            person.wait(lambda: seen("kinds").count(kind) >= count, 30, f"{kind} number {count}")

        wait_for("output_audio_buffer.stopped")
        assert page.evaluate(LOUDNESS) > 0.001  # silence has none at all
        page.evaluate("() => window.session.sendMessage('Tell me a story.')")
        wait_for("output_audio_buffer.started", 2)
        person.page.wait_for_timeout(700)
        page.evaluate("() => window.session.interrupt()")
        wait_for("output_audio_buffer.cleared")
        wait_for("conversation.item.truncated")
        wait_for("conversation.item.retrieved", 2)
        page.evaluate("() => window.session.sendMessage('Hello?')")
        wait_for("output_audio_buffer.stopped", 2)
        page.evaluate("() => window.session.sendMessage('Tea for two, please.')")
        person.wait(lambda: len(seen("statuses")) == 5, 30, "the answer about the tea")
        wait_for("output_audio_buffer.stopped", 4)
        found = seen("valueOf()")
        page.evaluate("() => window.session.close()")
    assert found["complaints"] == []
    assert found["typed"] == found["all"]
    assert found["asked"] == [2]
    assert found["callId"].startswith("rtc_")
    assert found["statuses"] == ["completed", "cancelled", "completed", "completed", "completed"]
    lines = [
        (item["role"], "".join(part.get("transcript") or part.get("text") or "" for part in item["content"]))
        for item in found["history"]
        if item["type"] == "message"
    ]
    assert word_errors(next(r for r in recordings() if r.path == SPEECH).text, lines[0][1]) == 0
    assert [words for role, words in lines if role == "assistant"][-2:] == [
        "One moment.",
        "Two cups are on their way.",
    ]
    story = [words for role, words in lines if role == "assistant"][1]
    assert STORY.startswith(story)
    assert len(story) < len(STORY)
