"""Compares what a LiveAvatar service does with what Kai assumes.

Refusals are tested first, since a token is free. Then one session is used for its start, its events, its pose after an
interruption, a second control socket, a client that stops reading, and a second session at the same time. Last are short
sessions: one for each picture quality, and one that is stopped at once. In the sandbox all of them are free.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

import httpx
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, WebSocketException

from kai.adapters.liveavatar.face import KIND, PaidRecords, RoomConnection
from kai.adapters.liveavatar.rest import Account, LiveAvatarApi
from kai.adapters.liveavatar.room_link import RoomLink
from kai.adapters.liveavatar.troubles import explain
from kai.compat import http
from kai.compat.format import SPEECH_HZ
from kai.compat.tasks import Tasks
from kai.core.policy.budget import CREDIT_USD
from kai.errors import FaceError, ProtocolError
from kai.live.report import NOT_LOOKED_AT, Budget, Recording, Row
from kai.ports import Pcm, Picture
from kai.wire import liveavatar as wire

if TYPE_CHECKING:
    from kai.adapters.liveavatar.room import RoomSink

log = logging.getLogger(__name__)

SESSION_S: Final = 110.0
"""The long session is ended after this time, so that it costs two credits at most."""
SHORT_S: Final = 50.0
CALL_S: Final = 15.0
LOUD: Final = 1_000
TONE_MS: Final = 1_500
A_DAY_S: Final = 86_400
TEN_MINUTES_S: Final = 600
NOBODYS_AVATAR: Final = "00000000-0000-4000-8000-0000000000ff"
USUAL_RATE: Final = (15.0, 32.0)
"""The range of pictures per second that counts as about 25."""
_CONTROL: Final = "kai/adapters/liveavatar/control.py"
_FACE: Final = "kai/adapters/liveavatar/face.py"
_WIRE: Final = "kai/wire/liveavatar.py"
_TROUBLES: Final = "kai/adapters/liveavatar/troubles.py: _SAID"


class _Line:
    """One control socket. Every event is recorded when it arrives and kept until a test asks for it."""

    def __init__(self, socket: ClientConnection, recording: Recording) -> None:
        self._socket = socket
        self._recording = recording
        self._events: list[dict[str, Any]] = []
        self._from = 0
        self._news = asyncio.Event()
        self._is_over = False
        recording.note("control", {"socket": "opened"})
        self._tasks = Tasks("live")
        self._tasks.spawn(self._listen(), "control")

    async def _listen(self) -> None:
        ended = "closed"
        try:
            async for text in self._socket:
                event: dict[str, Any] = json.loads(text)
                self._recording.note("control, theirs", event)
                self._events.append({**event, **(event.get("payload") or {})})
                self._news.set()
        except (WebSocketException, ValueError) as exc:
            ended = type(exc).__name__
        self._recording.note("control", {"socket": ended})
        self._is_over = True
        self._news.set()

    async def say(self, command: wire.Command) -> None:
        """Send a command; `heard` then searches the events from now on."""
        self._from = len(self._events)
        text = wire.encode(command)
        self._recording.note("control, ours", json.loads(text))
        try:
            await self._socket.send(text)
        except WebSocketException as exc:
            log.info("the control socket took nothing", extra={"kind": type(exc).__name__})

    async def heard(self, is_it: Callable[[dict[str, Any]], bool], within_s: float) -> dict[str, Any] | None:
        """Return the first event for which ``is_it`` holds, or ``None`` after that time."""
        try:
            async with asyncio.timeout(within_s):
                while True:
                    for place in range(self._from, len(self._events)):
                        if is_it(self._events[place]):
                            self._from = place + 1
                            return self._events[place]
                    if self._is_over:
                        return None
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return None

    async def stand_still(self, for_s: float) -> None:
        """Read nothing for a while, like a computer that sleeps."""
        self._recording.note("control", {"socket": f"stands still for {for_s:g} s"})
        self._socket.transport.pause_reading()
        await asyncio.sleep(for_s)
        self._socket.transport.resume_reading()

    async def ping(self, within_s: float) -> str:
        """Send a WebSocket ping and return, in words, whether it is answered."""
        try:
            async with asyncio.timeout(within_s):
                await (await self._socket.ping())
        except (TimeoutError, WebSocketException):
            return "is not answered"
        return "is answered"

    def count(self, kind: str) -> int:
        """Return how many events of that kind have arrived in all."""
        return sum(event.get("type") == kind for event in self._events)

    async def aclose(self) -> None:
        await self._tasks.aclose()
        await self._socket.close()


class _Eye:
    """Notes what a room sends: the first picture, their number and size, and a voice. Implements ``RoomSink``."""

    def __init__(self) -> None:
        self.first = asyncio.Event()
        self.voice = asyncio.Event()
        self.first_s: float | None = None
        self.pictures = 0
        self.lines = 0

    def picture(self, picture: Picture, shown_s: float) -> None:
        del shown_s
        self.first_s = self.first_s or time.monotonic()
        self.pictures += 1
        self.lines = max(self.lines, picture.shape[0] * 2 // 3)
        self.first.set()

    def sound(self, pcm: Pcm, at_s: float) -> None:
        del at_s
        if int(np.abs(pcm.astype(np.int32)).max(initial=0)) > LOUD:
            self.voice.set()

    def plays(self, at_s: float, sound_s: float, picture_s: float) -> None:
        """Do nothing: the offset between sound and picture is not tested."""

    def fresh(self) -> None:
        """Do nothing: new tracks are counted like the old ones."""

    def gone(self, error: FaceError) -> None:
        log.info("the room ended", extra={"code": error.code})


@dataclass(frozen=True, slots=True)
class Waits:
    """The time limits of the tests. A session has ``start_s`` to start and should be up within ``soon_s``. An event that
    should arrive at once is awaited for ``wait_s``, pictures are counted for ``watch_s``, and a client stops reading for
    ``still_s``."""

    start_s: float = 40.0
    soon_s: float = 15.0
    wait_s: float = 6.0
    watch_s: float = 3.0
    still_s: float = 20.0


PATIENT: Final = Waits()


class AvatarObserver:
    """Tests an account's service. No session is started that the budget does not allow, and all are stopped, whatever
    happens; ``records`` lists those that run. A picture rate within ``usual_rate`` counts as about 25 per second."""

    def __init__(
        self,
        account: Account,
        records: PaidRecords,
        *,
        is_sandbox: bool,
        budget: Budget | None = None,
        recording: Recording | None = None,
        rows: list[Row] | None = None,
        qualities: tuple[str, ...] = tuple(wire.QUALITIES),
        waits: Waits = PATIENT,
        usual_rate: tuple[float, float] = USUAL_RATE,
        make_room: Callable[[RoomSink], RoomConnection] = RoomLink,
    ) -> None:
        self._account = account
        self._records = records
        self._is_sandbox = is_sandbox
        self._budget = budget or Budget(0.0 if is_sandbox else 1.0)
        self._qualities = qualities
        self._start_s, self._soon_s = waits.start_s, waits.soon_s
        self._wait_s, self._watch_s, self._still_s = waits.wait_s, waits.watch_s, waits.still_s
        self._usual_rate = usual_rate
        self._make_room = make_room
        self._running: list[str] = []
        self._stop_trouble = ""
        self.recording = Recording((account.api_key,)) if recording is None else recording
        self.rows = list[Row]() if rows is None else rows

    async def run(self) -> list[Row]:
        """Run all tests and return their rows. Raises `FaceError` if no session can be opened."""
        api = LiveAvatarApi(self._account)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(api.aclose)
            stack.push_async_callback(self._stop_all, api)
            client = await stack.enter_async_context(
                http.async_client(self._account.base_url, timeout=CALL_S, base_url=self._account.base_url)
            )
            avatar_id = wire.SANDBOX_AVATAR_ID if self._is_sandbox else await api.first_avatar() or ""
            wanted = wire.TokenRequest(
                avatar_id=avatar_id,
                is_sandbox=self._is_sandbox,
                video_settings=wire.VideoSettings(quality="low", encoding="H264"),
            )
            await self._look_at_refusals(client, wanted)
            if not self._allows(2):
                self._row("a session", ("can be had",), NOT_LOOKED_AT, _FACE)
            elif not await self._look_at_session(client, api, wanted):
                return self.rows
            for quality in self._qualities:
                await self._look_at_quality(client, api, wanted, quality)
            await self._look_at_quick_stop(client, api, wanted)
        return self.rows

    def _allows(self, credits: int) -> bool:
        return self._is_sandbox or self._budget.allows(credits * CREDIT_USD)

    async def _start(
        self, client: httpx.AsyncClient, api: LiveAvatarApi, wanted: wire.TokenRequest
    ) -> tuple[dict[str, Any], wire.StartGrant]:
        """Start a session; return the service's answer, raw and decoded. Raises `FaceError`."""
        token = await api.mint(wanted)
        await asyncio.to_thread(self._records.note, KIND, token.session_id)
        self._running.append(token.session_id)
        bearer = {"Authorization": f"Bearer {token.session_token}"}
        status, answer = await self._post(client, "/v1/sessions/start", {}, bearer)
        try:
            grant = wire.decode_answer(wire.StartGrant, wire.open_envelope(status, json.dumps(answer)))
        except wire.Refusal as exc:
            raise explain(exc) from exc
        except ProtocolError as exc:
            raise FaceError("The answer to a start cannot be read.", code="avatar-server") from exc
        if not self._is_sandbox:
            self._budget.spend(CREDIT_USD)
        return answer.get("data") or {}, replace(grant, session_id=token.session_id)

    async def _stop(self, api: LiveAvatarApi, session_id: str) -> None:
        """Stop a session. If the service does not stop it, it is tried once more at the end."""
        try:
            await api.stop(session_id)
        except FaceError as exc:
            self.recording.note("POST /v1/sessions/stop", {"code": exc.code})
            self._stop_trouble = exc.code
            return
        self._running.remove(session_id)
        await asyncio.to_thread(self._records.forget, KIND, session_id)
        self.recording.note("POST /v1/sessions/stop", {})

    async def _stop_all(self, api: LiveAvatarApi) -> None:
        """Stop all sessions that still run. One that cannot be stopped stays recorded, and the app's next start stops it."""
        for session_id in list(self._running):
            await self._stop(api, session_id)

    def _soon(self, took_s: float | None) -> str:
        if took_s is None:
            return "never"
        return f"within {self._soon_s:g} s" if took_s < self._soon_s else f"after {took_s:.0f} s"

    def _row(self, name: str, assumed: tuple[str, ...], seen: str, code: str) -> None:
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

    async def _mint(
        self, client: httpx.AsyncClient, wanted: wire.TokenRequest, api_key: str = "", **more: object
    ) -> tuple[str, wire.Refusal | None]:
        """Request a token; return "taken", or the code that Kai derives from the refusal, and the refusal itself."""
        body = {**wire.encode_body(wanted), **more}
        headers = {"X-API-KEY": api_key or self._account.api_key}
        status, answer = await self._post(client, "/v1/sessions/token", body, headers)
        try:
            wire.open_envelope(status, json.dumps(answer))
        except wire.Refusal as refusal:
            return explain(refusal).code, refusal
        except ProtocolError:
            return f"an answer with status {status} that cannot be read", None
        return "taken", None

    async def _look_at_refusals(self, client: httpx.AsyncClient, wanted: wire.TokenRequest) -> None:
        seen, _ = await self._mint(client, wanted, "bad-key")
        self._row("a wrong key", ("avatar-wrong-key",), seen, _TROUBLES)
        too_long_s = TEN_MINUTES_S if self._is_sandbox else A_DAY_S
        seen, refusal = await self._mint(client, wanted, max_session_duration=too_long_s)
        length = (
            "names the allowed length" if refusal is not None and refusal.longest_s else "names no length"
        )
        self._row(
            f"a session of {too_long_s} s",
            ("avatar-too-long, names the allowed length",),
            f"{seen}, {length}",
            f"{_WIRE}: Refusal.longest_s",
        )
        foreign = replace(wanted, avatar_id=NOBODYS_AVATAR, is_sandbox=False)
        seen, _ = await self._mint(client, foreign)
        self._row(
            "an avatar that is not the account's", ("avatar-not-yours", "avatar-unusable"), seen, _TROUBLES
        )
        tall = replace(wanted, video_settings=wire.VideoSettings(quality="very_high", encoding="H264"))
        seen, _ = await self._mint(client, tall)
        self._row(
            "a picture of 1080 lines", ("taken", "avatar-plan-lacks", "avatar-quality"), seen, _TROUBLES
        )

    async def _look_at_session(
        self, client: httpx.AsyncClient, api: LiveAvatarApi, wanted: wire.TokenRequest
    ) -> bool:
        """Test one session; return whether it could be opened at all. If not, no further start is tried."""
        async with AsyncExitStack() as stack:
            eye = _Eye()
            room = self._make_room(eye)
            stack.push_async_callback(room.aclose)
            await room.prepare()
            begun_s = time.monotonic()
            try:
                data, grant = await self._start(client, api, wanted)
            except FaceError as exc:
                self._row("a session", ("can be had",), exc.code, _TROUBLES)
                return False
            self._row("a session", ("can be had",), "can be had", _FACE)
            names = ("session_id", "max_session_duration")
            shapes = ", ".join(f"{name} {type(data.get(name)).__name__}" for name in names)
            self._row("the answer to a start", ("session_id str, max_session_duration int",), shapes, _WIRE)
            if grant.ws_url is None:
                self._row("the control address", ("is there",), "is not there", _FACE)
                return True
            try:
                async with asyncio.timeout(SESSION_S):
                    await self._look_at_rest(client, api, grant)
                    await room.open(grant.livekit_url, grant.livekit_client_token)
                    await self._converse(grant.ws_url, eye, begun_s)
                    await self._look_at_second_session(client, api, wanted)
            except TimeoutError:
                self._row("all of that", ("ends in time",), f"takes more than {SESSION_S:g} s", _FACE)
            finally:
                minutes = int((time.monotonic() - begun_s) // 60)
                if not self._is_sandbox:
                    self._budget.spend(CREDIT_USD * minutes)
            await self._stop(api, grant.session_id)
            stopped = self._stop_trouble or "is taken"
            self._row(
                "the stop of a session", ("is taken",), stopped, "kai/adapters/liveavatar/rest.py: stop"
            )
        return True

    async def _look_at_rest(
        self, client: httpx.AsyncClient, api: LiveAvatarApi, grant: wire.StartGrant
    ) -> None:
        rest = "kai/adapters/liveavatar/rest.py"
        try:
            await api.keep_alive(grant.session_id)
            kept = "is taken"
        except FaceError as exc:
            kept = exc.code
        self._row("keep-alive by REST", ("is taken",), kept, f"{rest}: keep_alive")
        url = f"{grant.livekit_url.replace('ws', 'http', 1).rstrip('/')}/rtc/v1/validate"
        reply = await client.get(url, params={"access_token": grant.livekit_client_token})
        self.recording.note("room", {"has_no_v1": reply.status_code != 200})
        way = "the new way" if reply.status_code == 200 else f"the old way ({reply.status_code})"
        self._row("the way into the room", ("the new way",), way, "kai/adapters/liveavatar/room.py")

    async def _dial(self, stack: AsyncExitStack, url: str) -> _Line | None:
        dialling = connect(
            url,
            proxy=http.websocket_proxy(url),
            ping_interval=None,
            max_size=1 << 20,
            close_timeout=1.0,
            open_timeout=CALL_S,
        )
        try:
            line = _Line(await dialling, self.recording)
        except (OSError, TimeoutError, InvalidHandshake) as exc:
            self.recording.note("control", {"socket": type(exc).__name__})
            return None
        stack.push_async_callback(line.aclose)
        return line

    async def _converse(self, url: str, eye: _Eye, begun_s: float) -> None:
        first_socket, second_socket = AsyncExitStack(), AsyncExitStack()
        async with first_socket:
            line = await self._dial(first_socket, url)
            if line is None:
                self._row("the control socket", ("can be dialled",), "cannot be dialled", _CONTROL)
                return
            is_up = await line.heard(_is_connected, self._start_s)
            self._row(
                "from the start to “connected”",
                (f"within {self._soon_s:g} s",),
                self._soon(time.monotonic() - begun_s if is_up else None),
                f"{_FACE}: PATIENCE_S",
            )
            await _set_within(eye.first, max(self._wait_s, begun_s + self._soon_s - time.monotonic()))
            took_s = None if eye.first_s is None else eye.first_s - begun_s
            soon = (f"within {self._soon_s:g} s",)
            began_s = {"has_no_tracks": True} if took_s is None else {"picture_after_s": round(took_s, 2)}
            self.recording.note("room", began_s)
            self._row("from the start to the first picture", soon, self._soon(took_s), f"{_FACE}: PATIENCE_S")
            ponged = await line.ping(self._wait_s)
            self.recording.note("room", {"has_no_pongs": ponged != "is answered"})
            self._row("a ping", ("is answered",), ponged, f"{_CONTROL}: _converse")
            await self._look_at_speech(line, eye)
            await self._look_at_pose(line)
        async with second_socket:
            line = await self._dial(second_socket, url)
            heard = None if line is None else await line.heard(_is_connected, self._wait_s)
            seen = "says connected" if heard else "says nothing" if line else "cannot be dialled"
            self._row("a second control socket", ("says connected",), seen, f"{_CONTROL}: ASSUMED_S")
            if line is not None:
                await line.stand_still(self._still_s)
                seen = "answers" if await self._appended(line, "u4") is not None else "does not answer"
                self._row("a client that stood still", ("answers",), seen, f"{_CONTROL}: UNANSWERED_S")

    async def _appended(self, line: _Line, utterance_id: str) -> dict[str, Any] | None:
        await line.say(wire.Speak(event_id=utterance_id, audio=_tone()))
        return await line.heard(lambda e: e.get("type") == "agent.audio_buffer_appended", self._wait_s)

    async def _look_at_speech(self, line: _Line, eye: _Eye) -> None:
        appended = await self._appended(line, "u1")
        by_id = ("confirmed by its id",)
        self._row("a piece of sound", by_id, _confirmed(appended, "u1"), f"{_CONTROL}: UNANSWERED_S")
        begun = await line.heard(lambda e: e.get("type") == "agent.speak_started", self._wait_s)
        task = f"task {type(begun.get('task')).__name__}" if begun else "does not come"
        self._row("the word that it speaks", ("task dict",), task, _WIRE)
        await _set_within(eye.voice, self._wait_s)
        self.recording.note("room", {"is_speechless": not eye.voice.is_set()})
        heard = "is heard" if eye.voice.is_set() else "is not heard"
        self._row("its voice in the room", ("is heard",), heard, f"{_FACE}: SILENT_S")
        await line.say(wire.SpeakEnd(event_id="u1"))
        committed = await line.heard(lambda e: e.get("type") == "agent.audio_buffer_committed", self._wait_s)
        self._row("the end of an utterance", by_id, _confirmed(committed, "u1"), f"{_CONTROL}: UNANSWERED_S")
        ended = await line.heard(
            lambda e: e.get("type") == "agent.speak_ended", TONE_MS / 1000 + self._wait_s
        )
        often = {0: "", 1: ", spoke once"}.get(line.count("agent.speak_started"), ", spoke more than once")
        told = f"comes{often}" if ended else "does not come"
        self._row("the word that it has spoken", ("comes, spoke once",), told, f"{_FACE}: _on_event")

    async def _look_at_pose(self, line: _Line) -> None:
        await self._appended(line, "u2")
        await line.heard(_is_state("talking"), self._wait_s)
        await line.say(wire.Interrupt(event_id="i1"))
        pose = await line.heard(_is_state("idle"), self._wait_s)
        self._row(
            "after an interruption", ("idle, in new_state",), _pose("idle", pose), f"{_FACE}: _settle_pose"
        )
        await self._appended(line, "u3")
        await line.heard(_is_state("talking"), self._wait_s)
        await line.say(wire.Interrupt(event_id="i2"))
        await line.say(wire.StartListening(event_id="l1"))
        pose = await line.heard(_is_state("listening"), self._wait_s)
        self._row(
            "listening right after an interruption",
            ("listening, in new_state",),
            _pose("listening", pose),
            f"{_FACE}: _settle_pose",
        )

    async def _look_at_second_session(
        self, client: httpx.AsyncClient, api: LiveAvatarApi, wanted: wire.TokenRequest
    ) -> None:
        name, assumed = "a second session beside the first", ("starts", "avatar-concurrency")
        if not self._allows(2):  # the first may still cost its second minute
            self._row(name, assumed, NOT_LOOKED_AT, _FACE)
            return
        try:
            _, grant = await self._start(client, api, wanted)
        except FaceError as exc:
            self._row(name, assumed, exc.code, _TROUBLES)
            return
        await self._stop(api, grant.session_id)
        self._row(name, assumed, "starts", _FACE)

    async def _look_at_quality(
        self, client: httpx.AsyncClient, api: LiveAvatarApi, wanted: wire.TokenRequest, quality: str
    ) -> None:
        name = f"the picture in quality {quality}"
        assumed = (
            f"{wire.QUALITIES[quality]} lines, about 25 a second",
            "avatar-plan-lacks",
            "avatar-quality",
        )
        if not self._allows(1):
            self._row(name, assumed, NOT_LOOKED_AT, _FACE)
            return
        wanted = replace(wanted, video_settings=wire.VideoSettings(quality=quality, encoding="H264"))
        eye = _Eye()
        room = self._make_room(eye)
        try:
            async with asyncio.timeout(SHORT_S):
                await room.prepare()
                _, grant = await self._start(client, api, wanted)
                await room.open(grant.livekit_url, grant.livekit_client_token)
                await _set_within(eye.first, self._start_s)
                before, begun_s = eye.pictures, time.monotonic()
                await asyncio.sleep(self._watch_s)
                rate = (eye.pictures - before) / (time.monotonic() - begun_s)
                await self._stop(api, grant.session_id)
            least, most = self._usual_rate
            about = "about 25" if least <= rate <= most else f"{rate:.0f}"
            self._row(name, assumed, f"{eye.lines} lines, {about} a second", _FACE)
        except FaceError as exc:
            self._row(name, assumed, exc.code, _TROUBLES)
        except TimeoutError:
            self._row(name, assumed, f"none within {SHORT_S:g} s", f"{_FACE}: PATIENCE_S")
        finally:
            await room.aclose()

    async def _look_at_quick_stop(
        self, client: httpx.AsyncClient, api: LiveAvatarApi, wanted: wire.TokenRequest
    ) -> None:
        name = "a session that is stopped after half a second"
        assumed = ("0 credits",) if self._is_sandbox else ("1 credits",)
        if not self._allows(1):
            self._row(name, assumed, NOT_LOOKED_AT, _FACE)
            return
        try:
            before = await api.credits_left()
            _, grant = await self._start(client, api, wanted)
            await asyncio.sleep(0.5)
            await self._stop(api, grant.session_id)
            left, until_s = before, time.monotonic() + self._wait_s
            while left == before and time.monotonic() < until_s:
                await asyncio.sleep(min(0.5, self._wait_s))
                left = await api.credits_left()
        except FaceError as exc:
            self._row(name, assumed, exc.code, _TROUBLES)
            return
        self.recording.note("credits", {"before": str(before), "after": str(left)})
        self._row(
            name, assumed, f"{before - left:.0f} credits", "kai/core/policy/faces.py: MOST_FAILED_STARTS"
        )


def _tone() -> str:
    t = np.arange(TONE_MS * SPEECH_HZ // 1000) / SPEECH_HZ
    return base64.b64encode((9_000 * np.sin(2 * np.pi * 220 * t)).astype("<i2").tobytes()).decode()


async def _set_within(event: asyncio.Event, within_s: float) -> None:
    try:
        async with asyncio.timeout(max(0.0, within_s)):
            await event.wait()
    except TimeoutError:
        log.info("no picture came in time")


def _confirmed(event: dict[str, Any] | None, utterance_id: str) -> str:
    if event is None:
        return "not confirmed"
    if event.get("source_event_id") == utterance_id:
        return "confirmed by its id"
    return "confirmed by its id, in event_id" if event.get("event_id") == utterance_id else "confirmed"


def _pose(state: str, event: dict[str, Any] | None) -> str:
    named = next((name for name in ("new_state", "state") if name in (event or {})), "")
    return f"{state}, in {named}" if named else "not told"


def _is_connected(event: dict[str, Any]) -> bool:
    return event.get("type") == "session.state_updated" and event.get("state") == "connected"


def _is_state(state: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: (
        event.get("type") == "agent.state_updated" and (event.get("new_state") or event.get("state")) == state
    )
