"""All policy of a talk: ``step(state, event, at) -> (state, commands)``, pure.

Rules worth knowing before a change:

* A closed talk asks for nothing more; only ``ResetRequested`` brings it back.
* A leg is tried once per ``OpenLeg``; whether to try again, and when, is decided here (``RETRY_DELAYS_S``).
* Neighbouring events of the brain come in no promised order (an answer may be done before its first sound, and sound may
  go on after it was cleared), so each is handled by itself, and twice does no harm.
* An answer ends for a person when it was played, not when the brain has sent it: a face is some time behind. Until then it
  can be interrupted, and the brain may have begun the next one.
* An answer that was cut off goes into ``cancelled``; whatever is still said of it changes nothing.
* What the brain says while its leg is not up is late, and changes nothing. The face's reports count at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, assert_never

from kai.core.events import (
    ApplyLook,
    ArmTimer,
    AssistantTranscriptChanged,
    AudioCleared,
    AudioStarted,
    AudioStopped,
    BeginTurn,
    BrainComplained,
    BrainDescribed,
    BrainRemarked,
    BrowserLeft,
    CancelResponse,
    CancelTimer,
    CardDismissed,
    CardShown,
    CloseLeg,
    Command,
    CreditsReported,
    EndTurn,
    Event,
    FaceMetered,
    FaceReported,
    FaceResumed,
    Greet,
    HandOverRequested,
    InterruptRequested,
    LegConnected,
    LegFailed,
    LookChanged,
    MessagesCleared,
    MicrophoneChanged,
    MuteToggled,
    OpenLeg,
    OpenSpareBrain,
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
    RunTool,
    SeedHistory,
    SendText,
    SendToolResult,
    SetMood,
    SetMuted,
    SetRecording,
    SpareBrainFailed,
    SpareBrainReady,
    StartRequested,
    StopRequested,
    StopSpeaking,
    SwapBrain,
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
from kai.core.state import (
    BrainFacts,
    Credits,
    HandOver,
    Leg,
    LegName,
    LegStatus,
    Message,
    Microphone,
    Phase,
    Problem,
    Response,
    Role,
    SessionState,
    Span,
    Spending,
    Thought,
    ToolRun,
)
from kai.core.timers import (
    AnswerOverdue,
    HandOverDue,
    PageOverdue,
    PlayoutOverdue,
    RetryDue,
    Timer,
    TranscriptOverdue,
)

RETRY_DELAYS_S = (0.5, 1.5)
"""Waits before the second and the third try of a leg; after that it has failed."""

LONGEST_RETRY_AFTER_S = 120.0
"""A leg that asks to be left alone for longer has failed for this talk; a person may have it tried again. Within that its
wish goes before our own waits (RFC 9110, 10.2.3). The provider's own client has the same limit."""

STEADY_S = 10.0
"""A leg that was up for so long has its tries back. One that dies sooner used one: else it would be opened for ever."""

BROWSER_CONNECT_S = 5.0
"""A browser leg that is not up by then hangs (fresh connections take 0.5 to 2 s) and is mounted anew."""

CANCELLED_KEPT = 16
"""How many cut-off answers are remembered. Late events come within a second; sixteen answers take minutes."""

ANSWERS_KEPT = 8
"""How many answers are kept in view. Two overlap in practice: one is heard to its end while the next is made."""

TRANSCRIPT_PATIENCE_S = 15.0
"""A person's line whose words have not come by then will not get any."""

ANSWER_PATIENCE_S = 30.0
"""An answer that has not begun by then will not come; the person is told instead of being left with "Thinking"."""

PLAYOUT_PATIENCE_S = 5.0
"""Sound that the brain has sent to its end and of which nothing was played by then is lost (no face, no player)."""

TOOL_RUNS_KEPT = 16
"""How many calls of tools are kept in view."""

HAND_OVER_LEAD_S = 300.0
"""So long before a brain's time limit a fresh one is opened: five minutes hold a pause in every talk."""

HAND_OVER_RETRY_S = 30.0

KEY_HELD_S = 0.2
"""A push-to-talk key that was held shorter was touched by mistake."""

BrainEvent = (
    UserSpeechStarted
    | UserSpeechStopped
    | UserTranscriptChanged
    | ResponseCreated
    | ResponseDone
    | AssistantTranscriptChanged
    | AudioStarted
    | AudioStopped
    | AudioCleared
    | BrainComplained
    | ToolRequested
)

Step = tuple[SessionState, tuple[Command, ...]]


def step(state: SessionState, event: Event, at: float) -> Step:
    """The state after ``event``, and what to do about it. ``at`` is the monotonic clock in seconds."""
    if state.phase is Phase.CLOSED and not isinstance(event, ResetRequested | TimeZoneTold):
        return _after_close(state, event), ()
    if state.phase is Phase.IDLE and not isinstance(event, StartRequested | LookChanged | TimeZoneTold):
        return state, ()
    new, commands = _react(state, event, at)
    if new.hand_over is HandOver.READY and new.brain.is_up and new.is_between_turns:
        new, swap = _swap_brain(new)
        commands = (*commands, *swap)
    if new.is_active and new.agent is not state.agent:
        commands = (*commands, SetMood(new.agent))
    return new, commands


def _after_close(state: SessionState, event: Event) -> SessionState:
    """A closed talk may still learn what was heard, and a person may tidy up and prepare the next one."""
    match event:
        case PlayoutInterrupted():
            return _cut_message(state, event)
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
    match event:
        case (
            UserSpeechStarted()
            | UserSpeechStopped()
            | UserTranscriptChanged()
            | ResponseCreated()
            | ResponseDone()
            | AssistantTranscriptChanged()
            | AudioStarted()
            | AudioStopped()
            | AudioCleared()
            | BrainComplained()
            | ToolRequested()
        ):
            return _hear_brain(state, event, at) if state.brain.is_up else (state, ())
        case PlayoutStarted(segment_id):
            return _follow(state, segment_id, "playout", Span.ON)
        case PlayoutFinished(segment_id):
            return _follow(state, segment_id, "playout", Span.PAST)
        case PlayoutInterrupted(segment_id):
            return _follow(_cut_message(state, event), segment_id, "playout", Span.PAST)
        case FaceReported():
            return _face_reported(state, event), ()
        case FaceResumed():
            return state, ()  # the stack of faces, which has the sound, has answered it
        case FaceMetered():
            return _face_metered(state, event, at), ()
        case CreditsReported():
            return replace(state, credits=_with_credits(state.credits, event)), ()
        case StartRequested():
            return _start(state, event, at)
        case StopRequested():
            return _stop(state, event, at)
        case ResetRequested():
            if state.phase is not Phase.CLOSED:
                return state, ()
            return SessionState(look=state.look, time_zone=state.time_zone), ()
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
            return _with_problem(replace(state, is_recording=False), Problem(code, message)), (
                SetRecording(False),
            )
        case InterruptRequested():
            return _interrupt(state)
        case TextSubmitted():
            return _submit_text(state, event, at)
        case MessagesCleared():
            unsent = {item_id for item_id, _ in state.pending_text}
            kept = tuple(m for m in state.messages if not m.is_final or m.id in unsent)
            return replace(state, messages=kept), ()
        case LookChanged(look):
            if look == state.look:
                return state, ()
            return replace(state, look=look), ((ApplyLook(look),) if state.is_active else ())
        case RetryRequested(leg):
            return _retry_now(state, leg)
        case ProblemDismissed():
            return replace(state, problem=None), ()
        case TurnKeyPressed():
            return _key_pressed(state, at)
        case TurnKeyReleased():
            return _key_released(state, at)
        case HandOverRequested():
            return _open_spare(replace(state, is_change_wished=state.brain.is_up))
        case SpareBrainReady():
            is_wanted = state.hand_over is HandOver.OPENING
            return (replace(state, hand_over=HandOver.READY) if is_wanted else state), ()
        case SpareBrainFailed():
            return _spare_failed(state, event)
        case BrainDescribed(facts, look):
            return _described(replace(state, brain_look=look), facts)
        case UsageReported():
            return replace(state, spending=_spent(state.spending, event)), ()
        case RateLimitsReported(limits):
            return replace(state, rate_limits=limits), ()
        case BrainRemarked():
            return state, ()
        case ToolFinished():
            return _tool_finished(state, event, at)
        case CardShown(card):
            return replace(state, card=card), ()
        case CardDismissed():
            return replace(state, card=None), ()
        case LegConnected(leg):
            return _leg_connected(state, leg, at)
        case LegFailed():
            return _leg_failed(state, event, at)
        case BrowserLeft():
            if not state.browser.is_up:
                return state, ()
            return replace(state, browser=Leg(LegStatus.RECONNECTING, 1)), (
                ArmTimer(PageOverdue(), BROWSER_CONNECT_S),
            )
        case MicrophoneChanged(microphone):
            return _microphone_changed(state, microphone)
        case TimeZoneTold(time_zone):
            return replace(state, time_zone=time_zone), ()
        case TimerFired(timer):
            return _time_came(state, timer, at)
        case _:
            assert_never(event)


# ------------------------------------------------------------------ start, stop, legs


def _start(state: SessionState, event: StartRequested, at: float) -> Step:
    if state.is_active:
        return state, ()
    fresh = SessionState(
        phase=Phase.STARTING,
        brain=Leg(LegStatus.CONNECTING, 1),
        face=Leg(LegStatus.CONNECTING, 1),
        browser=Leg(LegStatus.CONNECTING, 1),
        look=event.look,
        time_zone=state.time_zone,
        started_at_s=at,
        started_wall_s=event.wall_s,
    )
    return fresh, (
        OpenLeg(LegName.FACE, 1),
        OpenLeg(LegName.BRAIN, 1),
        OpenLeg(LegName.BROWSER, 1),
        ArmTimer(PageOverdue(), BROWSER_CONNECT_S),
    )


def _stop(state: SessionState, event: StopRequested, at: float) -> Step:
    off = Leg()
    state, silence = _cut_each(state, state.live_answers)
    closed = replace(
        state,
        phase=Phase.CLOSED,
        brain=off,
        face=off,
        browser=off,
        is_user_speaking=False,
        is_waiting=False,
        answers=(),
        pending_text=(),
        messages=tuple(replace(m, is_final=True) for m in state.messages if m.text),
        hand_over=HandOver.NONE,
        tool_runs=(),
        key_down_at_s=0.0,
        is_change_wished=False,
        is_recording=False,
        closed_at_s=at,
    )
    closed = _face_metered(closed, FaceMetered(is_billed=False), at)
    silence = (*silence, SetRecording(False)) if state.is_recording else silence
    if event.reason != "stopped":
        closed = replace(closed, problem=Problem("ended", event.reason))
    return closed, (*silence, *(CloseLeg(leg) for leg in LegName))


def _leg_connected(state: SessionState, name: LegName, at: float) -> Step:
    was = state.leg(name)
    # A page that was given up may come back by itself; an opening that was given up may not.
    is_welcome = was.status is LegStatus.FAILED and name is LegName.BROWSER
    if was.status not in (LegStatus.CONNECTING, LegStatus.RECONNECTING) and not is_welcome:
        return state, ()
    if name is not LegName.FACE:
        # What a face tells of another one (no credit is left) stays true when the leg is up.
        state = _without_problem_of(state, name)
    state = state.with_leg(name, Leg(LegStatus.CONNECTED, was.attempt, up_since_s=at))
    match name:
        case LegName.BROWSER:
            return state, (CancelTimer(PageOverdue()),)
        case LegName.FACE:
            return state, (SetMood(state.agent),)
        case LegName.BRAIN:
            return _brain_connected(state)


def _brain_connected(state: SessionState) -> Step:
    """A fresh brain learns what was said, and gets the lines that wait for an answer. In a new talk it may greet."""
    pending = state.pending_text
    greeting = "" if state.phase is Phase.ACTIVE or state.messages else state.look.brain.greeting.strip()
    commands = _prepare_brain(state)
    state = replace(state, phase=Phase.ACTIVE, pending_text=())
    commands += [SendText(item_id, text) for item_id, text in pending]
    if greeting:
        commands.append(Greet(greeting))
    if not pending and not greeting:
        return state, tuple(commands)
    state, wait = _await_answer(state)
    return state, (*commands, *wait)


def _prepare_brain(state: SessionState) -> list[Command]:
    """What a fresh brain is told: whether it may listen, and what was said."""
    unsent = {item_id for item_id, _ in state.pending_text}
    lines = tuple(
        (str(m.role), m.text)
        for m in state.messages
        if m.role is not Role.NOTICE and m.is_final and m.text and m.id not in unsent
    )
    return [SetMuted(state.is_muted), *((SeedHistory(lines),) if lines else ())]


def _leg_failed(state: SessionState, event: LegFailed, at: float) -> Step:
    name = event.leg
    was = state.leg(name)
    if was.status in (LegStatus.DISCONNECTED, LegStatus.FAILED):
        return state, ()
    commands: list[Command] = [CloseLeg(name)]
    match name:
        case LegName.BRAIN:
            state, more = _brain_lost(state)
            commands += more
        case LegName.FACE if was.is_up:
            state, more = _face_lost(state)
            commands += more
        case LegName.FACE:
            pass
        case LegName.BROWSER:
            commands.append(CancelTimer(PageOverdue()))
    attempt = 0 if was.is_up and at - was.up_since_s >= STEADY_S else was.attempt
    may_retry = event.is_retryable and event.retry_after_s <= LONGEST_RETRY_AFTER_S
    if may_retry and attempt <= len(RETRY_DELAYS_S):
        delay_s = max(RETRY_DELAYS_S[attempt - 1] if attempt else 0.0, event.retry_after_s)
        leg = Leg(LegStatus.RECONNECTING, attempt, event.code, event.message)
        commands.append(ArmTimer(RetryDue(name), delay_s))
        if name is LegName.BRAIN:
            state = _with_problem(state, Problem("brain-lost", event.message, leg=name))
    else:
        leg = Leg(LegStatus.FAILED, attempt, event.code, event.message)
        is_fatal = name is LegName.BRAIN
        state = _with_problem(state, Problem(event.code, event.message, is_fatal=is_fatal, leg=name))
    return state.with_leg(name, leg), tuple(commands)


def _brain_lost(state: SessionState) -> Step:
    """What the brain was still saying ends; what it has said to its end is heard to its end.

    A question that it has not answered is put again to the next brain: nothing that was said is lost.
    """
    was_busy = state.is_waiting or any(answer.is_at_brain for answer in state.answers)
    state, commands = _cut_each(state, tuple(a for a in state.live_answers if a.is_at_brain))
    messages = tuple(replace(m, is_final=True) for m in state.messages if m.text)
    state = replace(
        state,
        messages=messages,
        is_user_speaking=False,
        is_waiting=False,
        hand_over=HandOver.NONE,
        tool_runs=(),
        key_down_at_s=0.0,
        is_change_wished=False,
        facts=BrainFacts(),
        brain_look=None,
    )
    last = messages[-1] if messages else None
    if was_busy and last is not None and last.role is Role.USER:
        state = replace(state, pending_text=(*state.pending_text, (last.id, last.text)))
    return state, commands


def _face_lost(state: SessionState) -> Step:
    """Who goes on with the sounding answer (the next face, or the voice alone) reports its playout anew."""
    answers = tuple(replace(a, playout=Span.AHEAD) if a.is_playing else a for a in state.answers)
    return _with_answers(state, answers)


def _face_reported(state: SessionState, event: FaceReported) -> SessionState:
    """Another face is on, or has something to say. All is well again when the avatar is back."""
    state = replace(state, face_name=event.face)
    if event.message:
        return _with_problem(state, Problem(event.code, event.message, detail=event.detail, leg=LegName.FACE))
    is_mended = event.face != "local" and state.problem is not None and state.problem.leg is LegName.FACE
    return replace(state, problem=None) if is_mended else state


def _face_metered(state: SessionState, event: FaceMetered, at: float) -> SessionState:
    paid_s = state.face_paid_s + (at - state.face_paid_from_s if state.face_paid_from_s else 0.0)
    return replace(
        state,
        face_until_s=0.0 if event.left_s is None else at + event.left_s,
        face_paid_s=paid_s,
        face_paid_from_s=at if event.is_billed else 0.0,
    )


def _with_credits(credits: Credits, event: CreditsReported) -> Credits:
    others = tuple((name, used) for name, used in credits.sessions if name != event.session_id)
    left = credits.left if event.left is None else event.left
    return Credits(left, (*others, (event.session_id, event.used)))


def _retry_now(state: SessionState, name: LegName) -> Step:
    if state.leg(name).status is not LegStatus.FAILED:
        return state, ()
    state = _without_problem_of(state, name).with_leg(name, Leg(LegStatus.CONNECTING, 1))
    watch = (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),) if name is LegName.BROWSER else ()
    return state, (OpenLeg(name, 1), *watch)


def _microphone_changed(state: SessionState, microphone: Microphone) -> Step:
    """A page connects once its question for the microphone is answered; its time runs from there."""
    was_unknown = state.microphone is Microphone.UNKNOWN
    is_connecting = state.browser.status in (LegStatus.CONNECTING, LegStatus.RECONNECTING)
    state = replace(state, microphone=microphone)
    if was_unknown and is_connecting and microphone is not Microphone.UNKNOWN:
        return state, (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),)
    return state, ()


def _time_came(state: SessionState, timer: Timer, at: float) -> Step:
    match timer:
        case RetryDue(leg):
            return _retry_due(state, leg)
        case PageOverdue():
            return _page_overdue(state, at)
        case TranscriptOverdue(item_id):
            line = _find(state, item_id)
            if line is None or line.is_final:
                return state, ()
            return _without_empty(_change(state, item_id, lambda m: replace(m, is_final=True)), item_id), ()
        case AnswerOverdue():
            if not state.is_waiting:
                return state, ()
            problem = Problem("no-answer", "Kai did not answer. Say it again, or type it below.")
            return _with_problem(replace(state, is_waiting=False), problem), ()
        case PlayoutOverdue(response_id):
            return _playout_overdue(state, response_id)
        case HandOverDue():
            return _open_spare(state)
        case _:
            assert_never(timer)


def _page_overdue(state: SessionState, at: float) -> Step:
    if state.browser.is_up:
        return state, ()
    if state.microphone is Microphone.UNKNOWN:
        # The page waits for the person to answer the browser's question, and that may take long.
        return state, (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),)
    message = "The picture and the microphone could not be connected to this page. You can type below."
    return _leg_failed(state, LegFailed(LegName.BROWSER, "browser-timeout", message), at)


def _retry_due(state: SessionState, name: LegName) -> Step:
    leg = state.leg(name)
    if leg.status is not LegStatus.RECONNECTING:
        return state, ()
    attempt = leg.attempt + 1
    watch = (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),) if name is LegName.BROWSER else ()
    return state.with_leg(name, replace(leg, attempt=attempt)), (OpenLeg(name, attempt), *watch)


def _playout_overdue(state: SessionState, response_id: str) -> Step:
    answer = _answer(state, response_id)
    if answer is None or not answer.is_due:
        return state, ()
    if any(other.is_playing for other in state.answers):
        return state, (_watch_playout(response_id),)
    return _follow(state, response_id, "playout", Span.PAST)


def _watch_playout(response_id: str) -> ArmTimer:
    return ArmTimer(PlayoutOverdue(response_id), PLAYOUT_PATIENCE_S)


# ------------------------------------------------------------------ problems


def _with_problem(state: SessionState, problem: Problem) -> SessionState:
    """That problem is shown, unless a worse one is."""
    if state.problem is not None and state.problem.is_fatal and not problem.is_fatal:
        return state
    return replace(state, problem=problem)


def _without_problem_of(state: SessionState, name: LegName) -> SessionState:
    """The leg's problem is no longer shown; another's stays."""
    is_its = state.problem is not None and state.problem.leg is name
    return replace(state, problem=None) if is_its else state


# ------------------------------------------------------------------ what the brain says


def _hear_brain(state: SessionState, event: BrainEvent, at: float) -> Step:
    match event:
        case UserSpeechStarted(item_id):
            return _user_began(state, item_id, at)
        case UserSpeechStopped(item_id):
            state, wait = _await_answer(replace(state, is_user_speaking=False))
            return state, (ArmTimer(TranscriptOverdue(item_id), TRANSCRIPT_PATIENCE_S), *wait)
        case UserTranscriptChanged():
            return _user_transcript(state, event, at)
        case AssistantTranscriptChanged(response_id):
            return (state if response_id in state.cancelled else _assistant_line(state, event, at)), ()
        case ResponseCreated(response_id):
            return _follow(state, response_id, "generating", Span.ON)
        case ResponseDone():
            return _response_done(state, event)
        case AudioStarted(response_id):
            return _follow(state, response_id, "audio_out", Span.ON)
        case AudioStopped(response_id):
            return _follow(state, response_id, "audio_out", Span.PAST)
        case AudioCleared(response_id):
            return _cleared(state, response_id)
        case BrainComplained(code, message):
            waiting = state.is_waiting and bool(state.live_answers)
            return _with_problem(replace(state, is_waiting=waiting), Problem(code, message)), ()
        case ToolRequested(call_id, name, arguments):
            if any(run.call_id == call_id for run in state.tool_runs):
                return state, ()
            runs = (*state.tool_runs, ToolRun(call_id, name))[-TOOL_RUNS_KEPT:]
            return replace(state, tool_runs=runs), (RunTool(call_id, name, arguments),)
        case _:
            assert_never(event)


def _await_answer(state: SessionState) -> Step:
    """An answer is asked for; where one is being made already, that is it."""
    if any(answer.generating is Span.ON for answer in state.answers):
        return state, ()
    return replace(state, is_waiting=True), (ArmTimer(AnswerOverdue(), ANSWER_PATIENCE_S),)


# ------------------------------------------------------------------ what the person says


def _user_began(state: SessionState, item_id: str, at: float) -> Step:
    """Somebody speaks. The brain takes back what it is still saying; the face's last words are ours to silence."""
    if _find(state, item_id) is None:
        state = _put_user_line(state, item_id, "", at, is_final=False)
    state = replace(state, is_user_speaking=True)
    return _cut_each(state, tuple(a for a in state.live_answers if not a.is_at_brain))


def _submit_text(state: SessionState, event: TextSubmitted, at: float) -> Step:
    text = event.text.strip()
    if not text or _find(state, event.item_id) is not None:
        return state, ()
    state, commands = _interrupt(state)
    state = _put_user_line(state, event.item_id, text, at, is_final=True)
    if not state.brain.is_up:
        return replace(state, pending_text=(*state.pending_text, (event.item_id, text))), commands
    state, wait = _await_answer(state)
    return state, (*commands, SendText(event.item_id, text), *wait)


def _user_transcript(state: SessionState, event: UserTranscriptChanged, at: float) -> Step:
    line = _find(state, event.item_id)
    if line is not None and line.is_final:
        return state, ()
    if not event.is_final:
        return _put_user_line(state, event.item_id, event.text, at, is_final=False), ()
    commands = (CancelTimer(TranscriptOverdue(event.item_id)),)
    if not event.text.strip():
        # Nothing was said after all (a cough, noise): no answer will come.
        messages = tuple(m for m in state.messages if m.id != event.item_id)
        return replace(state, messages=messages, is_waiting=False), commands
    state = _put_user_line(state, event.item_id, event.text, at, is_final=True)
    return _change(state, event.item_id, lambda m: replace(m, confidence=event.confidence)), commands


def _key_pressed(state: SessionState, at: float) -> Step:
    if not state.look.brain.is_push_to_talk or not state.brain.is_up or state.key_down_at_s:
        return state, ()
    state, commands = _interrupt(state)
    # Who holds the key wants to be heard, whatever was muted before.
    unmute = (SetMuted(False),) if state.is_muted else ()
    state = replace(state, is_muted=False, is_user_speaking=True, key_down_at_s=at)
    return state, (*commands, *unmute, BeginTurn())


def _key_released(state: SessionState, at: float) -> Step:
    if not state.key_down_at_s:
        return state, ()
    is_kept = at - state.key_down_at_s >= KEY_HELD_S
    state = replace(state, is_user_speaking=False, key_down_at_s=0.0)
    if not is_kept:
        return state, (EndTurn(is_kept=False),)
    state, wait = _await_answer(state)
    return state, (EndTurn(is_kept=True), *wait)


# ------------------------------------------------------------------ one brain after another, tools, costs


def _described(state: SessionState, facts: BrainFacts) -> Step:
    state = replace(state, facts=facts)
    if facts.expires_in_s is None:
        return state, (CancelTimer(HandOverDue()),)
    return state, (ArmTimer(HandOverDue(), max(HAND_OVER_RETRY_S, facts.expires_in_s - HAND_OVER_LEAD_S)),)


def _open_spare(state: SessionState) -> Step:
    if not state.brain.is_up or state.hand_over is not HandOver.NONE:
        return state, ()
    return replace(state, hand_over=HandOver.OPENING), (OpenSpareBrain(),)


def _spare_failed(state: SessionState, event: SpareBrainFailed) -> Step:
    """The talk goes on with the brain that it has. Only who asked for the change is told that it failed."""
    if state.hand_over is HandOver.NONE:
        return state, ()
    if state.is_change_wished and event.message:
        state = _with_problem(state, Problem("change-failed", event.message))
    delay_s = max(HAND_OVER_RETRY_S, event.retry_after_s)
    again = (ArmTimer(HandOverDue(), delay_s),) if event.is_retryable else ()
    return replace(state, hand_over=HandOver.NONE, is_change_wished=False), again


def _swap_brain(state: SessionState) -> Step:
    """Nobody speaks: the spare takes over, knowing what was said."""
    state = replace(state, hand_over=HandOver.NONE, is_change_wished=False, tool_runs=())
    return state, (SwapBrain(), *_prepare_brain(state))


def _tool_finished(state: SessionState, event: ToolFinished, at: float) -> Step:
    """The brain gets the result and answers with it; a failure is also a line of the chat."""
    run = next((r for r in state.tool_runs if r.call_id == event.call_id), None)
    if run is None or not run.is_running or not state.brain.is_up:
        return state, ()
    runs = tuple(
        replace(r, is_running=False, problem=event.problem) if r is run else r for r in state.tool_runs
    )
    state = replace(state, tool_runs=runs)
    line_id = f"tool:{event.call_id}"
    if event.problem and _find(state, line_id) is None:
        line = Message(line_id, Role.NOTICE, event.problem, _wall(state, at), is_final=True)
        state = replace(state, messages=(*state.messages, line))
    state, wait = _await_answer(state)
    return state, (SendToolResult(event.call_id, event.output), *wait)


def _spent(before: Spending, event: UsageReported) -> Spending:
    cost_usd = event.cost_usd or 0.0
    return Spending(
        turns=before.turns + event.is_turn,
        tokens=before.tokens + event.tokens,
        cost_usd=before.cost_usd + cost_usd,
        turn_tokens=event.tokens if event.is_turn else before.turn_tokens,
        turn_cost_usd=cost_usd if event.is_turn else before.turn_cost_usd,
        is_exact=before.is_exact and event.cost_usd is not None,
    )


# ------------------------------------------------------------------ what Kai says


Strand = Literal["generating", "audio_out", "playout"]


def _answer(state: SessionState, response_id: str) -> Response | None:
    return next((a for a in state.answers if a.id == response_id), None)


def _follow(state: SessionState, response_id: str, strand: Strand, span: Span) -> Step:
    """One strand of an answer goes on or ends. On that strand whatever is older has ended by then."""
    if response_id in state.cancelled:
        return state, ()
    if _answer(state, response_id) is None:
        answers = (*state.answers, Response(response_id))[-ANSWERS_KEPT:]
        was_played = strand == "playout" and span is Span.PAST
        state = replace(state, answers=answers, is_waiting=state.is_waiting and was_played)
    answers: tuple[Response, ...] = ()
    is_older = True
    for answer in state.answers:
        if answer.id == response_id:
            is_older = False
            answer = _move(answer, strand, span)
        elif is_older and span is Span.ON and _goes_on(answer, strand):
            answer = _move(answer, strand, Span.PAST)
        answers = (*answers, answer)
    return _with_answers(state, answers)


def _goes_on(answer: Response, strand: Strand) -> bool:
    match strand:
        case "generating":
            return answer.generating is Span.ON
        case "audio_out":
            return answer.audio_out is Span.ON
        case "playout":
            return answer.is_playing or answer.is_due


def _move(answer: Response, strand: Strand, span: Span) -> Response:
    def later(now: Span) -> Span:
        return Span.PAST if now is Span.PAST else span

    match strand:
        case "generating":
            return replace(answer, generating=later(answer.generating))
        case "audio_out":
            return replace(answer, audio_out=later(answer.audio_out))
        case "playout":
            return replace(answer, playout=later(answer.playout))


def _with_answers(state: SessionState, answers: tuple[Response, ...]) -> Step:
    """Those answers; where one now only waits for its playout, the wait has an end."""
    were_due = {answer.id for answer in state.answers if answer.is_due}
    watch = tuple(_watch_playout(a.id) for a in answers if a.is_due and a.id not in were_due)
    return replace(state, answers=answers), watch


def _response_done(state: SessionState, event: ResponseDone) -> Step:
    if event.mind:
        thought = Thought(event.response_id, event.mind, event.tokens_per_s)
        state = replace(state, thoughts=(*state.thoughts, thought)[-ANSWERS_KEPT:])
    if event.response_id in state.cancelled:
        return state, ()
    if event.status == "cancelled":
        return _cleared(state, event.response_id)
    state = _finish_lines(state, event.response_id)
    if event.status == "failed":
        text = event.message or "Kai's answer could not be made. Ask again."
        state = _with_problem(state, Problem("response-failed", text))
    return _follow(state, event.response_id, "generating", Span.PAST)


def _cleared(state: SessionState, response_id: str) -> Step:
    """The brain took back the rest of an answer; of one that was heard to its end there is no rest."""
    answer = _answer(state, response_id) or Response(response_id)
    was_heard_out = answer.playout is Span.PAST and not answer.is_at_brain
    if response_id in state.cancelled or was_heard_out:
        return state, ()
    return _cut_each(state, (answer,))


def _interrupt(state: SessionState) -> Step:
    live = state.live_answers
    state, silence = _cut_each(state, live)
    return state, (*(CancelResponse(answer.id) for answer in live if answer.is_at_brain), *silence)


def _cut_each(state: SessionState, answers: tuple[Response, ...]) -> Step:
    """These answers end here: silence the face, keep what was heard, and forget the rest."""
    for answer in answers:
        state = _change_response_lines(
            state, answer.id, lambda m: replace(m, is_final=True, is_interrupted=True)
        )
        rest = tuple(a for a in state.answers if a.id != answer.id)
        cancelled = (*state.cancelled, answer.id)[-CANCELLED_KEPT:]
        state = replace(state, answers=rest, cancelled=cancelled)
    return state, tuple(StopSpeaking(answer.id) for answer in answers)


# ------------------------------------------------------------------ the lines of the chat


def _find(state: SessionState, message_id: str) -> Message | None:
    return next((m for m in reversed(state.messages) if m.id == message_id), None)


def _change(state: SessionState, message_id: str, change: Callable[[Message], Message]) -> SessionState:
    return replace(state, messages=tuple(change(m) if m.id == message_id else m for m in state.messages))


def _change_response_lines(
    state: SessionState, response_id: str, change: Callable[[Message], Message]
) -> SessionState:
    messages = tuple(change(m) if m.response_id == response_id else m for m in state.messages)
    return replace(state, messages=messages)


def _finish_lines(state: SessionState, response_id: str) -> SessionState:
    return _change_response_lines(state, response_id, lambda m: replace(m, is_final=True))


def _without_empty(state: SessionState, message_id: str) -> SessionState:
    messages = tuple(m for m in state.messages if m.id != message_id or m.text.strip())
    return replace(state, messages=messages)


def _wall(state: SessionState, at: float) -> float:
    return state.started_wall_s + (at - state.started_at_s)


def _put_user_line(
    state: SessionState, item_id: str, text: str, at: float, *, is_final: bool
) -> SessionState:
    if _find(state, item_id) is not None:
        return _change(state, item_id, lambda m: replace(m, text=text or m.text, is_final=is_final))
    line = Message(item_id, Role.USER, text, _wall(state, at), is_final=is_final)
    return replace(state, messages=(*state.messages, line))


def _assistant_line(state: SessionState, event: AssistantTranscriptChanged, at: float) -> SessionState:
    line = _find(state, event.item_id)
    if line is None:
        line = Message(
            event.item_id,
            Role.ASSISTANT,
            event.text,
            _wall(state, at),
            response_id=event.response_id,
            is_final=event.is_final,
        )
        return replace(state, messages=(*state.messages, line))
    if line.is_final and not event.is_final:
        return state
    return _change(state, event.item_id, lambda m: replace(m, text=event.text, is_final=event.is_final))


def _cut_message(state: SessionState, event: PlayoutInterrupted) -> SessionState:
    """An interrupted answer says what was heard of it; a line of which nothing was heard is dropped.

    Words are counted, not compared: the heard words run over the answer's lines in order.
    """
    if event.heard_text is None and event.heard_ms > 0:
        return state
    heard = len((event.heard_text or "").split())
    messages: list[Message] = []
    for m in state.messages:
        if m.response_id != event.segment_id:
            messages.append(m)
            continue
        words = m.text.split()
        part = words[:heard]
        heard = max(0, heard - len(words))
        if part:
            text = m.text if len(part) == len(words) else " ".join(part)
            messages.append(replace(m, text=text, is_final=True, is_interrupted=heard == 0))
    return replace(state, messages=tuple(messages))
