"""All policy of a talk: ``step(state, event, at) -> (state, commands)``, pure.

Rules worth knowing before a change:

* A closed talk asks for nothing more; only ``ResetRequested`` brings it back.
* A leg is tried once per ``OpenLeg``; whether to try again, and when, is decided here (``RETRY_DELAYS_S``).
* Neighbouring events of the brain come in no promised order (an answer may be done before its first sound, and sound may
  go on after it was cleared), so each is handled by itself, and twice does no harm.
* An answer that was cut off goes into ``cancelled``; whatever is still said of it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from kai.core.events import (
    ApplyLook,
    ArmTimer,
    AssistantTranscriptChanged,
    AudioCleared,
    AudioStarted,
    AudioStopped,
    BrainComplained,
    BrowserLeft,
    CancelResponse,
    CancelTimer,
    CloseLeg,
    Command,
    Event,
    InterruptRequested,
    LegConnected,
    LegFailed,
    LookChanged,
    MessagesCleared,
    MicrophoneChanged,
    MuteToggled,
    OpenLeg,
    PlayoutFinished,
    PlayoutInterrupted,
    PlayoutStarted,
    ProblemDismissed,
    ResetRequested,
    ResponseCreated,
    ResponseDone,
    RetryRequested,
    SeedHistory,
    SendText,
    SetMood,
    SetMuted,
    StartRequested,
    StopRequested,
    StopSpeaking,
    TextSubmitted,
    TimerFired,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import (
    Leg,
    LegName,
    LegStatus,
    Message,
    Phase,
    Problem,
    Response,
    Role,
    SessionState,
)

RETRY_DELAYS_S = (0.5, 1.5)
"""Waits before the second and the third try of a leg; after that it has failed."""

BROWSER_CONNECT_S = 5.0
"""A browser leg that is not up by then hangs (fresh connections take 0.5 to 2 s) and is mounted anew."""

CANCELLED_KEPT = 16
"""How many cut-off answers are remembered. Late events come within a second; sixteen answers take minutes."""

TRANSCRIPT_PATIENCE_S = 15.0
"""A person's line whose words have not come by then will not get any."""

Step = tuple[SessionState, tuple[Command, ...]]


def step(state: SessionState, event: Event, at: float) -> Step:
    """The state after ``event``, and what to do about it. ``at`` is the monotonic clock in seconds."""
    if state.phase is Phase.CLOSED and not isinstance(event, ResetRequested):
        return _after_close(state, event), ()
    if state.phase is Phase.IDLE and not isinstance(event, StartRequested | LookChanged):
        return state, ()
    new, commands = _react(state, event, at)
    if new.is_active and new.agent is not state.agent:
        commands = (*commands, SetMood(new.agent))
    return new, commands


def _after_close(state: SessionState, event: Event) -> SessionState:
    """A closed talk may still learn what was heard, and a person may clear what stands in the chat."""
    match event:
        case PlayoutInterrupted():
            return _cut_message(state, event)
        case MessagesCleared():
            return replace(state, messages=())
        case _:
            return state


def _react(state: SessionState, event: Event, at: float) -> Step:
    match event:
        case StartRequested():
            return _start(state, event, at)
        case StopRequested():
            return _stop(state, event, at)
        case ResetRequested():
            return (SessionState(look=state.look), ()) if state.phase is Phase.CLOSED else (state, ())
        case MuteToggled(is_muted):
            if is_muted == state.is_muted:
                return state, ()
            return replace(state, is_muted=is_muted), (SetMuted(is_muted),)
        case InterruptRequested():
            return _interrupt(state)
        case TextSubmitted():
            return _submit_text(state, event, at)
        case MessagesCleared():
            return replace(state, messages=tuple(m for m in state.messages if not m.is_final)), ()
        case LookChanged(look):
            if look == state.look:
                return state, ()
            return replace(state, look=look), ((ApplyLook(look),) if state.is_active else ())
        case RetryRequested(leg):
            return _retry_now(state, leg)
        case ProblemDismissed():
            return replace(state, problem=None), ()
        case LegConnected(leg):
            return _leg_connected(state, leg)
        case LegFailed():
            return _leg_failed(state, event)
        case BrowserLeft():
            if not state.browser.is_up:
                return state, ()
            return replace(state, browser=Leg(LegStatus.RECONNECTING, 1)), (
                ArmTimer("browser-connect", BROWSER_CONNECT_S),
            )
        case MicrophoneChanged(microphone):
            return replace(state, microphone=microphone), ()
        case UserSpeechStarted(item_id):
            state = _put_user_line(state, item_id, "", at, is_final=False)
            return replace(state, is_user_speaking=True), ()
        case UserSpeechStopped(item_id):
            return replace(state, is_user_speaking=False, is_waiting=True), (
                ArmTimer(f"transcript:{item_id}", TRANSCRIPT_PATIENCE_S),
            )
        case UserTranscriptChanged():
            return _user_transcript(state, event, at)
        case (
            ResponseCreated()
            | ResponseDone()
            | AssistantTranscriptChanged()
            | AudioStarted()
            | AudioStopped()
            | AudioCleared()
            | PlayoutStarted()
            | PlayoutFinished()
        ):
            return _answer(state, event, at)
        case PlayoutInterrupted():
            return _cut_message(state, event), ()
        case BrainComplained(code, message):
            waiting = False if state.response is None else state.is_waiting
            return replace(state, problem=Problem(code, message), is_waiting=waiting), ()
        case TimerFired(name):
            return _timer(state, name)
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
        started_at_s=at,
        started_wall_s=event.wall_s,
    )
    return fresh, (
        OpenLeg(LegName.FACE, 1),
        OpenLeg(LegName.BRAIN, 1),
        OpenLeg(LegName.BROWSER, 1),
        ArmTimer("browser-connect", BROWSER_CONNECT_S),
    )


def _stop(state: SessionState, event: StopRequested, at: float) -> Step:
    off = Leg()
    closed = replace(
        state,
        phase=Phase.CLOSED,
        brain=off,
        face=off,
        browser=off,
        is_user_speaking=False,
        is_waiting=False,
        response=None,
        cancelled=_remember(state.cancelled, state.response),
        pending_text=(),
        messages=tuple(replace(m, is_final=True) for m in state.messages if m.text),
        closed_at_s=at,
    )
    if event.reason != "stopped":
        closed = replace(closed, problem=Problem("ended", event.reason))
    silence = (StopSpeaking(state.response.id),) if state.response and not state.response.is_over else ()
    return closed, (*silence, *(CloseLeg(leg) for leg in LegName))


def _leg_connected(state: SessionState, name: LegName) -> Step:
    was = state.leg(name)
    if was.status not in (LegStatus.CONNECTING, LegStatus.RECONNECTING):
        return state, ()
    state = state.with_leg(name, Leg(LegStatus.CONNECTED))
    commands: list[Command] = []
    match name:
        case LegName.BROWSER:
            commands.append(CancelTimer("browser-connect"))
        case LegName.FACE:
            commands.append(SetMood(state.agent))
        case LegName.BRAIN:
            if state.problem is not None and state.problem.code == "brain-lost":
                state = replace(state, problem=None)
            commands.append(SetMuted(state.is_muted))
            pending = {item_id for item_id, _ in state.pending_text}
            lines = tuple(
                (str(m.role), m.text)
                for m in state.messages
                if m.role is not Role.NOTICE and m.is_final and m.text and m.id not in pending
            )
            if lines:
                commands.append(SeedHistory(lines))
            commands += [SendText(item_id, text) for item_id, text in state.pending_text]
            state = replace(state, phase=Phase.ACTIVE, pending_text=(), is_waiting=bool(pending))
    return state, tuple(commands)


def _leg_failed(state: SessionState, event: LegFailed) -> Step:
    was = state.leg(event.leg)
    if was.status in (LegStatus.DISCONNECTED, LegStatus.FAILED):
        return state, ()
    commands: list[Command] = [CloseLeg(event.leg)]
    if event.leg is LegName.BRAIN:
        state, more = _drop_answer(state)
        state = replace(state, is_user_speaking=False, is_waiting=False)
        commands += more
    attempt = 0 if was.is_up else was.attempt
    if event.leg is LegName.BROWSER:
        commands.append(CancelTimer("browser-connect"))
    if event.is_retryable and attempt <= len(RETRY_DELAYS_S):
        delay_s = RETRY_DELAYS_S[attempt - 1] if attempt else 0.0
        leg = Leg(LegStatus.RECONNECTING, attempt, event.code, event.message)
        commands.append(ArmTimer(f"retry:{event.leg}", delay_s))
        if event.leg is LegName.BRAIN:
            state = replace(state, problem=Problem("brain-lost", event.message))
    else:
        leg = Leg(LegStatus.FAILED, attempt, event.code, event.message)
        state = replace(
            state, problem=Problem(event.code, event.message, is_fatal=event.leg is LegName.BRAIN)
        )
    return state.with_leg(event.leg, leg), tuple(commands)


def _retry_now(state: SessionState, name: LegName) -> Step:
    if state.leg(name).status is not LegStatus.FAILED:
        return state, ()
    state = replace(state, problem=None).with_leg(name, Leg(LegStatus.CONNECTING, 1))
    watch = (ArmTimer("browser-connect", BROWSER_CONNECT_S),) if name is LegName.BROWSER else ()
    return state, (OpenLeg(name, 1), *watch)


def _timer(state: SessionState, name: str) -> Step:
    kind, _, rest = name.partition(":")
    if kind == "retry":
        leg_name = LegName(rest)
        leg = state.leg(leg_name)
        if leg.status is not LegStatus.RECONNECTING:
            return state, ()
        attempt = leg.attempt + 1
        watch = (ArmTimer("browser-connect", BROWSER_CONNECT_S),) if leg_name is LegName.BROWSER else ()
        return state.with_leg(leg_name, replace(leg, attempt=attempt)), (OpenLeg(leg_name, attempt), *watch)
    if kind == "browser-connect":
        message = "The picture and the microphone could not be connected to this page. You can type below."
        return _leg_failed(state, LegFailed(LegName.BROWSER, "browser-timeout", message))
    if kind == "transcript":
        line = _find(state, rest)
        if line is None or line.is_final:
            return state, ()
        return _without_empty(_change(state, rest, lambda m: replace(m, is_final=True)), rest), ()
    return state, ()


# ------------------------------------------------------------------ what the person says


def _submit_text(state: SessionState, event: TextSubmitted, at: float) -> Step:
    text = event.text.strip()
    if not text or _find(state, event.item_id) is not None:
        return state, ()
    state, commands = _interrupt(state)
    state = _put_user_line(state, event.item_id, text, at, is_final=True)
    if not state.brain.is_up:
        return replace(state, pending_text=(*state.pending_text, (event.item_id, text))), commands
    return replace(state, is_waiting=True), (*commands, SendText(event.item_id, text))


def _user_transcript(state: SessionState, event: UserTranscriptChanged, at: float) -> Step:
    line = _find(state, event.item_id)
    if line is not None and line.is_final:
        return state, ()
    state = _put_user_line(state, event.item_id, event.text, at, is_final=event.is_final)
    if not event.is_final:
        return state, ()
    commands = (CancelTimer(f"transcript:{event.item_id}"),)
    if not event.text.strip():
        # Nothing was said after all (a cough, noise): no answer will come.
        return replace(_without_empty(state, event.item_id), is_waiting=False), commands
    return state, commands


# ------------------------------------------------------------------ what Kai says


def _answer(state: SessionState, event: Event, at: float) -> Step:
    """The life of an answer. A newer answer takes the place of an older one; a cut-off one has none."""
    match event:
        case PlayoutStarted(segment_id) | PlayoutFinished(segment_id):
            response_id = segment_id
        case (
            ResponseCreated(response_id)
            | ResponseDone(response_id)
            | AssistantTranscriptChanged(response_id)
            | AudioStarted(response_id)
            | AudioStopped(response_id)
            | AudioCleared(response_id)
        ):
            pass
        case _:
            return state, ()
    if response_id in state.cancelled:
        return state, ()
    response = state.response
    if response is None or response.id != response_id:
        if isinstance(event, AssistantTranscriptChanged):
            return _assistant_line(state, event, at), ()
        if not isinstance(event, ResponseCreated | AudioStarted | PlayoutStarted):
            return state, ()
        response = Response(response_id, is_generating=isinstance(event, ResponseCreated))
    match event:
        case ResponseCreated():
            return replace(state, response=response, is_waiting=False), ()
        case ResponseDone(_, status, message):
            state = _finish_lines(state, response_id)
            if status == "cancelled":
                return _cut(state, response)
            if status == "failed":
                text = message or "Kai's answer could not be made. Ask again."
                state = replace(state, problem=Problem("response-failed", text), is_waiting=False)
            response = replace(response, is_generating=False)
        case AssistantTranscriptChanged():
            return _assistant_line(state, event, at), ()
        case AudioStarted():
            response = replace(response, is_audio_out=True)
            state = replace(state, is_waiting=False)
        case AudioStopped():
            response = replace(response, is_audio_out=False)
        case AudioCleared():
            return _cut(state, response)
        case PlayoutStarted():
            response = replace(response, is_playing=True)
            state = replace(state, is_waiting=False)
        case PlayoutFinished():
            response = replace(response, is_playing=False)
        case _:
            return state, ()
    return replace(state, response=None if response.is_over else response), ()


def _interrupt(state: SessionState) -> Step:
    response = state.response
    if response is None or response.is_over:
        return state, ()
    state, commands = _cut(state, response)
    return state, (CancelResponse(response.id), *commands)


def _cut(state: SessionState, response: Response) -> Step:
    """The answer ends here: silence the face, keep what was heard, and forget the rest."""
    state = _change_response_lines(
        state, response.id, lambda m: replace(m, is_final=True, is_interrupted=True)
    )
    state = replace(state, response=None, cancelled=_remember(state.cancelled, response))
    return state, (StopSpeaking(response.id),)


def _drop_answer(state: SessionState) -> tuple[SessionState, tuple[Command, ...]]:
    """The brain is gone: what it was saying ends, and half-heard lines of the person are closed."""
    commands: tuple[Command, ...] = ()
    if state.response is not None and not state.response.is_over:
        state, commands = _cut(state, state.response)
    messages = tuple(replace(m, is_final=True) for m in state.messages if m.text or m.is_final)
    return replace(state, messages=messages), commands


def _remember(cancelled: tuple[str, ...], response: Response | None) -> tuple[str, ...]:
    if response is None or response.id in cancelled:
        return cancelled
    return (*cancelled, response.id)[-CANCELLED_KEPT:]


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
    """An interrupted answer says what was heard of it; one of which nothing was heard is dropped."""
    heard = event.heard_text
    if heard is None:
        return state
    messages: list[Message] = []
    for m in state.messages:
        if m.response_id != event.segment_id:
            messages.append(m)
            continue
        part = _common_part(m.text, heard)
        heard = heard[len(part) :].lstrip()
        if part:
            messages.append(replace(m, text=part, is_final=True, is_interrupted=True))
    return replace(state, messages=tuple(messages))


def _common_part(text: str, heard: str) -> str:
    """As many words of ``text`` as ``heard`` has (words of a segment run over its items in order)."""
    count = len(heard.split())
    words = text.split()
    return text if count >= len(words) else " ".join(words[:count])
