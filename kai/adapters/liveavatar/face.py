"""`LiveAvatarFace`: one paid session of a cloud avatar as a `kai.ports.AvatarFace`.

Start-up gets a token, records it on disk, starts the session (billing begins), then opens control socket and room together
and waits for the first picture. The person gets the room's own sound and picture, synchronised; how much of a segment was
heard is found by matching that sound with the sound that was sent. Policy is elsewhere: this file tries once, reports facts
and obeys commands.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import numpy as np

from kai.adapters.liveavatar.control import FIRST_CHUNK_MS, ControlSocket
from kai.adapters.liveavatar.rest import LiveAvatarApi
from kai.adapters.liveavatar.room_link import RoomLink
from kai.adapters.liveavatar.troubles import trouble
from kai.compat.tasks import Tasks
from kai.core.config import AvatarConfig
from kai.core.events import CreditsReported, FaceResumed, LegFailed, PlayoutFinished, PlayoutStarted
from kai.core.state import AgentState, LegName, Look
from kai.errors import FaceError
from kai.media.heard import Begun, Finding, Matcher, Over
from kai.media.sync import FIRST_REPORT_S, PictureHold, SoundHold, Timeline
from kai.ports import FaceCapability, FaceSink, Feeling, Heard, Marks, Pcm, Picture
from kai.wire import liveavatar as wire

log = logging.getLogger(__name__)

KIND: Final = "liveavatar"
PATIENCE_S: Final = 40.0
"""The limit from the paid start until the session takes commands and shows a picture. Clients in production wait 10 to 45 s,
and a session that is given up too early is paid for nothing; the local face covers the wait."""
CONCURRENCY_WAITS_S: Final = (2.5, 3.5)
"""The waits before the second and third try on a full account, because a stopped session still counts for a moment."""
CLOSE_S: Final = 4.5
WATCH_S: Final = 0.25
STALLED_SPEAKING_S: Final = 1.5
STALLED_S: Final = 4.0
FROZEN_S: Final = 6.0
SILENT_S: Final = 4.0
"""The limit from the first sound that was sent to the first that was heard; the service needs about 1 s. With the time in
which Kai thinks, nobody waits for more than 5 s without a word."""
LINE_BACK_S: Final = 3.0
"""Added to that limit while the control connection is being dialled again."""
PROBE_PX: Final = 16


class PaidRecords(Protocol):
    """The record of sessions, noted before they are paid for; see `kai.records.paid_sessions.PaidSessions`. ``note`` and
    ``forget`` block on the disk, so call them in a thread."""

    def note(self, kind: str, session_id: str) -> None: ...
    def forget(self, kind: str, session_id: str) -> None: ...
    async def reap(self, kind: str, stop: Any) -> int: ...


class RoomConnection(Protocol):
    """A connection to the avatar's room, from this process or another."""

    @property
    def is_avatar_gone(self) -> bool: ...
    async def prepare(self) -> None: ...
    async def open(self, url: str, token: str) -> None: ...
    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class AvatarChoice:
    """The choice of an avatar and its settings. An empty ``avatar_id`` means the account's first usable one. No session lasts
    longer than ``longest_s``, whatever the plan allows. ``first_chunk_ms`` is the first piece of each answer that is sent."""

    avatar_id: str
    quality: str = "high"
    encoding: str = "H264"
    is_sandbox: bool = False
    longest_s: int | None = None
    has_test_marks: bool = False
    first_chunk_ms: int = FIRST_CHUNK_MS

    def with_config(self, config: AvatarConfig) -> AvatarChoice:
        """Return this choice with a person's own settings applied."""
        return replace(
            self,
            avatar_id=config.avatar_id or self.avatar_id,
            quality=config.quality or self.quality,
            encoding=config.encoding or self.encoding,
            is_sandbox=self.is_sandbox if config.is_sandbox is None else config.is_sandbox,
        )

    async def mint(self, api: LiveAvatarApi) -> wire.TokenGrant:
        """Return the token of a session with these settings. Raises `FaceError`."""
        avatar_id = wire.SANDBOX_AVATAR_ID if self.is_sandbox else self.avatar_id or await api.first_avatar()
        if avatar_id is None:
            raise trouble("avatar-unusable")
        return await api.mint(
            wire.TokenRequest(
                avatar_id=avatar_id,
                is_sandbox=self.is_sandbox,
                video_settings=wire.VideoSettings(quality=self.quality, encoding=self.encoding),
                max_session_duration=self.longest_s,
            )
        )


class LiveAvatarFace:
    """Implements ``kai.ports.AvatarFace``. Kai's loop only, except `pull_sound`."""

    def __init__(
        self,
        api: LiveAvatarApi,
        choice: AvatarChoice,
        records: PaidRecords,
        make_room: Callable[[LiveAvatarFace], RoomConnection] = RoomLink,
    ) -> None:
        self._api = api
        self._make_room = make_room
        self._choice = choice
        self._records = records
        self._sink: FaceSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.session_id: str | None = None
        """The provider's id of the session, once there is one."""
        self._is_started = False
        self._started_s = 0.0
        self.longest_s: float | None = None
        """The longest that this session may last, known once it is open; ``None`` if the service did not say."""
        self._control = ControlSocket(self._on_event, self._lose, self._on_line_back, choice.first_chunk_ms)
        self._room: RoomConnection | None = None
        self._timeline = Timeline()
        self._sound = SoundHold(self._timeline, is_open=choice.has_test_marks)
        self._pictures = PictureHold(self._timeline, self._sound)
        self._matcher = Matcher()
        self._first_picture = asyncio.Event()
        self._showing: asyncio.TimerHandle | None = None
        self._is_wanted = True
        self._picture_s = 0.0
        self._moved_s = 0.0
        self._probe: Any = None
        self._waiting_since_s: float | None = None
        self._mood = AgentState.IDLE
        self._is_listening = False
        self._is_talking = False
        self._has_talked = False
        self._has_spoken = False
        self._is_open = False
        self._is_closing = False
        self._failure: FaceError | None = None
        self._tasks = Tasks("avatar")
        self._stopping: asyncio.Task[None] | None = None
        self.pictures = 0

    @property
    def capability(self) -> FaceCapability:
        return FaceCapability(
            "LiveAvatar",
            delay_ms=round(self._sound.held_ms),
            has_picture=True,
            is_billed=not self._choice.is_sandbox,
            can_restyle=False,
        )

    @property
    def is_sandbox(self) -> bool:
        """True for a free session of one minute."""
        return self._choice.is_sandbox

    @property
    def is_start_billed(self) -> bool:
        """True once a session that costs credits was started, even if it then failed."""
        return self._is_started and not self._choice.is_sandbox

    @property
    def picture_older_ms(self) -> float:
        """How much later than its sound the picture arrives, by the last measurement."""
        return self._timeline.picture_older_ms

    async def open(self, look: Look, sink: FaceSink) -> None:
        self._choice = self._choice.with_config(look.avatar)
        self._sink, self._loop = sink, asyncio.get_running_loop()
        try:
            self._room = self._make_room(self)
            await self._room.prepare()
            grant = await self._start_session()
            if grant.ws_url is None:
                raise trouble("avatar-no-control")
            await self._come_up(grant, grant.ws_url, self._room)
        except BaseException:
            await self.aclose()
            raise
        self._is_open = True
        self._moved_s = time.monotonic()
        self._tasks.spawn(self._watch(), "watchdog")
        self._tasks.spawn(self._tell_credits(), "credits")

    async def _come_up(self, grant: wire.StartGrant, ws_url: str, room: RoomConnection) -> None:
        """Wait for the control connection and the first picture, in any order, within `PATIENCE_S`. Raises `FaceError`."""
        try:
            async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
                group.create_task(self._control.open(ws_url), name="avatar: open control")
                group.create_task(
                    room.open(grant.livekit_url, grant.livekit_client_token), name="avatar: join the room"
                )
                group.create_task(self._wait_picture(), name="avatar: first picture")
        except TimeoutError as exc:
            raise trouble("avatar-no-picture" if self._control.is_ready else "avatar-not-ready") from exc
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def _wait_picture(self) -> None:
        await self._first_picture.wait()
        if self._failure is not None:
            raise self._failure

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        if self._waiting_since_s is None and not self._matcher.is_sounding:
            self._waiting_since_s = time.monotonic()
        self._matcher.sent(segment_id, pcm)
        self._control.speak(segment_id, pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Do nothing: the service derives the lips from the sound."""

    def end_segment(self, segment_id: str) -> None:
        self._matcher.ended(segment_id)
        self._control.end_segment(segment_id)

    def stop_speaking(self) -> Heard | None:
        was_speaking = self._matcher.is_sounding or self._matcher.is_waiting or self._is_talking
        cut = self._sound.cut()
        self._matcher.cut()
        self._waiting_since_s = None
        if was_speaking or cut is not None:
            self._control.interrupt()
            # Queued pictures would still move the mouth for sound that is no longer heard.
            self._pictures.clear()
            # The service still counts the avatar as talking and reports the end a moment later, but the pose must show now
            # that Kai listens to the person who interrupted.
            self._is_talking = self._is_listening = False
            self._settle_pose()
        return cut

    def heard_now(self) -> Heard | None:
        return self._sound.position()

    def set_mood(self, mood: AgentState) -> None:
        self._mood = mood
        self._settle_pose()

    def _settle_pose(self) -> None:
        """Send the wanted pose if the avatar has another one. An avatar that talks has no pose."""
        wants_listening = self._mood is AgentState.LISTENING
        if wants_listening != self._is_listening and not self._is_talking:
            self._is_listening = wants_listening
            self._control.set_listening(wants_listening)

    def set_emotion(self, feeling: Feeling) -> None:
        """Do nothing: the service's socket has no event for it, and the avatar's face follows the sound alone."""

    def rest(self, is_resting: bool) -> None:
        """Do nothing: the service draws."""

    def set_look(self, look: Look) -> None:
        """Do nothing: the look belongs to the avatar, and another avatar needs another session."""

    def want_frames(self, wanted: bool) -> None:
        self._is_wanted = wanted
        if wanted:
            self._show_due()

    def want_size(self, size_px: int) -> None:
        """Do nothing: a session keeps the quality with which it was opened."""

    def pull_sound(self) -> Pcm:
        block = self._sound.read(time.monotonic())
        loop = self._loop
        if block.reached and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._report, block.reached)
        return block.pcm

    async def aclose(self) -> None:
        """Stop the session at the provider, and release everything else, within ``CLOSE_S``."""
        if self._is_closing:
            if self._stopping is not None:
                await asyncio.gather(self._stopping, return_exceptions=True)
            return
        self._is_closing = True
        self._is_open = False
        self._sound.cut()
        if self._showing is not None:
            self._showing.cancel()
        self._stopping = asyncio.create_task(self._stop_session(), name="avatar: stop")
        releasing = [self._control.aclose(), self._tasks.aclose()]
        if self._room is not None:
            releasing.append(self._room.aclose())
        try:
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(self._stopping, *releasing, return_exceptions=True)
        except TimeoutError:
            log.warning("the avatar's session did not close in time")

    async def _start_session(self) -> wire.StartGrant:
        try:
            return await self._mint_and_start()
        except FaceError as exc:
            if exc.code != "avatar-concurrency":
                raise
        # Another session fills the account. Stop those that our own dead processes left, then try twice more after a wait.
        await self._records.reap(KIND, self._api.stop)
        for wait_s in CONCURRENCY_WAITS_S[:-1]:
            await asyncio.sleep(wait_s)
            try:
                return await self._mint_and_start()
            except FaceError as exc:
                if exc.code != "avatar-concurrency":
                    raise
        await asyncio.sleep(CONCURRENCY_WAITS_S[-1])
        return await self._mint_and_start()

    async def _mint_and_start(self) -> wire.StartGrant:
        choice = self._choice
        token = await choice.mint(self._api)
        self.session_id = token.session_id
        await asyncio.to_thread(self._records.note, KIND, token.session_id)
        try:
            grant = await self._api.start(token)
        except FaceError as exc:
            if exc.code not in ("avatar-unreachable", "avatar-server"):
                # The start was refused, so nothing runs. After the other errors a session may run, and closing stops it.
                await asyncio.to_thread(self._records.forget, KIND, token.session_id)
                self.session_id = None
            raise
        grant = replace(grant, session_id=token.session_id)
        self._is_started = True
        self._started_s = time.monotonic()
        sandbox_s = wire.SANDBOX_S if choice.is_sandbox else None
        longest = [s for s in (grant.max_session_duration, choice.longest_s, sandbox_s) if s]
        self.longest_s = float(min(longest)) if longest else None
        log.info(
            "avatar session started", extra={"longest_s": self.longest_s, "is_sandbox": choice.is_sandbox}
        )
        return grant

    async def _stop_session(self) -> None:
        session_id = self.session_id
        if session_id is None:
            return
        try:
            await self._api.stop(session_id)
        except FaceError as exc:
            # The record is kept, so that the next start of the app stops the session.
            log.warning("the avatar's session could not be stopped", extra={"code": exc.code})
            return
        await asyncio.to_thread(self._records.forget, KIND, session_id)

    def picture(self, picture: Picture, shown_s: float) -> None:
        """See `RoomSink`."""
        now_s = time.monotonic()
        self._picture_s = now_s
        self.pictures += 1
        if not self._first_picture.is_set():
            self._timeline.expect(now_s + FIRST_REPORT_S)
        self._first_picture.set()
        self._control.picture_came()
        height = picture.shape[0] * 2 // 3
        probe = picture[: height : max(1, height // PROBE_PX), :: max(1, picture.shape[1] // PROBE_PX)]
        if self._probe is None or self._probe.shape != probe.shape or not np.array_equal(probe, self._probe):
            self._moved_s = now_s
            self._probe = probe.copy()
        self._pictures.push(picture, shown_s)
        self._show_due()

    def sound(self, pcm: Pcm, at_s: float) -> None:
        """See `RoomSink`."""
        findings = self._matcher.push(pcm[: len(pcm) // 6 * 6])
        if findings:
            self._note(findings)
        self._sound.push(pcm, findings, at_s)

    def _note(self, findings: list[Finding]) -> None:
        self._waiting_since_s = None
        self._has_spoken = True
        if isinstance(findings[-1], Over) and self._matcher.is_waiting:
            self._waiting_since_s = time.monotonic()

    def plays(self, at_s: float, sound_s: float, picture_s: float) -> None:
        """See `RoomSink`."""
        self._timeline.measured(at_s, sound_s, picture_s)

    def fresh(self) -> None:
        """See `RoomSink`."""
        self._timeline.forget()
        self._picture_s = self._moved_s = time.monotonic()

    def gone(self, error: FaceError) -> None:
        """See `RoomSink`."""
        self._lose(error)

    def _show_due(self) -> None:
        """Show the picture that is due, and schedule the next one."""
        if self._showing is not None:
            self._showing.cancel()
            self._showing = None
        if self._is_closing or self._sink is None or self._loop is None:
            return
        now_s = time.monotonic()
        picture = self._pictures.due(now_s)
        if picture is not None and self._is_wanted:
            self._sink.picture(picture, now_s)
        next_s = self._pictures.next_due_s(now_s)
        if next_s is not None:
            self._showing = self._loop.call_later(max(0.0, next_s - now_s), self._show_due)

    def _on_event(self, event: wire.Event) -> None:
        match event:
            case wire.AgentStateUpdated(new_state="talking") | wire.SpeakStarted():
                self._is_talking = self._has_talked = True
            case wire.AgentStateUpdated() | wire.SpeakEnded() | wire.SpeakInterrupted():
                if self._is_talking:
                    self._is_talking = False
                    self._matcher.said_over()
                if self._has_talked:
                    # An avatar that has finished talking is idle, whatever pose was sent before or meanwhile.
                    self._has_talked = self._is_listening = False
                    self._settle_pose()
            case wire.ErrorOccurred(error=error):
                log.warning("the avatar service complains", extra={"kind": error.type})
            case _:
                pass

    def _on_line_back(self, is_missing: bool) -> None:
        """Handle the return of a lost control connection: events were missed meanwhile, and some sound may be lost."""
        self._is_talking = self._has_talked = self._is_listening = False
        if self._waiting_since_s is not None:
            self._waiting_since_s = time.monotonic()
        if is_missing and self._sink is not None and not self._is_closing:
            log.info("the avatar's line is back")
            self._sink.emit(FaceResumed())
        self._settle_pose()

    def _report(self, reached: tuple[Begun | Over, ...]) -> None:
        if self._sink is None or self._is_closing:
            return
        for place in reached:
            is_over = isinstance(place, Over)
            self._sink.emit((PlayoutFinished if is_over else PlayoutStarted)(place.segment_id))

    async def _watch(self) -> None:
        """Watch for an avatar that has stalled, frozen or stays silent; the room tells one that has vanished."""
        while True:
            await asyncio.sleep(WATCH_S)
            now_s = time.monotonic()
            is_busy = self._is_talking or self._matcher.is_sounding or self._waiting_since_s is not None
            is_gone = self._room is not None and self._room.is_avatar_gone
            if now_s - self._picture_s > (STALLED_SPEAKING_S if is_busy else STALLED_S):
                self._lose(trouble("avatar-vanished" if is_gone else "avatar-stalled"))
            elif now_s - self._moved_s > FROZEN_S:
                self._lose(trouble("avatar-vanished" if is_gone else "avatar-frozen"))
            elif (
                self._waiting_since_s is not None
                and self._matcher.is_waiting
                and now_s - self._waiting_since_s
                > SILENT_S + (0.0 if self._control.is_ready else LINE_BACK_S)
            ):
                self._lose(trouble("avatar-silent" if self._has_spoken else "avatar-never-spoke"))

    async def _tell_credits(self) -> None:
        """Report at the start of each minute the credits that this session has used and that the account has left."""
        while True:
            minutes = int((time.monotonic() - self._started_s) // 60) + 1
            left = None
            try:
                left = float(await self._api.credits_left())
            except FaceError as exc:
                log.info("the account's credits are not known", extra={"code": exc.code})
            if self._sink is not None and self.session_id is not None:
                used = 0 if self._choice.is_sandbox else minutes
                self._sink.emit(CreditsReported(self.session_id, used, left))
            await asyncio.sleep(max(1.0, self._started_s + 60 * minutes + 0.5 - time.monotonic()))

    def _lose(self, error: FaceError) -> None:
        """Handle a session that the other side ended: fail the opening, or report the leg as failed, once."""
        if self._is_closing or self._failure is not None:
            return
        self._failure = error
        self._first_picture.set()
        self._control.fail(error)
        log.info("avatar lost", extra={"code": error.code})
        if self._is_open and self._sink is not None:
            self._is_open = False
            self._sink.emit(LegFailed(LegName.FACE, error.code, error.message, error.is_retryable))
