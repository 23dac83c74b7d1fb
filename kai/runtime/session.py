"""One talk: its store, its legs and their tasks. The session runs the reducer's commands on the ports.

The session contains no policy. It lives on Kai's loop; ``dispatch`` and ``snapshot`` may be called from any thread.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any, assert_never

from kai.compat.tasks import Tasks
from kai.core.events import (
    ApplyLook,
    ArmTimer,
    BeginTurn,
    BrainDescribed,
    CancelResponse,
    CancelTimer,
    CardShown,
    CloseLeg,
    Command,
    DropFace,
    EndTurn,
    Event,
    Greet,
    LegConnected,
    LegFailed,
    OpenLeg,
    OpenSpareBrain,
    PlayoutInterrupted,
    PrepareFace,
    RecordingFailed,
    RunTool,
    SayWords,
    SeedHistory,
    SendText,
    SendToolResult,
    SetMood,
    SetMuted,
    SetRecording,
    ShowFace,
    SpareBrainFailed,
    SpareBrainReady,
    StopRequested,
    StopSpeaking,
    SwapBrain,
    TimerFired,
    ToolFinished,
)
from kai.core.state import LIMIT_S, Caps, LegName, LegStatus, Look, SessionState
from kai.core.store import Listener, Store, Unsubscribe
from kai.core.timers import Timer
from kai.errors import KaiError
from kai.ports import (
    AvatarFace,
    BrowserLink,
    Marks,
    Pcm,
    SoundRecorder,
    ToolBox,
    VoiceBrain,
)
from kai.runtime.faces import FaceStack, PaidFace, felt, size_px_of
from kai.runtime.outlet import Outlet

log = logging.getLogger(__name__)

BrainFactory = Callable[[Look], Coroutine[Any, Any, VoiceBrain]]
"""Makes the brain for a look, not opened yet."""
FaceFactory = Callable[[], AvatarFace]

NO_CAPS = Caps()
OPEN_S = 75.0
"""The time limit for opening a leg. Each adapter has its own, shorter limits."""
CLOSE_S = 8.0
BUG = "bug"
_NOTE = re.compile(r" \[[^\[\]]+\]$")


class Session:
    """A talk from its first event to its last task. Made and closed on Kai's loop.

    ``make_brain`` may wait (for the local engine to be ready) and may raise ``KaiError``. ``make_face`` makes a new local
    face, ``make_cloud`` a new paid one, which may be shown for ``cloud_limit_s`` without a break, and ``make_voice`` the
    face without a picture that speaks while no other can. ``caps`` bound what the talk may cost. With ``has_cloud_brain``,
    ``make_brain`` makes this computer's engine for a look that runs ``local``, so that it can stand in for the cloud's brain.
    """

    def __init__(
        self,
        *,
        make_brain: BrainFactory,
        make_face: FaceFactory,
        make_voice: FaceFactory,
        browser: BrowserLink,
        make_cloud: Callable[[], PaidFace] | None = None,
        cloud_limit_s: float = LIMIT_S,
        caps: Caps = NO_CAPS,
        has_cloud_brain: bool = False,
        tools: ToolBox | None = None,
        recorder: SoundRecorder | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._make_brain = make_brain
        self._browser = browser
        self._tools = tools
        self._recorder = recorder
        self._store = Store(
            self._run,
            state=SessionState(
                cloud_limit_s=cloud_limit_s if make_cloud is not None else 0.0,
                has_cloud_brain=has_cloud_brain,
                caps=caps,
            ),
        )
        self._brain: VoiceBrain | None = None
        self._spare: VoiceBrain | None = None
        self._spare_look: Look | None = None
        self._spare_opening: asyncio.Task[None] | None = None
        self._outlet = Outlet(recorder)
        self._timers: dict[Timer, asyncio.TimerHandle] = {}
        self._tasks = Tasks("talk")
        self._brain_opening: asyncio.Task[None] | None = None
        self._faces = FaceStack(
            make_local=make_face,
            make_cloud=make_cloud,
            voice=make_voice(),
            emit=self._take,
            show=browser.show,
            play_from=self._outlet.play_from,
            tasks=self._tasks,
        )
        self._is_closed = False

    def snapshot(self) -> SessionState:
        """Return the current state. Any thread."""
        return self._store.snapshot()

    def dispatch(self, event: Event) -> None:
        """Schedule an event to be handled on Kai's loop. Any thread."""
        self._loop.call_soon_threadsafe(self._take, event)

    def subscribe(self, listener: Listener) -> Unsubscribe:
        """Call ``listener`` on Kai's loop after each change. Any thread."""
        return self._store.subscribe(listener)

    def journal(self) -> tuple[SessionState, tuple[tuple[float, Event], ...]]:
        """Return the state before the first kept event, and the kept events with their times. Any thread."""
        return self._store.journal()

    async def open(self) -> None:
        """Make the talk ready for its first event. From now on sound can be pulled."""
        self._browser.connect(self._take, self._on_mic)
        await self._faces.open(self.snapshot().look)
        self._browser.play_from(self._outlet.pull)
        self._store.subscribe_to(_wants_pictures, self._faces.want_frames)
        self._store.subscribe_to(lambda state: state.is_at_rest, self._faces.rest)
        self._store.subscribe_to(felt, self._faces.set_emotion)
        self._faces.want_size(size_px_of(self.snapshot()))
        self._store.subscribe_to(size_px_of, self._faces.want_size)

    async def aclose(self, reason: str = "stopped") -> None:
        """End the talk and release everything, within ``CLOSE_S``. May be called twice."""
        if self._is_closed:
            return
        if self.snapshot().is_active:
            self._take(StopRequested(reason))
        self._is_closed = True
        for timer in self._timers.values():
            timer.cancel()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self._tasks.wait_ended()
                await self._browser.aclose()
                await self._faces.aclose()
        except TimeoutError:
            log.error("a talk did not close in time", extra={"tasks": self._tasks.names()})
            self._tasks.cancel()

    def _take(self, event: Event) -> None:
        if not self._is_closed:
            self._store.dispatch(event)

    def _run(self, command: Command) -> None:
        log.debug("command", extra={"command": type(command).__name__})
        match command:
            case OpenLeg(leg, _):
                self._open_leg(leg)
            case CloseLeg(leg):
                self._close_leg(leg)
            case SendText(item_id, text):
                if self._brain is not None:
                    self._brain.send_text(item_id, text)
            case SeedHistory(lines):
                if self._brain is not None:
                    self._brain.seed(lines)
            case CancelResponse(response_id):
                if self._brain is not None:
                    self._brain.cancel(response_id)
            case Greet(words):
                if self._brain is not None:
                    self._brain.greet(words)
            case SayWords(text):
                if self._brain is not None:
                    self._brain.say(text)
            case BeginTurn():
                if self._brain is not None:
                    self._brain.begin_turn()
            case EndTurn(is_kept):
                if self._brain is not None:
                    self._brain.end_turn(is_kept)
            case RunTool(call_id, name, arguments):
                self._tasks.spawn(self._run_tool(call_id, name, arguments), f"tool {name[:40]}")
            case SendToolResult(call_id, output):
                if self._brain is not None:
                    self._brain.send_tool_result(call_id, output)
            case OpenSpareBrain(is_stand_in):
                self._spare_opening = self._tasks.spawn(self._open_spare(is_stand_in), "open a spare brain")
            case SwapBrain():
                self._swap_brain()
            case StopSpeaking(segment_id):
                self._stop_speaking(segment_id)
            case PrepareFace():
                self._faces.prepare(self.snapshot().look)
            case DropFace():
                self._faces.drop()
            case ShowFace(face):
                self._faces.show(face)
            case SetMood(mood):
                self._faces.set_mood(mood)
            case SetMuted(is_muted):
                if self._brain is not None:
                    self._brain.set_muted(is_muted)
            case SetRecording(is_on):
                self._set_recording(is_on)
            case ApplyLook(look):
                if self._brain is not None:
                    self._brain.update(look)
                self._faces.set_look(look)
            case ArmTimer(timer, delay_s):
                self._disarm(timer)
                self._timers[timer] = self._loop.call_later(delay_s, self._fire, timer)
            case CancelTimer(timer):
                self._disarm(timer)
            case _:
                assert_never(command)

    def _fire(self, timer: Timer) -> None:
        self._timers.pop(timer, None)
        self._take(TimerFired(timer))

    def _disarm(self, timer: Timer) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    def _open_leg(self, leg: LegName) -> None:
        match leg:
            case LegName.BRAIN:
                self._brain_opening = self._tasks.spawn(self._open_brain(), "open the brain")
            case LegName.FACE:
                self._faces.open_local(self.snapshot().look)
            case LegName.BROWSER:
                self._expect_page()

    def _expect_page(self) -> None:
        """Expect the page to open its leg, which it does by mounting a component for the attempt in the state."""
        try:
            self._browser.expect_page()
        except KaiError as exc:
            self._take(LegFailed(LegName.BROWSER, exc.code, exc.message, exc.is_retryable))

    async def _opened(self, *, is_stand_in: bool) -> tuple[VoiceBrain, Look] | LegFailed:
        """Open a brain. Return it and the look that it has, or why it could not be opened, even if by a bug of ours."""
        look = self.snapshot().look
        try:
            async with asyncio.timeout(OPEN_S):
                # A stand-in is this computer's engine, whatever the person chose.
                brain = await self._make_brain(replace(look, runs="local") if is_stand_in else look)
                try:
                    await brain.open(look, _BrainSink(self, brain))
                except BaseException:
                    await brain.aclose()
                    raise
        except KaiError as exc:
            log.info("leg failed", extra={"leg": "brain", "code": exc.code})
            return LegFailed(LegName.BRAIN, exc.code, exc.message, exc.is_retryable, exc.retry_after_s)
        except TimeoutError:
            return LegFailed(LegName.BRAIN, "timeout", "That took too long.")
        except Exception:
            log.exception("a fault while opening a brain")
            return LegFailed(
                LegName.BRAIN, BUG, "Kai stumbled over a fault of its own. The log has the details."
            )
        return brain, look

    async def _open_brain(self) -> None:
        opened = await self._opened(is_stand_in=self.snapshot().ladder.is_standing_in)
        if isinstance(opened, LegFailed):
            self._take(opened)
            return
        self._brain, look = opened
        self._take(BrainDescribed(self._brain.facts, look))
        if self.snapshot().look != look:
            self._brain.update(self.snapshot().look)
        self._take(LegConnected(LegName.BRAIN))

    async def _open_spare(self, is_stand_in: bool) -> None:
        """Open a second brain. It gets no sound and is not heard until it is swapped in."""
        match await self._opened(is_stand_in=is_stand_in):
            case LegFailed(code=code) if code == BUG:
                self._take(SpareBrainFailed(BUG, is_retryable=False))
            case LegFailed(_, code, message, is_retryable, retry_after_s):
                self._take(SpareBrainFailed(code, is_retryable, retry_after_s, message))
            case opened:
                self._spare, self._spare_look = opened
                self._take(SpareBrainReady())

    def _swap_brain(self) -> None:
        old, self._brain, self._spare = self._brain, self._spare, None
        if old is not None:
            self._tasks.spawn(old.aclose(), "close the old brain")
        if self._brain is not None:
            self._brain.update(self.snapshot().look)
            self._take(BrainDescribed(self._brain.facts, self._spare_look))

    def _drop_spare(self) -> None:
        if self._spare_opening is not None and not self._spare_opening.done():
            self._spare_opening.cancel()
        spare, self._spare = self._spare, None
        if spare is not None:
            self._tasks.spawn(spare.aclose(), "close the spare brain")

    async def _run_tool(self, call_id: str, name: str, arguments: str) -> None:
        if self._tools is None:
            self._take(ToolFinished(call_id, "{}", "Kai has no tools here."))
            return
        result = await self._tools.run(name, arguments, self.snapshot().time_zone)
        if result.card is not None:
            self._take(CardShown(result.card))
        self._take(ToolFinished(call_id, result.output, result.problem))

    def _close_leg(self, leg: LegName) -> None:
        match leg:
            case LegName.BRAIN:
                if self._brain_opening is not None and not self._brain_opening.done():
                    self._brain_opening.cancel()
                self._drop_spare()
                brain, self._brain = self._brain, None
                if brain is not None:
                    self._tasks.spawn(brain.aclose(), "close the brain")
            case LegName.FACE:
                self._faces.close()
            case LegName.BROWSER:
                self._browser.close_page()

    def _on_mic(self, pcm: Pcm) -> None:
        if self._brain is not None:
            self._brain.push_mic(pcm)
        if _is_heard(self.snapshot()):
            self._outlet.push_mic(pcm)

    def _set_recording(self, is_on: bool) -> None:
        if self._recorder is None:
            if is_on:
                self._take(RecordingFailed("recording-off", "Nothing can be recorded here."))
        elif not is_on:
            self._recorder.stop()
        else:
            try:
                self._recorder.start(self._on_recording_failed)
            except KaiError as exc:
                self._take(RecordingFailed(exc.code, exc.message))

    def _on_recording_failed(self, error: KaiError) -> None:
        if not self._loop.is_closed():
            self.dispatch(RecordingFailed(error.code, error.message))

    def _stop_speaking(self, segment_id: str) -> None:
        for told in self._faces.stop_speaking(segment_id, self._written):
            if self._brain is not None:
                self._brain.tell_heard(told.segment_id, told.heard_ms, told.text)
            self._store.dispatch(PlayoutInterrupted(told.segment_id, told.heard_ms, told.text))

    def _written(self, segment_id: str) -> str:
        """Return what the brain has written of that answer so far, without a note of ours about it."""
        lines = [m.text for m in self.snapshot().messages if m.response_id == segment_id]
        return _NOTE.sub("", " ".join(line.strip() for line in lines if line.strip()))

    def is_current(self, brain: VoiceBrain) -> bool:
        """Return whether that brain is the talk's current one. Sound of an old one is ignored."""
        return brain is self._brain

    @property
    def faces(self) -> FaceStack:
        """The faces, which play the sound of answers."""
        return self._faces

    def on_brain_event(self, brain: VoiceBrain, event: Event) -> None:
        """Handle an event of a brain, either the current one or the spare."""
        if brain is self._brain:
            self._take(event)
        elif brain is self._spare and isinstance(event, LegFailed):
            self._drop_spare()
            self._take(SpareBrainFailed(event.code, event.is_retryable))


def _wants_pictures(state: SessionState) -> bool:
    """Return whether a page shows the face or is about to. Rendering without a viewer would cost a fifth of a core."""
    return state.is_active and state.browser.status in (LegStatus.CONNECTING, LegStatus.CONNECTED)


def _is_heard(state: SessionState) -> bool:
    """Return whether Kai may hear the person. Otherwise their sound is not recorded either."""
    is_key_up = state.look.brain.is_push_to_talk and not state.key_down_at_s
    return not (state.is_muted or is_key_up)


class _BrainSink:
    """The sink of one brain. It passes sound on only while that brain is the talk's current one."""

    def __init__(self, session: Session, brain: VoiceBrain) -> None:
        self._session, self._brain = session, brain

    def emit(self, event: Event) -> None:
        self._session.on_brain_event(self._brain, event)

    def sound(self, segment_id: str, pcm: Pcm) -> None:
        if self._session.is_current(self._brain):
            self._session.faces.speak(segment_id, pcm)

    def marks(self, segment_id: str, marks: Marks) -> None:
        if self._session.is_current(self._brain):
            self._session.faces.mark(segment_id, marks)

    def end_segment(self, segment_id: str) -> None:
        if self._session.is_current(self._brain):
            self._session.faces.end_segment(segment_id)
