"""A real language model behind a real server as the mind, spoken by the real voice. It is very small, and says little."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import llm_server
from tests.support.engine import RunningEngine, start_engine
from tests.support.peer import SESSION, calling

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(llm_server.model_path() is None, reason=llm_server.__doc__ or ""),
]

KEY = "run"


@pytest.fixture(scope="module")
def model_url() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, str(Path(llm_server.__file__))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdin is not None
    url = next((line.strip() for line in process.stdout if line.startswith("http")), "")
    try:
        yield url
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(10)
        process.stdout.close()


@pytest.fixture(scope="module")
def own_engine() -> Iterator[RunningEngine]:
    running = start_engine(key=KEY).ready()
    yield running
    running.stop()


async def test_a_real_model_answers_by_voice_and_is_stopped_by_a_person(
    own_engine: RunningEngine, model_url: str
) -> None:
    client = own_engine.client()
    put = client.with_options(base_url=own_engine.url.removesuffix("/v1"))
    await put.put("/kai/minds/mine", cast_to=type(None), body={"base_url": model_url, "model": "smollm2"})
    async with calling(client, {**SESSION, "model": "kai-mine"}) as peer:
        asked_s = time.monotonic()
        peer.ask("Tell me about the sea.")
        await peer.wait("output_audio_buffer.started", timeout_s=60)
        first_s = time.monotonic() - asked_s
        await peer.wait_sound(asked_s)
        index = len(peer.events)
        if "response.done" not in peer.types():
            peer.send("response.cancel")
        peer.send("output_audio_buffer.clear")
        done = await peer.wait("response.done")
        peer.ask("And the sky?")
        again = await peer.wait("response.done", after=len(peer.events), timeout_s=60)
    text = done["response"]["output"][0]["content"][0]["transcript"]
    print(f"first sound after {first_s:.2f} s: {text!r}")
    assert text.strip()
    assert again["response"]["status"] == "completed"
    assert index > 0
