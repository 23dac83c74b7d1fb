"""The state machine of a talk: the pure function ``step(state, event, at) -> (state, commands)``.

This module routes each event to the policy in `kai.core.policy`. Three rules hold everywhere:

* A closed talk issues no more commands; only ``ResetRequested`` reopens it.
* Neighbouring events have no guaranteed order (an answer may be done before its first sound, and sound may continue after it
  was cleared). Each event is therefore handled on its own, and handling one twice is harmless.
* Events of a brain whose leg is not up are late and change nothing. The face's events count at any time.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from kai.core.events import (
    ArmTimer,
    AssistantTranscriptChanged,
    AudioCleared,
    AudioStarted,
    AudioStopped,
    Awoke,
    BrainComplained,
    BrainDescribed,
    BrainEvent,
    BrainRecalled,
    BrainRemarked,
    BrowserLeft,
    CardDismissed,
    CardShown,
    ClearUndone,
    CloudFailed,
    CloudLost,
    CloudOpened,
    CreditsReported,
    Event,
    FaceRecalled,
    FaceResumed,
    FaceShown,
    HandOverRequested,
    InterruptRequested,
    LegConnected,
    LegFailed,
    LookChanged,
    MessagesCleared,
    MicrophoneChanged,
    MuteToggled,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
    ProblemDismissed,
    RateLimitsReported,
    RecordingFailed,
    RecordingWished,
    ResetRequested,
    ResponseCreated,
    ResponseDone,
    RetryRequested,
    SetMood,
    SetMuted,
    SetRecording,
    SpareBrainFailed,
    SpareBrainReady,
    StartRequested,
    Step,
    StopRequested,
    StopSpeaking,
    TextSubmitted,
    TimerFired,
    TimeZoneTold,
    ToolFinished,
    ToolRequested,
    TurnKeyPressed,
    TurnKeyReleased,
    UsageReported,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.policy import brains, budget, costs, legs, lines, rungs, turns
from kai.core.policy.face_facts import LastCredit
from kai.core.state import HandOver, Leg, LegName, LegStatus, Next, Phase, Problem, SessionState, Span
from kai.core.timers import (
    AnswerOverdue,
    ClimbDue,
    FaceTimer,
    HandOverDue,
    PageOverdue,
    PlayoutOverdue,
    RetryDue,
    StandInDue,
    Timer,
    TranscriptOverdue,
    UndoOver,
)


def step(state: SessionState, event: Event, at: float) -> Step:
    """Return the state after ``event`` and the commands that follow. ``at`` is the monotonic clock in seconds."""
    if state.phase is Phase.CLOSED and not isinstance(event, ResetRequested | TimeZoneTold):
        return _after_close(state, event), ()
    if state.phase is Phase.IDLE and not isinstance(event, StartRequested | LookChanged | TimeZoneTold):
        return state, ()
    new, commands = _react(state, event, at)
    # What was heard of an answer that was cut is known one event later, and the next brain is told that alone.
    is_cut = any(isinstance(command, StopSpeaking) for command in commands)
    if new.hand_over is HandOver.READY and new.brain.is_up and new.is_between_turns and not is_cut:
        new, swap = brains.swap(new, at)
        commands = (*commands, *swap)
    if new.is_greeting_due:
        new, greeting = brains.greet(new)
        commands = (*commands, *greeting)
    new, faces_follow = legs.follow_talk(state, new, event, at)
    new, budget_follows = budget.follow(state, new, at)
    commands = (*commands, *faces_follow, *budget_follows)
    if new.cleared and not new.is_active:
        new = replace(new, cleared=())
    if new.is_active and new.agent is not state.agent:
        commands = (*commands, SetMood(new.agent))
    return new, commands


def _after_close(state: SessionState, event: Event) -> SessionState:
    """After a talk has closed, record what was heard, and let a person clear its messages and change settings."""
    match event:
        case PlayoutInterrupted():
            return lines.cut_message(state, event)
        case MessagesCleared():
            return replace(state, messages=())
        case LookChanged(look):
            return replace(state, look=look)
        case ProblemDismissed():
            return replace(state, problem=None)
        case CardDismissed():
            return replace(state, card=None)
        case _:
            return state


def _react(state: SessionState, event: Event, at: float) -> Step:
    if isinstance(event, BrainEvent):
        return brain_said(state, event, at) if state.brain.is_up else (state, ())
    match event:
        case PlayoutStarted(segment_id):
            return turns.follow(state, segment_id, "playout", Span.ON)
        case PlayoutFinished(segment_id):
            return turns.follow(state, segment_id, "playout", Span.PAST)
        case PlayoutInterrupted(segment_id):
            is_lost = segment_id == state.ladder.lost_answer and not state.brain.is_up
            state = lines.cut_message(rungs.keep_unsaid(state, event), event)
            # Where nobody heard anything of an answer that was lost with its brain, the question is still open.
            state = brains.keep_question(state) if is_lost else state
            return turns.follow(state, segment_id, "playout", Span.PAST)
        case CloudFailed(is_billed=True) if state.faces.next is Next.OPENING:
            state = replace(state, credits=costs.with_failed_start(state.credits))
            return legs.tell_faces(state, event, at)
        case (
            CloudOpened() | CloudFailed() | CloudLost() | LegConnected(LegName.FACE) | LegFailed(LegName.FACE)
        ):
            return legs.tell_faces(state, event, at)
        case FaceResumed():
            return state, ()  # FaceStack, which has the sound, has already handled it
        case CreditsReported(left=left):
            state = replace(state, credits=costs.with_credits(state.credits, event))
            is_last = left is not None and left < 1 and state.faces.is_billed and not state.faces.is_sandbox
            return legs.tell_faces(state, LastCredit(), at) if is_last else (state, ())
        case StartRequested():
            return legs.start(state, event, at)
        case StopRequested():
            return legs.stop(state, event, at)
        case ResetRequested():
            if state.phase is not Phase.CLOSED:
                return state, ()
            return SessionState(
                look=state.look,
                time_zone=state.time_zone,
                cloud_limit_s=state.cloud_limit_s,
                caps=state.caps,
                has_cloud_brain=state.has_cloud_brain,
            ), ()
        case MuteToggled(is_muted):
            if is_muted == state.is_muted:
                return state, ()
            return replace(state, is_muted=is_muted), (SetMuted(is_muted),)
        case RecordingWished(is_on):
            if is_on == state.is_recording:
                return state, ()
            return replace(state, is_recording=is_on), (SetRecording(is_on),)
        case RecordingFailed(code, message):
            if not state.is_recording:
                return state, ()
            return replace(state, is_recording=False).with_problem(Problem(code, message)), (
                SetRecording(False),
            )
        case InterruptRequested():
            return turns.interrupt(state)
        case TextSubmitted():
            return turns.submit_text(state, event, at)
        case MessagesCleared():
            return lines.clear(state)
        case ClearUndone():
            return lines.undo_clear(state)
        case LookChanged(look):
            return legs.look_changed(state, look, at)
        case FaceShown(size_px):
            return replace(state, shown_px=size_px), ()
        case FaceRecalled():
            return legs.recall_face(state, at)
        case BrainRecalled():
            return rungs.climb(state)
        case RetryRequested(leg):
            return legs.retry_now(state, leg, at)
        case ProblemDismissed():
            return replace(state, problem=None), ()
        case TurnKeyPressed():
            return turns.key_pressed(state, at)
        case TurnKeyReleased():
            return turns.key_released(state, at)
        case HandOverRequested():
            return brains.open_spare(replace(state, is_change_wished=state.brain.is_up))
        case SpareBrainReady():
            is_wanted = state.hand_over is HandOver.OPENING
            return (replace(state, hand_over=HandOver.READY) if is_wanted else state), ()
        case SpareBrainFailed():
            return brains.spare_failed(state, event)
        case BrainDescribed(facts, look):
            return brains.described(replace(state, brain_look=look), facts)
        case UsageReported():
            return replace(state, spending=costs.spent(state.spending, event)), ()
        case RateLimitsReported(limits):
            return rungs.limits_reported(state, limits)
        case BrainRemarked():
            return state, ()
        case ToolFinished():
            return turns.tool_finished(state, event, at)
        case CardShown(card):
            return replace(state, card=card), ()
        case CardDismissed():
            return replace(state, card=None), ()
        case LegConnected(leg):
            return legs.connected(state, leg, at)
        case LegFailed():
            return legs.failed(state, event, at)
        case BrowserLeft():
            if not state.browser.is_up:
                return state, ()
            return replace(state, browser=Leg(LegStatus.RECONNECTING, 1)), (
                ArmTimer(PageOverdue(), legs.BROWSER_CONNECT_S),
            )
        case Awoke(slept_s):
            return legs.awoke(state, slept_s, at)
        case MicrophoneChanged(microphone):
            return legs.microphone_changed(state, microphone)
        case TimeZoneTold(time_zone):
            return replace(state, time_zone=time_zone), ()
        case TimerFired(timer):
            return _time_came(state, timer, at)
        case _:
            assert_never(event)


def _time_came(state: SessionState, timer: Timer, at: float) -> Step:
    match timer:
        case RetryDue(leg):
            return legs.retry_due(state, leg, at)
        case PageOverdue():
            return legs.page_overdue(state, at)
        case TranscriptOverdue(item_id):
            line = lines.find_line(state, item_id)
            if line is None or line.is_final:
                return state, ()
            return lines.without_empty(
                lines.change_line(state, item_id, lambda m: replace(m, is_final=True)), item_id
            ), ()
        case AnswerOverdue():
            if not state.is_waiting:
                return state, ()
            return replace(state, is_waiting=False).with_problem(Problem("no-answer", "")), ()
        case PlayoutOverdue(response_id):
            return turns.playout_overdue(state, response_id)
        case UndoOver():
            return replace(state, cleared=()), ()
        case HandOverDue():
            return brains.open_spare(state)
        case StandInDue():
            return rungs.stand_in_due(state, at)
        case ClimbDue():
            return rungs.climb(state)
        case FaceTimer():
            return legs.tell_faces(state, timer, at)
        case _:
            assert_never(timer)


def brain_said(state: SessionState, event: BrainEvent, at: float) -> Step:
    match event:
        case UserSpeechStarted(item_id):
            return turns.user_began(state, item_id, at)
        case UserSpeechStopped(item_id):
            state, wait = turns.await_answer(replace(state, is_user_speaking=False))
            return state, (ArmTimer(TranscriptOverdue(item_id), lines.TRANSCRIPT_PATIENCE_S), *wait)
        case UserTranscriptChanged():
            return lines.user_transcript(state, event, at)
        case AssistantTranscriptChanged(response_id):
            return (state if response_id in state.cancelled else lines.assistant_line(state, event, at)), ()
        case ResponseCreated(response_id):
            return turns.follow(state, response_id, "generating", Span.ON)
        case ResponseDone():
            return turns.response_done(state, event)
        case AudioStarted(response_id):
            return turns.follow(state, response_id, "audio_out", Span.ON)
        case AudioStopped(response_id):
            return turns.follow(state, response_id, "audio_out", Span.PAST)
        case AudioCleared(response_id):
            return turns.cleared(state, response_id)
        case BrainComplained(code, message):
            waiting = state.is_waiting and bool(state.live_answers)
            return replace(state, is_waiting=waiting).with_problem(Problem(code, message)), ()
        case ToolRequested(call_id, name, arguments):
            return turns.tool_requested(state, call_id, name, arguments)
        case _:
            assert_never(event)
