"""A talk's faces alone: the stack and the machine that rules it, as one face. It passes the contract suite of faces.

What a brain reports of an answer is said for it: its sound begins with the first ``speak`` and ends with ``end_segment``.
Moods are the test's to set, as by the port.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kai.adapters.voice_only import VoiceOnly
from kai.compat.tasks import Tasks
from kai.core.events import (
    ApplyLook,
    ArmTimer,
    AudioStarted,
    AudioStopped,
    CancelTimer,
    CloseLeg,
    Command,
    DropFace,
    Event,
    InterruptRequested,
    LegConnected,
    LegFailed,
    LookChanged,
    OpenLeg,
    PrepareFace,
    ShowFace,
    StartRequested,
    StopRequested,
    StopSpeaking,
    TimerFired,
)
from kai.core.state import LIMIT_S, AgentState, Face, LegName, LegStatus, Look, SessionState
from kai.core.store import Store
from kai.core.timers import Timer
from kai.errors import FaceError
from kai.ports import AvatarFace, FaceCapability, FaceSink, Feeling, Heard, Marks, Pcm
from kai.runtime.faces import FaceStack, PaidFace
from kai.runtime.tape import SAMPLES_PER_MS, Told
from kai.ui import problems


@dataclass(frozen=True, slots=True)
class FaceReported:
    """Which face is on, and what a person is told of it; no code when all is well."""

    face: str
    code: str = ""
    message: str = ""
    detail: str = ""


class StackedFaces:
    """Implements ``kai.ports.AvatarFace`` with the faces of a whole talk. ``stack`` is the stack, ``store`` the machine."""

    def __init__(
        self,
        make_cloud: Callable[[], PaidFace] | Callable[[], Any],
        make_local: Callable[[], AvatarFace],
        *,
        limit_s: float = LIMIT_S,
    ) -> None:
        self._sink: FaceSink | None = None
        self._tasks = Tasks("faces")
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._pull: Callable[[], Pcm] | None = None
        self._told: Told | None = None
        self._up = asyncio.Event()
        self._is_closed = False
        self.store = Store(self._run, state=SessionState(cloud_limit_s=limit_s))
        self.stack = FaceStack(
            make_local=make_local,
            make_cloud=make_cloud,
            voice=VoiceOnly(),
            emit=self.take,
            show=lambda picture, at_s: self._sink.picture(picture, at_s) if self._sink else None,
            play_from=self._play_from,
            tasks=self._tasks,
        )

    @property
    def on(self) -> Face | None:
        return self.store.snapshot().faces.on

    @property
    def capability(self) -> FaceCapability:
        return self.stack._shown.capability

    def take(self, event: Event) -> None:
        """What happened, for the machine, and for whoever watches."""
        if self._is_closed:
            return
        if self._sink is not None and not isinstance(event, LegConnected | LegFailed):
            self._sink.emit(event)
        self.store.dispatch(event)

    def told(self, state: SessionState) -> FaceReported:
        problem = state.problem
        if problem is None or problem.leg is not LegName.FACE:
            return FaceReported(state.face_name)
        return FaceReported(state.face_name, problem.code, problems.words(problem), problem.detail)

    async def open(self, look: Look, sink: FaceSink) -> None:
        self._sink = sink
        await self.stack.open(look)
        self.stack.want_frames(True)
        self.store.subscribe_to(self.told, sink.emit)  # type: ignore[arg-type]
        self.store.subscribe_to(lambda state: state.face, lambda _leg: self._up.set())
        self.store.dispatch(StartRequested(0.0, look))
        self.store.dispatch(LegConnected(LegName.BRAIN))
        try:
            while not self.store.snapshot().face.is_up:
                self._up.clear()
                await self._up.wait()
                leg = self.store.snapshot().face
                if leg.status in (LegStatus.RECONNECTING, LegStatus.FAILED):
                    raise FaceError(leg.message, code=leg.code)
        except BaseException:
            await self.aclose()
            raise
        self.store.subscribe_to(lambda state: state.face.status, self._leg_changed)

    def _leg_changed(self, status: LegStatus) -> None:
        leg = self.store.snapshot().face
        if self._sink is not None and status in (LegStatus.RECONNECTING, LegStatus.FAILED):
            self._sink.emit(LegFailed(LegName.FACE, leg.code, leg.message))

    def speak(self, segment_id: str, pcm: Pcm, *, is_sounding: bool = False) -> None:
        self.store.dispatch(AudioStarted(segment_id))
        self.stack.speak(segment_id, pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        self.stack.mark(segment_id, marks)

    def end_segment(self, segment_id: str) -> None:
        self.stack.end_segment(segment_id)
        self.store.dispatch(AudioStopped(segment_id))

    def stop_speaking(self) -> Heard | None:
        self._told = None
        self.store.dispatch(InterruptRequested())
        told = self._told
        return None if told is None else Heard(told.segment_id, told.heard_ms * SAMPLES_PER_MS)

    def heard_now(self) -> Heard | None:
        spoken = self.stack.spoken()
        return None if spoken is None else Heard(spoken.response_id, spoken.ms * SAMPLES_PER_MS)

    def set_mood(self, mood: AgentState) -> None:
        self.stack.set_mood(mood)

    def set_emotion(self, feeling: Feeling) -> None:
        self.stack.set_emotion(feeling)

    def rest(self, is_resting: bool) -> None:
        self.stack.rest(is_resting)

    def set_look(self, look: Look) -> None:
        self.store.dispatch(LookChanged(look))

    def want_frames(self, wanted: bool) -> None:
        self.stack.want_frames(wanted)

    def want_size(self, size_px: int) -> None:
        self.stack.want_size(size_px)

    def pull_sound(self) -> Pcm:
        assert self._pull is not None
        return self._pull()

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self.store.dispatch(StopRequested())
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        await self._tasks.wait_ended()
        await self.stack.aclose()
        await self._tasks.wait_ended()

    def _play_from(self, pull: Callable[[], Pcm]) -> None:
        self._pull = pull

    def _run(self, command: Command) -> None:
        look = self.store.snapshot().look
        match command:
            case OpenLeg(LegName.FACE):
                self.stack.open_local(look)
            case CloseLeg(LegName.FACE):
                self.stack.close()
            case PrepareFace():
                self.stack.prepare(look)
            case DropFace():
                self.stack.drop()
            case ShowFace(face):
                self.stack.show(face)
            case ApplyLook():
                self.stack.set_look(look)
            case StopSpeaking(segment_id):
                self._told = self.stack.stop_speaking(segment_id)[0]
            case ArmTimer(timer, delay_s):
                self._disarm(timer)
                loop = asyncio.get_running_loop()
                self._timers[timer] = loop.call_later(delay_s, self.take, TimerFired(timer))
            case CancelTimer(timer):
                self._disarm(timer)
            case _:
                pass

    def _disarm(self, timer: Timer) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()
