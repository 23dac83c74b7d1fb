"""The life of a talk's legs: opening, retrying, giving up and closing.

An adapter tries once for each ``OpenLeg``; this module decides whether and when to try again. A leg that fails is closed at
once and tried again after `RETRY_DELAYS_S`, or after the delay that the peer asked for, if that is longer. After three tries
it has *failed* until a person asks for another. A leg that was up for `STEADY_S` gets all its tries back; one that is lost
sooner has used one. Example: a face that is lost 2 s after each opening is opened at 0 s, 2.5 s and 6 s, and fails at 8 s.

The page opens the browser leg itself, once the person has answered the browser's question about the microphone. The time
limit of that leg therefore starts at the answer.
"""

from __future__ import annotations

from dataclasses import replace

from kai.core.events import (
    ApplyLook,
    ArmTimer,
    CancelTimer,
    CloseLeg,
    Command,
    Event,
    LegFailed,
    OpenLeg,
    SetMood,
    SetRecording,
    ShowFace,
    StartRequested,
    Step,
    StopRequested,
)
from kai.core.policy import brains, faces, rungs
from kai.core.policy import face_facts as facts
from kai.core.policy.costs import metered
from kai.core.policy.turns import cut_each, said_now, with_answers
from kai.core.state import (
    AgentState,
    Face,
    Faces,
    HandOver,
    Ladder,
    Leg,
    LegName,
    LegStatus,
    Look,
    Microphone,
    Phase,
    Problem,
    SessionState,
    Span,
)
from kai.core.timers import ClimbDue, FaceTimer, PageOverdue, RetryDue

RETRY_DELAYS_S = (0.5, 1.5)
"""Delays before the second and the third try of a leg. After the third it has failed."""

LONGEST_RETRY_AFTER_S = 120.0
"""If a peer asks us to wait longer than this, the leg has failed, and a person may try it again. A shorter wait takes
precedence over our own delays (RFC 9110, 10.2.3). The provider's own client has the same limit."""

STEADY_S = 10.0
"""After this time up, a leg gets all its tries back. A leg lost sooner has used one, or it would be opened endlessly."""

SLEPT_S = 10.0
"""After a longer sleep of this computer, its connections with others are opened anew: the others have given them up, or soon
will, and their sessions' time has gone on."""

BROWSER_CONNECT_S = 5.0
"""A browser leg that is not up after this time hangs, since new connections take 0.5 to 2 s, and is mounted again."""


def start(state: SessionState, event: StartRequested, at: float) -> Step:
    if state.is_active:
        return state, ()
    fresh = SessionState(
        phase=Phase.STARTING,
        brain=Leg(LegStatus.CONNECTING, 1),
        face=Leg(LegStatus.CONNECTING, 1),
        browser=Leg(LegStatus.CONNECTING, 1),
        look=event.look,
        is_greeting_due=True,
        time_zone=state.time_zone,
        cloud_limit_s=state.cloud_limit_s,
        caps=state.caps,
        has_cloud_brain=state.has_cloud_brain,
        spent_today_usd=event.spent_today_usd,
        started_at_s=at,
        started_wall_s=event.wall_s,
    )
    fresh, faces_open = _open_faces(fresh, at)
    return fresh, (
        *faces_open,
        OpenLeg(LegName.BRAIN, 1),
        OpenLeg(LegName.BROWSER, 1),
        ArmTimer(PageOverdue(), BROWSER_CONNECT_S),
        *rungs.watch(fresh, rungs.START_PATIENCE_S),
    )


def stop(state: SessionState, event: StopRequested, at: float) -> Step:
    off = Leg()
    state, silence = cut_each(state, state.live_answers)
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
        ladder=Ladder(),
        messages=tuple(replace(m, is_final=True) for m in state.messages if m.text),
        hand_over=HandOver.NONE,
        tool_runs=(),
        key_down_at_s=0.0,
        is_change_wished=False,
        is_recording=False,
        closed_at_s=at,
    )
    closed, faces_close = _close_faces(closed, at)
    silence = (*silence, SetRecording(False)) if state.is_recording else silence
    if event.reason != "stopped":
        closed = replace(closed, problem=Problem("ended", event.reason))
    return closed, (*silence, *(CloseLeg(leg) for leg in LegName), *faces_close)


def connected(state: SessionState, name: LegName, at: float) -> Step:
    was = state.leg(name)
    # A page that was given up may reconnect on its own; other legs may not.
    is_welcome = was.status is LegStatus.FAILED and name is LegName.BROWSER
    if was.status not in (LegStatus.CONNECTING, LegStatus.RECONNECTING) and not is_welcome:
        return state, ()
    is_its_own = state.problem is not None and state.problem.code == was.code
    if name is not LegName.FACE or is_its_own:
        # A problem of another face, such as a lack of credits, remains when the face's leg is up.
        state = state.without_problem_of(name)
    state = state.with_leg(name, Leg(LegStatus.CONNECTED, was.attempt, up_since_s=at))
    match name:
        case LegName.BROWSER:
            return state, (CancelTimer(PageOverdue()),)
        case LegName.FACE:
            return state, (SetMood(state.agent),)
        case LegName.BRAIN:
            state, commands = brains.connected(state)
            state, more = rungs.connected(state, at)
            return state, (*commands, *more)


def failed(state: SessionState, event: LegFailed, at: float) -> Step:
    name = event.leg
    was = state.leg(name)
    if was.status in (LegStatus.DISCONNECTED, LegStatus.FAILED):
        return state, ()
    commands: list[Command] = [CloseLeg(name)]
    match name:
        case LegName.BRAIN:
            state, more = brains.lost(state)
            commands += more
        case LegName.FACE:
            state, more = _close_faces(state, at)
            commands += more
            if was.is_up:
                state, more = _face_lost(state)
                commands += more
        case LegName.BROWSER:
            commands.append(CancelTimer(PageOverdue()))
    # Nothing is broken: a face is free as soon as another talk ends.
    is_full = event.code == facts.FACE_BUSY
    attempt = 0 if is_full or (was.is_up and at - was.up_since_s >= STEADY_S) else was.attempt
    may_retry = event.is_retryable and event.retry_after_s <= LONGEST_RETRY_AFTER_S
    can_stand_in = name is LegName.BRAIN and rungs.may_stand_in(state)
    patience_s = rungs.LOST_PATIENCE_S if was.is_up else rungs.START_PATIENCE_S
    is_soon = may_retry and attempt <= len(RETRY_DELAYS_S) and event.retry_after_s <= patience_s
    if can_stand_in and not is_soon:
        state, more = rungs.stand_in(
            state,
            event.code,
            event.message,
            at,
            is_retryable=event.is_retryable,
            not_before_s=event.retry_after_s,
        )
        return state, (*commands, *more)
    if can_stand_in and was.is_up:
        commands += rungs.watch(state, patience_s)
    if may_retry and attempt <= len(RETRY_DELAYS_S):
        delay_s = max(RETRY_DELAYS_S[attempt - 1] if attempt else 0.0, event.retry_after_s)
        leg = Leg(LegStatus.RECONNECTING, attempt, event.code, event.message)
        commands.append(ArmTimer(RetryDue(name), delay_s))
        if name is LegName.BRAIN:
            state = state.with_problem(Problem("brain-lost", event.message, leg=name))
        elif is_full:
            state = state.with_problem(Problem(event.code, event.message, leg=name))
    else:
        leg = Leg(LegStatus.FAILED, attempt, event.code, event.message)
        is_fatal = name is LegName.BRAIN
        problem = Problem(event.code, event.message, is_fatal=is_fatal, leg=name, is_given_up=may_retry)
        state = state.with_problem(problem)
    return state.with_leg(name, leg), tuple(commands)


def awoke(state: SessionState, slept_s: float, at: float) -> Step:
    """Open the legs that lead to other computers anew after a sleep, and say so. The engine and the face of this computer
    have slept as well, and go on."""
    if not state.is_active or slept_s < SLEPT_S:
        return state, ()
    state, commands = tell_faces(state, facts.Slept(slept_s), at)
    if state.ladder.is_standing_in and state.brain.is_up:
        # The network comes back some seconds after this computer.
        return state, (*commands, ArmTimer(ClimbDue(), rungs.CLIMB_AFTER_S[0]))
    if not (state.brain.is_up and state.facts.is_billed):
        return state, commands
    asleep = LegFailed(LegName.BRAIN, "asleep", "This computer was asleep, so the voice connection was lost.")
    state, more = failed(state, asleep, at)
    return state, (*commands, *more)


def _face_lost(state: SessionState) -> Step:
    """Reset the playout of the current answer. The next face, or the voice alone, will report it again."""
    answers = tuple(replace(a, playout=Span.AHEAD) if a.is_playing else a for a in state.answers)
    return with_answers(state, answers)


def retry_now(state: SessionState, name: LegName, at: float) -> Step:
    if state.leg(name).status is not LegStatus.FAILED:
        return state, ()
    return _open_again(state.without_problem_of(name).with_leg(name, Leg(LegStatus.CONNECTING, 1)), name, at)


def retry_due(state: SessionState, name: LegName, at: float) -> Step:
    leg = state.leg(name)
    if leg.status is not LegStatus.RECONNECTING:
        return state, ()
    return _open_again(state.with_leg(name, replace(leg, attempt=leg.attempt + 1)), name, at)


def _open_again(state: SessionState, name: LegName, at: float) -> Step:
    match name:
        case LegName.FACE:
            return _open_faces(state, at)
        case LegName.BRAIN:
            return state, (OpenLeg(name, state.brain.attempt),)
        case LegName.BROWSER:
            return state, (OpenLeg(name, state.browser.attempt), ArmTimer(PageOverdue(), BROWSER_CONNECT_S))


def microphone_changed(state: SessionState, microphone: Microphone) -> Step:
    """Restart the page's time limit when the question about the microphone is answered, since it connects only then."""
    was_unknown = state.microphone is Microphone.UNKNOWN
    is_connecting = state.browser.status in (LegStatus.CONNECTING, LegStatus.RECONNECTING)
    state = replace(state, microphone=microphone)
    if was_unknown and is_connecting and microphone is not Microphone.UNKNOWN:
        return state, (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),)
    return state, ()


def page_overdue(state: SessionState, at: float) -> Step:
    if state.browser.is_up:
        return state, ()
    if state.microphone is Microphone.UNKNOWN:
        # The person has not answered the browser's question about the microphone yet, which may take long.
        return state, (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),)
    return failed(state, LegFailed(LegName.BROWSER, "browser-timeout", ""), at)


def _open_faces(state: SessionState, at: float) -> Step:
    """Open the faces. Their leg is up as soon as one of them is shown."""
    has_cloud = bool(state.cloud_limit_s)
    wants_cloud = has_cloud and state.look.face != Face.LOCAL
    state = replace(state, faces=Faces(wants_cloud=wants_cloud, limit_s=state.cloud_limit_s))
    return tell_faces(state, facts.Began(), at)


def _close_faces(state: SessionState, at: float) -> Step:
    """Reset the state of the faces, stop the meter of the paid time, and cancel the faces' timers."""
    timers = tuple(CancelTimer(timer) for timer in FaceTimer) if state.cloud_limit_s else ()
    return metered(replace(state, faces=Faces(limit_s=state.cloud_limit_s)), at), timers


def tell_faces(state: SessionState, event: facts.FacesEvent, at: float) -> Step:
    """Pass an event to the policy of the faces, and update the face's leg and the shown problem by its orders."""
    if not (state.faces.is_open or isinstance(event, facts.Began)):
        return state, ()
    told, orders = faces.step(state.faces, event, at)
    state = state if told is state.faces else replace(state, faces=told)
    commands: list[Command] = []
    for order in orders:
        match order:
            case facts.OpenLocal():
                commands.append(OpenLeg(LegName.FACE, state.face.attempt))
            case facts.FaceReport():
                state = _reported(state, order, at)
            case ShowFace():
                state, more = connected(state, LegName.FACE, at)
                commands += [order, *more]
            case LegFailed():
                state, more = failed(state, order, at)
                return state, (*commands, *more)
            case _:
                commands.append(order)
    return state, tuple(commands)


def _reported(state: SessionState, report: facts.FaceReport, at: float) -> SessionState:
    """Record which face is shown and its problem. A problem of the face is cleared when the avatar is back."""
    if not state.cloud_limit_s:
        return state
    state = metered(replace(state, face_name=report.face.value), at)
    if report.code:
        return state.with_problem(
            Problem(report.code, report.message, detail=report.detail, leg=LegName.FACE)
        )
    return state if report.face is Face.LOCAL else state.without_problem_of(LegName.FACE)


def follow_talk(before: SessionState, state: SessionState, event: Event, at: float) -> Step:
    """Tell the policy of the faces about speech and activity, by which it exchanges faces and avoids paying for silence."""
    if not (state.cloud_limit_s and state.faces.is_open):
        return state, ()
    commands: tuple[Command, ...] = ()
    playing = said_now(state, event)
    if playing != state.faces.playing:
        state = replace(state, faces=replace(state.faces, playing=playing))
    speaking = {answer.id for answer in state.answers if answer.is_sounding}
    is_moved = state.agent is not before.agent and state.agent in (AgentState.THINKING, AgentState.SPEAKING)
    if is_moved or speaking - {answer.id for answer in before.answers if answer.is_sounding}:
        state, commands = tell_faces(state, facts.Stirred(), at)
    is_speaking = bool(speaking or playing)
    if state.faces.is_speaking != is_speaking:
        state, more = tell_faces(state, facts.SpeakingChanged(is_speaking), at)
        commands = (*commands, *more)
    return state, commands


def look_changed(state: SessionState, look: Look, at: float) -> Step:
    before, state = state.look, replace(state, look=look)
    if look == before or not state.is_active:
        return state, ()
    commands: tuple[Command, ...] = ()
    if state.cloud_limit_s:
        if look.face != before.face:
            state, commands = tell_faces(state, facts.CloudWished(look.face != Face.LOCAL), at)
        elif look.avatar != before.avatar:
            state, commands = tell_faces(state, facts.ChoiceChanged(), at)
    return state, (*commands, ApplyLook(look))


def recall_face(state: SessionState, at: float) -> Step:
    """Bring the avatar back, clearing every reason that had kept it away until a person asked."""
    if not state.cloud_limit_s or state.look.face == Face.LOCAL:
        return state, ()
    return tell_faces(state, facts.CloudWished(True), at)
