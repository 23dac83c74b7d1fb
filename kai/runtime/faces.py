"""A paid cloud face with the local one standing by, as one face: it opens, shows and closes what `kai.core.faces` orders.

Whoever takes over goes on at the sample that was heard last, from the tape.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Final, Protocol, assert_never

from kai.compat.format import SILENCE
from kai.compat.tasks import Tasks
from kai.core import faces as policy
from kai.core.events import (
    CreditsReported,
    Event,
    FaceMetered,
    FaceReported,
    FaceResumed,
    LegFailed,
    PlayoutFinished,
    PlayoutStarted,
)
from kai.core.faces import Face, Faces, FacesEvent
from kai.core.state import AgentState, LegName, Look
from kai.errors import FaceError, KaiError
from kai.ports import AvatarFace, FaceCapability, FaceSink, Heard, Marks, Pcm, Picture
from kai.runtime.tape import SAMPLES_PER_MS, Tape

log = logging.getLogger(__name__)

OPEN_S: Final = 60.0
CLOSE_S: Final = 4.8


class PaidFace(AvatarFace, Protocol):
    """What the stack needs of a cloud face beyond the port."""

    @property
    def longest_s(self) -> float | None:
        """How long the session may last."""
        ...

    @property
    def is_sandbox(self) -> bool:
        """Whether the session is free, and of a minute."""
        ...

    @property
    def is_start_billed(self) -> bool:
        """Whether a session was started that costs credits, whatever came of it."""
        ...


class FaceStack:
    """Implements ``kai.ports.AvatarFace``. ``make_cloud`` and ``make_local`` give fresh faces. Kai's loop only, but for
    `pull_sound`."""

    def __init__(
        self,
        make_cloud: Callable[[], PaidFace],
        make_local: Callable[[], AvatarFace],
        *,
        limit_s: float = policy.LIMIT_S,
    ) -> None:
        self._make_cloud = make_cloud
        self._make_local = make_local
        self._state = Faces(limit_s=limit_s)
        self._sink: FaceSink | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._shown: AvatarFace | None = None
        self._cloud: PaidFace | None = None
        self._next: PaidFace | None = None
        self._next_opening: asyncio.Task[None] | None = None
        self._local: AvatarFace | None = None
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._tasks = Tasks("faces")
        self._tape = Tape()
        self._live: set[str] = set()
        self._started: set[str] = set()
        self._look = Look()
        self._mood = AgentState.IDLE
        self._wants_frames = True
        self._decided: asyncio.Future[FaceError | None] | None = None
        self._is_closing = False

    @property
    def capability(self) -> FaceCapability:
        if self._shown is not None:
            return self._shown.capability
        return FaceCapability("opening", delay_ms=0, has_picture=True, is_billed=True, can_restyle=False)

    @property
    def on(self) -> Face | None:
        """Which face is shown."""
        return self._state.on

    # -------------------------------------------------------------- the port

    async def open(self, look: Look, sink: FaceSink) -> None:
        """Opened as soon as one of the faces is shown."""
        self._sink, self._loop, self._look = sink, asyncio.get_running_loop(), look
        self._decided = self._loop.create_future()
        if not wants_cloud(look):
            self._take(policy.CloudWished(False))
        self._take(policy.Began())
        try:
            async with asyncio.timeout(OPEN_S):
                failure = await self._decided
        except BaseException:
            await self.aclose()
            raise
        if failure is not None:
            await self.aclose()
            raise failure

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        self._tape.record(segment_id, pcm)
        self._enliven(segment_id)
        if self._shown is not None:
            self._shown.speak(segment_id, pcm, is_sounding=is_sounding)

    def mark(self, segment_id: str, marks: Marks) -> None:
        self._tape.mark(segment_id, marks)
        if self._shown is not None:
            self._shown.mark(segment_id, self._tape.shifted(segment_id, marks))

    def end_segment(self, segment_id: str) -> None:
        self._tape.complete(segment_id)
        self._enliven(segment_id)
        if self._shown is not None:
            self._shown.end_segment(segment_id)

    def stop_speaking(self) -> Heard | None:
        heard = self._shown.stop_speaking() if self._shown is not None else None
        told = self._tape.heard(heard) if heard is not None else None
        self._tape.forget()
        self._live.clear()
        self._started.clear()
        self._take(policy.SpeakingChanged(False))
        return Heard(told.segment_id, told.heard_ms * SAMPLES_PER_MS) if told is not None else None

    def set_mood(self, mood: AgentState) -> None:
        if mood is not self._mood and mood in (AgentState.THINKING, AgentState.SPEAKING):
            self._take(policy.Stirred())
        self._mood = mood
        if self._shown is not None:
            self._shown.set_mood(mood)

    def set_look(self, look: Look) -> None:
        before, self._look = self._look, look
        # Empty and the cloud's name both want it; a change between them is a person who asks for it anew.
        is_asked_again = look.face != before.face and self._state.on is not Face.CLOUD
        if wants_cloud(look) != wants_cloud(before) or (wants_cloud(look) and is_asked_again):
            self._take(policy.CloudWished(wants_cloud(look)))
        elif look.avatar != before.avatar:
            self._take(policy.ChoiceChanged())
        for face in (self._local, self._cloud):
            if face is not None:
                face.set_look(look)

    def want_frames(self, wanted: bool) -> None:
        self._wants_frames = wanted
        if self._shown is not None:
            self._shown.want_frames(wanted)

    def pull_sound(self) -> Pcm:
        shown = self._shown
        return shown.pull_sound() if shown is not None else SILENCE.copy()

    async def aclose(self) -> None:
        if self._is_closing:
            return
        self._is_closing = True
        self._shown = None
        for timer in self._timers.values():
            timer.cancel()
        if self._next_opening is not None:
            self._next_opening.cancel()
        for face in (self._cloud, self._next, self._local):
            if face is not None:
                self._tasks.spawn(face.aclose(), "close")
        self._cloud = self._next = self._local = None
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._tasks.wait_ended()
        except TimeoutError:
            log.warning("a face did not close in time")
            self._tasks.cancel()

    # -------------------------------------------------------------- orders

    def _take(self, event: FacesEvent) -> None:
        if self._is_closing:
            return
        self._state, orders = policy.step(self._state, event, time.monotonic())
        for order in orders:
            self._obey(order)

    def _obey(self, order: policy.Order) -> None:
        match order:
            case policy.PrepareCloud():
                self._next = self._make_cloud()
                self._next_opening = self._tasks.spawn(self._open_next(self._next), "open the cloud face")
            case policy.DropNext():
                self._drop_next()
            case policy.ShowNext():
                former, self._cloud, self._next = self._cloud, self._next, None
                assert self._cloud is not None
                self._show(self._cloud)
                self._close(former)
            case policy.OpenLocal():
                self._tasks.spawn(self._open_local(), "open the local face")
            case policy.ShowLocal():
                former, self._cloud = self._cloud, None
                assert self._local is not None
                self._show(self._local)
                self._close(former)
            case policy.Report(face, code, message, detail):
                self._emit(FaceReported(face.value, code, message, detail))
                self._emit(self._meter())
            case policy.GiveUp(code, message, is_retryable):
                text = message or "No face could be opened."
                self._give_up(FaceError(text, code=code or "face", is_retryable=is_retryable))
            case policy.Arm(name, delay_s):
                self._disarm(name)
                assert self._loop is not None
                self._timers[name] = self._loop.call_later(delay_s, self._fire, name)
            case policy.Disarm(name):
                self._disarm(name)
            case _:
                assert_never(order)

    def _meter(self) -> FaceMetered:
        """What the shown face costs, and when it must go: by the limit that was set, and in the sandbox by its own."""
        if self._state.on is not Face.CLOUD or self._shown is None or self._loop is None:
            return FaceMetered(is_billed=False)
        names = ("limit", "deadline") if self._state.is_sandbox else ("limit",)
        timers = [timer for name in names if (timer := self._timers.get(name)) is not None]
        ends = [max(0.0, timer.when() - self._loop.time()) for timer in timers]
        return FaceMetered(self._shown.capability.is_billed, min(ends, default=None))

    def _fire(self, name: str) -> None:
        self._timers.pop(name, None)
        self._take(policy.TimeCame(name))

    def _disarm(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    async def _open_next(self, face: PaidFace) -> None:
        try:
            await face.open(self._look, _ChildSink(self, face))
        except KaiError as exc:
            if face is self._next:
                self._next = None
                self._take(
                    policy.NextFailed(
                        exc.code,
                        exc.message,
                        exc.is_retryable,
                        exc.retry_after_s,
                        is_billed=face.is_start_billed,
                        detail=exc.detail,
                    )
                )
            return
        except asyncio.CancelledError:
            await face.aclose()
            raise
        except Exception:
            log.exception("a fault while opening the cloud face")
            if face is self._next:
                self._next = None
                message = "Kai stumbled over a fault of its own with the avatar. The log has the details."
                self._take(
                    policy.NextFailed(
                        "avatar-bug", message, is_retryable=True, is_billed=face.is_start_billed
                    )
                )
            return
        if face is not self._next or self._is_closing:
            await face.aclose()
            return
        self._take(policy.NextOpened(face.longest_s, face.is_sandbox))

    async def _open_local(self) -> None:
        face: AvatarFace | None = None
        try:
            face = self._make_local()
            await face.open(self._look, _ChildSink(self, face))
        except KaiError as exc:
            self._take(policy.LocalLost(exc.code, exc.message, exc.is_retryable))
            return
        except asyncio.CancelledError:
            if face is not None:
                await face.aclose()
            raise
        except Exception:
            # Without a word of it, whoever waits for a face would wait for ``OPEN_S``.
            log.exception("a fault while opening the local face")
            self._close(face)
            message = "Kai stumbled over a fault of its own with the face. The log has the details."
            self._take(policy.LocalLost("face-bug", message, is_retryable=True))
            return
        if self._is_closing:
            await face.aclose()
            return
        face.want_frames(False)
        self._local = face
        self._take(policy.LocalOpened())

    def _drop_next(self) -> None:
        opening, self._next_opening = self._next_opening, None
        face, self._next = self._next, None
        if opening is not None and not opening.done():
            opening.cancel()  # it closes the face itself
        else:
            self._close(face)

    def _close(self, face: AvatarFace | None) -> None:
        if face is not None:
            self._tasks.spawn(face.aclose(), "close a face")

    def _show(self, face: AvatarFace) -> None:
        """That face from now on; an answer goes on at the sample that was heard last."""
        before, self._shown = self._shown, face
        if before is face:
            return
        heard = before.stop_speaking() if before is not None else None
        face.want_frames(self._wants_frames)
        if before is not None and before is self._local:
            before.want_frames(False)
        face.set_mood(self._mood)
        self._speak_rest(face, heard)
        if self._decided is not None and not self._decided.done():
            self._decided.set_result(None)

    def _speak_rest(self, face: AvatarFace, heard: Heard | None) -> None:
        """The rest of the taped answer, from the sample that was heard last, by that face."""
        rest = self._tape.rest(heard or self._unheard())
        if rest is None:
            return
        for marks in rest.marks:
            face.mark(rest.segment_id, marks)
        face.speak(rest.segment_id, rest.pcm, is_sounding=heard is not None and heard.samples > 0)
        if rest.is_complete:
            face.end_segment(rest.segment_id)

    def _unheard(self) -> Heard | None:
        """The taped answer, if it was given to a face and nothing of it was heard yet."""
        waiting = self._live - self._started
        return Heard(next(iter(waiting)), 0) if len(self._live) == 1 and waiting else None

    def _give_up(self, error: FaceError) -> None:
        if self._decided is not None and not self._decided.done():
            self._decided.set_result(error)
            return
        self._emit(LegFailed(LegName.FACE, error.code, error.message, error.is_retryable))

    # -------------------------------------------------------------- what the faces report

    def _enliven(self, segment_id: str) -> None:
        if segment_id not in self._live:
            self._live.add(segment_id)
            self._take(policy.Stirred())
            self._take(policy.SpeakingChanged(True))

    def _emit(self, event: Event) -> None:
        if self._sink is not None and not self._is_closing:
            self._sink.emit(event)

    def on_event(self, face: AvatarFace, event: Event) -> None:
        """A child's report."""
        match event:
            case CreditsReported():
                self._emit(event)
            case FaceResumed() if face is self._shown and len(self._live) == 1:
                # The tape has one answer; of two that wait behind each other stopping would lose the first.
                self._speak_rest(face, face.stop_speaking())
            case LegFailed(_, code, message, is_retryable):
                self._on_lost(face, code, message, is_retryable)
            case PlayoutStarted(segment_id) if face is self._shown:
                if segment_id not in self._started:
                    self._started.add(segment_id)
                    self._emit(event)
            case PlayoutFinished(segment_id) if face is self._shown:
                self._started.discard(segment_id)
                self._live.discard(segment_id)
                self._emit(event)
                if not self._live:
                    self._take(policy.SpeakingChanged(False))
            case _:
                pass

    def _on_lost(self, face: AvatarFace, code: str, message: str, is_retryable: bool) -> None:
        if self._cloud is not None and face is self._cloud:
            is_billed = self._cloud.is_start_billed
            self._take(policy.CloudLost(code, message, is_retryable, is_billed=is_billed))
        elif self._next is not None and face is self._next:
            is_billed = self._next.is_start_billed
            self._next = None
            self._close(face)
            self._take(policy.NextFailed(code, message, is_retryable, is_billed=is_billed))
        elif face is self._local:
            self._local = None
            self._close(face)
            self._take(policy.LocalLost(code, message, is_retryable))

    def on_picture(self, face: AvatarFace, picture: Picture, at_s: float) -> None:
        """A child's picture."""
        if face is self._shown and self._sink is not None and not self._is_closing:
            self._sink.picture(picture, at_s)


def wants_cloud(look: Look) -> bool:
    """Whether that look asks for the cloud face."""
    return look.face != Face.LOCAL.value


class _ChildSink:
    """What one of the faces says and shows."""

    def __init__(self, stack: FaceStack, face: AvatarFace) -> None:
        self._stack, self._face = stack, face

    def emit(self, event: Event) -> None:
        self._stack.on_event(self._face, event)

    def picture(self, picture: Picture, at_s: float) -> None:
        self._stack.on_picture(self._face, picture, at_s)
