"""``python -m kai.live``: the first paid session as a report: what Kai assumes of a provider, what was seen, where to look.

One free sandbox session of LiveAvatar (``--paid``: one of about two minutes with the account's avatar), and some short
calls of OpenAI Realtime, are looked at with the adapters' own parts, whichever has a key. Each observation is a row: what
Kai's own servers do and Kai assumes, what the service did, and the code that leans on it. Every frame and answer goes into
one file, without sound and without what opens a session. Against Kai's own servers every row is as assumed; with one of
the local LiveAvatar's fault switches on, that switch's row is not.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from kai.adapters.liveavatar.rest import BASE_URL, Account, LiveAvatarApi
from kai.adapters.openai_realtime import Endpoint, OpenAIRealtimeBrain
from kai.compat import http
from kai.core.capabilities import TRANSCRIPTION_MODELS
from kai.core.config import BrainConfig
from kai.core.events import Event
from kai.core.state import Look
from kai.errors import BrainError, FaceError
from kai.ports import Marks, Pcm
from kai.wire import liveavatar as wire
from kai.wire import realtime as wire_realtime

CALL_S: Final = 15.0
TONE_MS: Final = 1_500
_HIDDEN: Final = re.compile(r"token|url|audio|key|secret", re.IGNORECASE)
_CONTROL: Final = "kai/adapters/liveavatar/control.py"
_FACE: Final = "kai/adapters/liveavatar/face.py"
_WIRE: Final = "kai/wire/liveavatar.py"
_OPTIONAL: Final = "kai/adapters/openai_realtime/optional.py"
_BRAIN: Final = "kai/adapters/openai_realtime/brain.py: tell_heard"
CUT_ANSWER_S: Final = 1.0
BRAINS: Final = ("gpt-realtime-2.1", "gpt-realtime-2.1-mini")


@dataclass(frozen=True, slots=True)
class Row:
    """One observation."""

    name: str
    assumed: str
    seen: str
    code: str

    @property
    def is_as_assumed(self) -> bool:
        return self.assumed == self.seen


@dataclass(slots=True)
class Recording:
    """Everything that was said, in order, as JSON lines; what opens a session, and sound, is left out."""

    entries: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    began_s: float = field(default_factory=time.monotonic)

    def note(self, where: str, what: object) -> None:
        at_ms = round((time.monotonic() - self.began_s) * 1000)
        self.entries.append({"at_ms": at_ms, "where": where, "what": without_secrets(what)})

    def write(self, path: Path) -> None:
        """One file, for its owner's eyes alone."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.writelines(json.dumps(entry) + "\n" for entry in self.entries)


def without_secrets(value: object) -> object:
    """The same with the length of every field that opens a session or holds sound in place of the field."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, object]", value).items()
        return {
            k: _hidden(v) if _HIDDEN.search(k) and v is not None else without_secrets(v) for k, v in items
        }
    if isinstance(value, list):
        return [without_secrets(part) for part in cast("list[object]", value)]
    return value


def _hidden(value: object) -> str:
    return f"<{type(value).__name__}, {len(str(value))} characters>"


class Observer:
    """One session, looked at. ``wait_s`` is how long what should come at once is waited for."""

    def __init__(
        self, account: Account, *, is_sandbox: bool, start_s: float = 40.0, wait_s: float = 6.0
    ) -> None:
        self._account = account
        self._is_sandbox = is_sandbox
        self._start_s, self._wait_s = start_s, wait_s
        self.recording = Recording()
        self.rows: list[Row] = []

    async def run(self) -> list[Row]:
        """All rows. The session is stopped whatever happens. Raises `FaceError` where none can be had."""
        api = LiveAvatarApi(self._account)
        session_id = ""
        try:
            async with http.async_client(
                self._account.base_url, timeout=CALL_S, base_url=self._account.base_url
            ) as client:
                avatar_id = wire.SANDBOX_AVATAR_ID if self._is_sandbox else await api.first_avatar() or ""
                wanted = wire.TokenRequest(avatar_id=avatar_id, is_sandbox=self._is_sandbox)
                await self._look_at_refusals(client, wanted)
                token = await api.mint(wanted)
                session_id = token.session_id
                await self._look_at_session(client, token)
        finally:
            try:
                if session_id:
                    await api.stop(session_id)
            finally:
                await api.aclose()
        return self.rows

    def _row(self, name: str, assumed: str, seen: str, code: str) -> None:
        self.rows.append(Row(name, assumed, seen, code))

    async def _post(
        self, client: httpx.AsyncClient, path: str, body: object, headers: Mapping[str, str]
    ) -> tuple[int, dict[str, Any]]:
        reply = await client.post(path, json=body, headers=dict(headers))
        try:
            answer: Any = reply.json()
        except ValueError:
            answer = {}
        self.recording.note(f"POST {path}", {"status": reply.status_code, "body": answer})
        return reply.status_code, cast("dict[str, Any]", answer) if isinstance(answer, dict) else {}

    async def _look_at_refusals(self, client: httpx.AsyncClient, wanted: wire.TokenRequest) -> None:
        path, body = "/v1/sessions/token", dict(wire.encode_body(wanted))
        status, _ = await self._post(client, path, body, {"X-API-KEY": "bad-key"})
        self._row("a wrong key", "401", str(status), "kai/adapters/liveavatar/troubles.py")
        key = {"X-API-KEY": self._account.api_key}
        status, answer = await self._post(client, path, {**body, "max_session_duration": 86_400}, key)
        refusal = wire.Refusal(status, 0, str(answer.get("message") or ""))
        names = "names the allowed length" if refusal.longest_s else "names no length"
        self._row("a session of a day", "400, names the allowed length", f"{status}, {names}", _WIRE)

    async def _look_at_session(self, client: httpx.AsyncClient, token: wire.TokenGrant) -> None:
        bearer = {"Authorization": f"Bearer {token.session_token}"}
        begun_s = time.monotonic()
        status, answer = await self._post(client, "/v1/sessions/start", {}, bearer)
        data: dict[str, Any] = answer.get("data") or {}
        grant = wire.decode_answer(wire.StartGrant, wire.open_envelope(status, json.dumps(answer)))
        shapes = [
            f"{name} {type(data.get(name)).__name__}" for name in ("session_id", "max_session_duration")
        ]
        self._row(
            "the answer to a start", "session_id str, max_session_duration int", ", ".join(shapes), _WIRE
        )
        if grant.ws_url is None:
            self._row("the control address", "is there", "is not there", _FACE)
            return
        async with self._dial(grant.ws_url) as socket:
            state = await self._heard(socket, _is_connected, self._start_s)
            took_s = time.monotonic() - begun_s
            seen = "within 15 s" if state and took_s < 15 else f"after {took_s:.0f} s" if state else "never"
            self._row("from the start to “connected”", "within 15 s", seen, f"{_FACE}: PATIENCE_S")
            await self._look_at_speech(socket)
        async with self._dial(grant.ws_url) as socket:
            state = await self._heard(socket, _is_connected, self._wait_s)
            seen = "says connected" if state else "says nothing"
            self._row("a second control socket", "says connected", seen, f"{_CONTROL}: ASSUMED_S")

    def _dial(self, url: str) -> connect:
        return connect(
            url,
            proxy=http.websocket_proxy(url),
            ping_interval=None,
            max_size=1 << 20,
            close_timeout=1.0,
            open_timeout=CALL_S,
        )

    async def _look_at_speech(self, socket: ClientConnection) -> None:
        t = np.arange(TONE_MS * 24) / 24_000
        tone = (9_000 * np.sin(2 * np.pi * 220 * t)).astype("<i2").tobytes()
        audio = base64.b64encode(tone).decode()
        await self._say(socket, wire.Speak(event_id="u1", audio=audio))
        appended = await self._heard(
            socket, lambda e: e.get("type") == "agent.audio_buffer_appended", self._wait_s
        )
        confirmed = appended is not None and "u1" in (
            appended.get("source_event_id"),
            appended.get("event_id"),
        )
        seen = "confirmed by its id" if confirmed else "confirmed" if appended else "not confirmed"
        self._row("a piece of sound", "confirmed by its id", seen, f"{_CONTROL}: UNANSWERED_S")
        begun = await self._heard(socket, lambda e: e.get("type") == "agent.speak_started", self._wait_s)
        task = type((begun or {}).get("task")).__name__
        self._row("the word that it speaks", "task dict", f"task {task}" if begun else "none", _WIRE)
        await self._say(socket, wire.Interrupt(event_id="i1"))
        await self._say(socket, wire.StartListening(event_id="l1"))
        pose = await self._heard(socket, _is_listening, self._wait_s)
        named = next((name for name in ("new_state", "state") if name in (pose or {})), "")
        seen = f"listening, in {named}" if named else "not told"
        self._row(
            "listening right after an interruption", "listening, in new_state", seen, f"{_FACE}: _settle_pose"
        )

    async def _say(self, socket: ClientConnection, command: wire.Command) -> None:
        text = wire.encode(command)
        self.recording.note("control, ours", json.loads(text))
        await socket.send(text)

    async def _heard(
        self, socket: ClientConnection, is_it: Callable[[dict[str, Any]], bool], within_s: float
    ) -> dict[str, Any] | None:
        """The first event that is it, or nothing in that time."""
        try:
            async with asyncio.timeout(within_s):
                async for text in socket:
                    event: dict[str, Any] = json.loads(text)
                    self.recording.note("control, theirs", event)
                    fields = {**event, **(event.get("payload") or {})}
                    if is_it(fields):
                        return fields
        except (TimeoutError, WebSocketException, ValueError) as exc:
            self.recording.note("control", {"ended_by": type(exc).__name__})
        return None


class _RecordedBrain(OpenAIRealtimeBrain):
    """A call of which every event is noted."""

    def __init__(self, endpoint: Endpoint, recording: Recording) -> None:
        super().__init__(endpoint)
        self._recording = recording

    def _take(self, message: str | bytes) -> None:
        self._recording.note("events, theirs", json.loads(message))
        super()._take(message)

    def _transmit(self, event: wire_realtime.ClientEvent) -> None:
        self._recording.note("events, ours", json.loads(wire_realtime.encode(event)))
        super()._transmit(event)


class _Ear:
    """What one answer sounds like: enough of it, and whose. Implements ``kai.ports.BrainSink``."""

    def __init__(self, enough_samples: int) -> None:
        self._left = enough_samples
        self.response_id = ""
        self.has_enough = asyncio.Event()

    def emit(self, event: Event) -> None:
        """Nothing of it is needed."""

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        self.response_id = segment_id
        self._left -= len(pcm)
        if self._left <= 0:
            self.has_enough.set()

    def marks(self, segment_id: str, marks: Marks) -> None:
        """Nothing of it is needed."""

    def end_segment(self, segment_id: str) -> None:
        self.has_enough.set()


class BrainObserver:
    """Short calls of Realtime models, looked at: which parts of a session each takes, and whether it takes a cut."""

    def __init__(self, endpoint: Endpoint, *, models: Sequence[str], wait_s: float = 15.0) -> None:
        self._endpoint = endpoint
        self._models = models
        self._wait_s = wait_s
        self.recording = Recording()
        self.rows: list[Row] = []

    async def run(self) -> list[Row]:
        """All rows: a call for each model, and one for each transcriber with the first model."""
        for n, model in enumerate(self._models):
            await self._look(f"{model}: the session", BrainConfig(model=model), does_cut=not n)
        for name in TRANSCRIPTION_MODELS:
            config = BrainConfig(
                model=self._models[0],
                transcription_model=name,
                transcription_prompt="Kai",
                transcription_language="en",
            )
            await self._look(f"transcription by {name}", config)
        return self.rows

    async def _look(self, name: str, config: BrainConfig, *, does_cut: bool = False) -> None:
        brain, ear = _RecordedBrain(self._endpoint, self.recording), _Ear(24_000)
        seen = "all is taken"
        try:
            await brain.open(Look(brain=config), ear)
            if brain.left_out:
                seen = "taken without " + ", ".join(sorted(brain.left_out))
            self.rows.append(Row(name, "all is taken", seen, _OPTIONAL))
            if does_cut:
                await self._look_at_cut(brain, ear)
        except BrainError as exc:
            self.rows.append(Row(name, "all is taken", f"refused ({exc.code})", _OPTIONAL))
        finally:
            await brain.aclose()

    async def _look_at_cut(self, brain: _RecordedBrain, ear: _Ear) -> None:
        brain.send_text("live-1", "Please count slowly from one to twenty.")
        seen = "no sound came"
        try:
            async with asyncio.timeout(self._wait_s):
                await ear.has_enough.wait()
        except TimeoutError:
            pass
        else:
            brain.cancel(ear.response_id)
            brain.tell_heard(ear.response_id, 500)
            await asyncio.sleep(CUT_ANSWER_S)
            seen = "taken" if brain.can_truncate else "refused"
        self.rows.append(Row("a cut of the memory over WebRTC", "taken", seen, _BRAIN))


def _is_connected(event: dict[str, Any]) -> bool:
    return event.get("type") == "session.state_updated" and event.get("state") == "connected"


def _is_listening(event: dict[str, Any]) -> bool:
    state = event.get("new_state") or event.get("state")
    return event.get("type") == "agent.state_updated" and state == "listening"


def table(rows: list[Row]) -> str:
    """The rows for a terminal, what differs marked."""
    lines: list[str] = []
    for row in rows:
        if row.is_as_assumed:
            lines.append(f"as assumed  {row.name}: {row.seen}")
        else:
            lines.append(
                f"DIFFERS     {row.name}: assumed {row.assumed}; seen {row.seen}; look at {row.code}"
            )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Ends with 1 where a row differs, with 2 where no session can be had."""
    parser = argparse.ArgumentParser(prog="python -m kai.live", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--paid", action="store_true", help="the account's avatar, for about 2 credits (20 cents)"
    )
    parser.add_argument("--url", default=BASE_URL, help="another server that speaks LiveAvatar's protocol")
    parser.add_argument("--file", type=Path, default=Path("kai-live.jsonl"), help="where the recording goes")
    given = parser.parse_args(argv)
    avatar_key = os.environ.get("LIVEAVATAR_API_KEY") or os.environ.get("HEYGEN_API_KEY")
    brain_key = os.environ.get("OPENAI_API_KEY")
    if not avatar_key and not brain_key:
        print("Set LIVEAVATAR_API_KEY or OPENAI_API_KEY first.", file=sys.stderr)
        return 2
    if avatar_key:
        print("LiveAvatar costs", "about 2 credits (20 cents)." if given.paid else "nothing: a free session.")
    if brain_key:
        print("OpenAI costs about 10 cents: five calls of some seconds.")
    recordings: list[Recording] = []
    rows: list[Row] = []
    try:
        if avatar_key:
            face = Observer(Account(avatar_key, given.url), is_sandbox=not given.paid)
            recordings.append(face.recording)
            rows += asyncio.run(face.run())
        if brain_key:
            brain = BrainObserver(Endpoint(api_key=brain_key, model=BRAINS[0], is_billed=True), models=BRAINS)
            recordings.append(brain.recording)
            rows += asyncio.run(brain.run())
    except FaceError as exc:
        print(f"{exc.message} {exc.detail}".strip(), file=sys.stderr)
        return 2
    finally:
        Recording([entry for recording in recordings for entry in recording.entries]).write(given.file)
    print(table(rows))
    print(f"Recorded in {given.file}, without keys, addresses and sound.")
    return 0 if all(row.is_as_assumed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
