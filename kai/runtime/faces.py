"""The faces of one talk. They are opened, shown and closed by the reducer's commands (`kai.core.policy.faces`).

A face that takes over continues, from the tape, at the sample that was heard last. While no face is shown, a face without a
picture (the voice alone) speaks.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeVar, assert_never

from kai.avatar.feeling import CALM, Emotion, newest_feeling
from kai.avatar.ladder import LARGE_PX, STANDARD_PX
from kai.compat.tasks import Tasks
from kai.core.config import FaceSize
from kai.core.events import (
    CloudFailed,
    CloudLost,
    CloudOpened,
    CreditsReported,
    Event,
    FaceResumed,
    LegConnected,
    LegFailed,
    PlayoutFinished,
    PlayoutStarted,
)
from kai.core.state import AgentState, Face, LegName, Look, Role, SessionState
from kai.errors import FaceError, KaiError
from kai.ports import AvatarFace, Emit, Feeling, Heard, Marks, Pcm, Picture
from kai.runtime.tape import Spoken, Tape, Told

log = logging.getLogger(__name__)

LARGE_FROM_PX: Final = 600
"""A face that is shown larger than this looks soft when 512 pixels are stretched to it."""
OPEN_S: Final = 75.0
"""The time limit for opening a face. Each adapter has its own, shorter limits."""

F = TypeVar("F", bound=AvatarFace)

BUG: Final = "Kai stumbled over a fault of its own with the {part}. The log has the details."


class PaidFace(AvatarFace, Protocol):
    """An avatar's face with the further properties that a talk needs of a cloud face."""

    @property
    def longest_s(self) -> float | None:
        """How long the session may last, if that is known."""
        ...

    @property
    def is_sandbox(self) -> bool:
        """True when the session is free and lasts one minute."""
        ...

    @property
    def is_start_billed(self) -> bool:
        """True when a session that costs credits was started, even if it then failed."""
        ...


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Whether pictures are wanted, in which size the local face is to be drawn, and whether the talk is at rest."""

    frames: bool = False
    is_resting: bool = False
    size_px: int = STANDARD_PX


class FaceStack:
    """All faces of a talk, presented as one. Kai's loop only, except for the ``pull_sound`` that is passed to ``play_from``.

    ``make_local`` and ``make_cloud`` make new faces; ``make_cloud`` is ``None`` if there is no paid face. ``emit`` gets the
    faces' events, ``show`` the pictures of the shown face, and ``play_from`` the ``pull_sound`` of the face that speaks.
    """

    def __init__(
        self,
        *,
        make_local: Callable[[], AvatarFace],
        make_cloud: Callable[[], PaidFace] | None,
        voice: AvatarFace,
        emit: Emit,
        show: Callable[[Picture, float], None],
        play_from: Callable[[Callable[[], Pcm]], None],
        tasks: Tasks,
    ) -> None:
        self._make_local = make_local
        self._make_cloud = make_cloud
        self._voice = voice
        self._emit = emit
        self._show_picture = show
        self._play_from = play_from
        self._tasks = tasks
        self._shown = voice
        self._local: AvatarFace | None = None
        self._cloud: PaidFace | None = None
        self._next: PaidFace | None = None
        self._local_opening: asyncio.Task[None] | None = None
        self._next_opening: asyncio.Task[None] | None = None
        self._tape = Tape()
        self._live: set[str] = set()
        self._started: dict[str, bool] = {}
        """The live segments that have begun to play, and whether the shown face has begun them."""
        self._mood = AgentState.IDLE
        self._wanted = _Wanted()

    async def open(self, look: Look) -> None:
        """Start with the voice alone."""
        self._tape.expect(look.speed)
        await self._voice.open(look, _Sink(self, self._voice))
        self._play_from(self._voice.pull_sound)

    async def aclose(self) -> None:
        """Close every face and the voice. The owner of ``tasks`` must wait for those that close the faces."""
        self.close()
        await self._voice.aclose()

    def open_local(self, look: Look) -> None:
        """Open the local face in the background; reports ``LegConnected`` or ``LegFailed``."""
        self._local_opening = self._tasks.spawn(self._open_local(look), "open the face")

    def prepare(self, look: Look) -> None:
        """Open a paid face in the background; reports ``CloudOpened`` or ``CloudFailed``."""
        assert self._make_cloud is not None
        self._next = self._make_cloud()
        self._next_opening = self._tasks.spawn(self._open_next(self._next, look), "open the cloud face")

    def drop(self) -> None:
        """Stop the paid face that is being prepared, whether or not it is open yet."""
        opening, self._next_opening = self._next_opening, None
        face, self._next = self._next, None
        if opening is not None and not opening.done():
            opening.cancel()  # the task closes the face itself
        else:
            self._close(face)

    def show(self, name: Face) -> None:
        """Show that face, and stop the paid face that was shown before, if any."""
        former, self._cloud = self._cloud, None
        match name:
            case Face.CLOUD:
                self._cloud, self._next = self._next, None
                face: AvatarFace | None = self._cloud
            case Face.LOCAL:
                face = self._local
            case _:
                assert_never(name)
        assert face is not None
        self._take_over(face)
        self._close(former)

    def close(self) -> None:
        """Close every face and continue with the voice alone."""
        if self._local_opening is not None:
            self._local_opening.cancel()
        self.drop()
        if self._shown is not self._voice:
            self._take_over(self._voice)
            # The voice must report the start of the current answer again; the reducer expects this after a lost face.
            self._started.clear()
        for face in (self._cloud, self._local):
            self._close(face)
        self._cloud = self._local = None

    def set_mood(self, mood: AgentState) -> None:
        """Show what Kai is doing."""
        self._mood = mood
        self._shown.set_mood(mood)

    def set_emotion(self, feeling: Feeling) -> None:
        """Show a feeling."""
        self._shown.set_emotion(feeling)

    def rest(self, is_resting: bool) -> None:
        """Let the shown face rest, or end its rest."""
        self._wanted = replace(self._wanted, is_resting=is_resting)
        self._shown.rest(is_resting)

    def set_look(self, look: Look) -> None:
        """Change the character or its style, and the expected pace of the voice."""
        self._tape.expect(look.speed)
        for face in (self._local, self._cloud):
            if face is not None:
                face.set_look(look)

    def want_frames(self, wanted: bool) -> None:
        """Start or pause the rendering of the shown face. The other faces are paused anyway."""
        self._wanted = replace(self._wanted, frames=wanted)
        self._shown.want_frames(wanted)

    def want_size(self, size_px: int) -> None:
        """Draw squares of this size from now on, in the local face."""
        self._wanted = replace(self._wanted, size_px=size_px)
        if self._local is not None:
            self._local.want_size(size_px)

    def speak(self, segment_id: str, pcm: Pcm) -> None:
        """Speak sound of an answer, 24 000 Hz, in order."""
        self._tape.record(segment_id, pcm)
        self._live.add(segment_id)
        self._shown.speak(segment_id, pcm)

    def mark(self, segment_id: str, marks: Marks) -> None:
        """Take viseme and word times of an answer, before or with its sound."""
        self._tape.mark(segment_id, marks)
        self._shown.mark(segment_id, self._tape.shifted(segment_id, marks))

    def end_segment(self, segment_id: str) -> None:
        """Mark the answer's sound as complete."""
        self._tape.complete(segment_id)
        self._live.add(segment_id)
        self._shown.end_segment(segment_id)

    def stop_speaking(
        self, segment_id: str, text_of: Callable[[str], str] = lambda _segment_id: ""
    ) -> tuple[Told, ...]:
        """Fall silent at once. Return how much was heard of the segment that was playing and of this one, if it is another.

        ``text_of`` returns what the brain wrote of an answer."""
        heard = self._shown.stop_speaking()
        stopped = [Heard(segment_id, 0)] if heard is None else [heard]
        if segment_id != stopped[0].segment_id and segment_id in self._live:
            stopped.append(Heard(segment_id, 0))
        told = tuple(self._tape.heard(place, text_of(place.segment_id)) for place in stopped)
        self._tape.forget()
        self._live.clear()
        self._started.clear()
        return told

    def spoken(self) -> Spoken | None:
        """Return how far the answer that is playing has been spoken, if any. Any thread."""
        heard = self._shown.heard_now()
        return None if heard is None else self._tape.spoken(heard)

    def _take_over(self, face: AvatarFace) -> None:
        """Speak through that face from now on. An answer continues at the sample that was heard last."""
        before, self._shown = self._shown, face
        if before is face:
            return
        heard = before.stop_speaking()
        face.want_frames(self._wanted.frames)
        if before is self._local:
            before.want_frames(False)
        face.set_mood(self._mood)
        face.rest(self._wanted.is_resting)
        self._play_from(face.pull_sound)
        self._speak_rest(face, heard)

    def _speak_rest(self, face: AvatarFace, heard: Heard | None) -> None:
        """Speak the rest of the taped answers through that face, from the sample that was heard last."""
        waiting = {name for name in self._live if not self._started.get(name)}
        self._started = dict.fromkeys(self._started, False)
        is_sounding = heard is not None and heard.samples > 0
        for rest in self._tape.rests(heard, waiting.__contains__):
            for marks in rest.marks:
                face.mark(rest.segment_id, marks)
            face.speak(rest.segment_id, rest.pcm, is_sounding=is_sounding)
            is_sounding = False
            if rest.is_complete:
                face.end_segment(rest.segment_id)

    async def _opened(self, make: Callable[[], F], look: Look, part: str) -> F | KaiError:
        """Make and open a face. Return it, or why it could not be opened, even if by a bug of ours: the failure must be
        reported, or the talk would wait for this face forever."""
        face: F | None = None
        try:
            face = make()
            async with asyncio.timeout(OPEN_S):
                await face.open(look, _Sink(self, face))
        except KaiError as exc:
            log.info("leg failed", extra={"leg": part, "code": exc.code})
            return exc
        except asyncio.CancelledError:
            if face is not None:
                await face.aclose()
            raise
        except Exception:
            log.exception("a fault while opening a face", extra={"leg": part})
            self._close(face)
            return FaceError(BUG.format(part=part), code=f"{part}-bug")
        return face

    async def _open_local(self, look: Look) -> None:
        face = await self._opened(self._make_local, look, "face")
        if isinstance(face, KaiError):
            self._emit(
                LegFailed(LegName.FACE, face.code, face.message, face.is_retryable, face.retry_after_s)
            )
            return
        self._local = face
        face.want_size(self._wanted.size_px)
        self._emit(LegConnected(LegName.FACE))
        if self._shown is not face:
            face.want_frames(False)

    async def _open_next(self, face: PaidFace, look: Look) -> None:
        opened = await self._opened(lambda: face, look, "avatar")
        if isinstance(opened, KaiError):
            why = CloudFailed(opened.code, opened.message, opened.is_retryable, opened.retry_after_s)
            self._lose_next(face, replace(why, detail=opened.detail))
        elif face is self._next:
            self._emit(CloudOpened(face.longest_s, face.is_sandbox, face.capability.is_billed))

    def _lose_next(self, face: PaidFace, failed: CloudFailed) -> None:
        if face is self._next:
            self._next = None
            self._emit(replace(failed, is_billed=face.is_start_billed))

    def _close(self, face: AvatarFace | None) -> None:
        if face is not None:
            self._tasks.spawn(face.aclose(), "close a face")

    def on_event(self, face: AvatarFace, event: Event) -> None:
        """Handle an event of one of the faces. Playout events of a face that is not shown are ignored."""
        match event:
            case CreditsReported():
                self._emit(event)
            case FaceResumed() if face is self._shown and self._live:
                self._speak_rest(face, face.stop_speaking())
            case LegFailed():
                self._on_lost(face, event)
            case PlayoutStarted(segment_id) if face is self._shown:
                is_new = segment_id not in self._started
                self._started[segment_id] = True
                if is_new:
                    self._emit(event)
            case PlayoutFinished(segment_id) if face is self._shown:
                self._started.pop(segment_id, None)
                self._live.discard(segment_id)
                self._tape.played(segment_id)
                self._emit(event)
            case _:
                pass

    def _on_lost(self, face: AvatarFace, lost: LegFailed) -> None:
        if self._cloud is not None and face is self._cloud:
            is_billed = self._cloud.is_start_billed
            self._emit(CloudLost(lost.code, lost.message, lost.is_retryable, is_billed=is_billed))
        elif self._next is not None and face is self._next:
            self._close(face)
            self._lose_next(self._next, CloudFailed(lost.code, lost.message, lost.is_retryable))
        elif face is self._local:
            self._local = None
            self._close(face)
            self._emit(lost)

    def on_picture(self, face: AvatarFace, picture: Picture, at_s: float) -> None:
        """Show a picture of the shown face. Without a paid face, the local face's pictures count before it is shown."""
        is_first = self._shown is self._voice and self._make_cloud is None
        if face is self._shown or is_first:
            self._show_picture(picture, at_s)


class _Sink:
    """The sink of one face."""

    def __init__(self, stack: FaceStack, face: AvatarFace) -> None:
        self._stack, self._face = stack, face

    def emit(self, event: Event) -> None:
        self._stack.on_event(self._face, event)

    def picture(self, picture: Picture, at_s: float) -> None:
        self._stack.on_picture(self._face, picture, at_s)


def size_px_of(state: SessionState) -> int:
    """Return in which size the local face is drawn: the person's choice, or by the size at which a page shows it."""
    match state.look.face_size:
        case FaceSize.STANDARD:
            return STANDARD_PX
        case FaceSize.HIGH:
            return LARGE_PX
        case FaceSize.AUTO:
            return LARGE_PX if state.shown_px >= LARGE_FROM_PX else STANDARD_PX


def felt(state: SessionState) -> Feeling:
    """Return what the talk makes Kai feel: the newest words do, or a tool that failed before there are any."""
    newest = state.messages[-1] if state.messages else None
    if newest is None or not state.look.shows_feelings:
        return CALM
    if newest.role is Role.ASSISTANT:
        return newest_feeling(newest.text)
    has_failed = bool(state.tool_runs) and bool(state.tool_runs[-1].problem)
    return Feeling(Emotion.CONCERNED, 0.5) if has_failed else CALM
