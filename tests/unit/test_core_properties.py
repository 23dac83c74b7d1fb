"""What holds of the reducer whatever the world does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kai.core import events as ev
from kai.core.policy.legs import RETRY_DELAYS_S
from kai.core.policy.turns import ANSWERS_KEPT, CANCELLED_KEPT
from kai.core.reducer import step
from kai.core.state import AgentState, Leg, LegName, LegStatus, Phase, SessionState, Span
from kai.core.store import Store, replay
from kai.core.timers import RetryDue
from tests.support import strategies as kai_st
from tests.support.talk import talking

TRIES = len(RETRY_DELAYS_S) + 1

Journal = list[tuple[float, ev.Event]]
StepTaken = tuple[SessionState, ev.Event, SessionState, tuple[ev.Command, ...]]


def walk(journal: Journal) -> list[StepTaken]:
    """Every step of a journal: (state before, event, state after, commands)."""
    state, taken = SessionState(), []
    for at_s, event in journal:
        after, commands = step(state, event, at_s)
        taken.append((state, event, after, commands))
        state = after
    return taken


def assert_sound(state: SessionState) -> None:
    """What is true of every state."""
    ids = [m.id for m in state.messages]
    assert len(ids) == len(set(ids))
    assert len(state.cancelled) == len(set(state.cancelled)) <= CANCELLED_KEPT
    answers = [a.id for a in state.answers]
    assert len(answers) == len(set(answers)) <= ANSWERS_KEPT
    assert not set(answers) & set(state.cancelled)
    assert state.response is None or not state.response.is_over
    for leg in map(state.leg, LegName):
        assert 0 <= leg.attempt <= TRIES
        assert leg.status is not LegStatus.FAILED or leg.code
        assert not leg.is_up or not (leg.code or leg.message)
    if not state.is_active:
        assert {state.leg(leg) for leg in LegName} == {Leg()}
        assert (state.answers, state.pending_text, state.agent) == ((), (), AgentState.IDLE)
        assert all(m.is_final and m.text for m in state.messages)
    if not state.brain.is_up:
        assert not state.is_user_speaking
        assert not state.is_waiting
    else:
        assert state.phase is Phase.ACTIVE
        assert state.pending_text == ()
    assert {item_id for item_id, _ in state.pending_text} <= set(ids)


def assert_justified(before: SessionState, after: SessionState, commands: tuple[ev.Command, ...]) -> None:
    """What is true of every command, beside the state that it goes with."""
    for command in commands:
        match command:
            case ev.ArmTimer(RetryDue(leg)):
                assert after.leg(leg).status is LegStatus.RECONNECTING
            case ev.ArmTimer(_, delay_s):
                assert delay_s >= 0
            case ev.OpenLeg(leg, attempt):
                assert after.leg(leg).attempt == attempt
                assert after.leg(leg).status in (LegStatus.CONNECTING, LegStatus.RECONNECTING)
            case ev.CloseLeg(leg):
                assert not after.leg(leg).is_up
            case ev.SendText(item_id, text):
                assert after.brain.is_up
                assert text.strip()
                assert item_id in {m.id for m in after.messages}
            case ev.CancelResponse(response_id) | ev.StopSpeaking(response_id):
                assert response_id in after.cancelled
            case ev.SetMood(mood):
                assert mood is after.agent
            case _:
                pass
    if after.is_active and after.agent is not before.agent:
        assert commands[-1] == ev.SetMood(after.agent)


@given(kai_st.journals(kai_st.endings))
def test_every_state_is_sound_and_every_command_justified(journal: Journal) -> None:
    for before, _, after, commands in walk(journal):
        assert_sound(after)
        assert_justified(before, after, commands)


@given(kai_st.journals(), kai_st.journals(st.just(ev.StopRequested())))
def test_a_closed_talk_commands_nothing_and_stays_closed(before: Journal, late: Journal) -> None:
    stop = (100.0, ev.StopRequested())
    taken = walk([*before, (100.0, kai_st.START), stop, *late])
    for state, _, after, commands in taken[len(before) + 2 :]:
        assert state.phase is after.phase is Phase.CLOSED
        assert commands == ()


@given(kai_st.journals(), kai_st.responses, st.data())
def test_late_events_of_a_cancelled_response_change_nothing(
    journal: Journal, response_id: str, data: st.DataObject
) -> None:
    interrupted = [(100.0, ev.ResponseCreated(response_id)), (100.0, ev.InterruptRequested())]
    state = replay([*journal, *interrupted])
    if response_id not in state.cancelled:
        return  # the brain was not up, so there was no answer
    late = data.draw(st.lists(kai_st.answer_reports(st.just(response_id)), max_size=12))
    for event in late:
        if isinstance(event, ev.PlayoutInterrupted):
            continue  # the answer to StopSpeaking: the one report that is still waited for
        assert step(state, event, 200.0) == (state, ())


@given(kai_st.journals(kai_st.endings))
def test_a_journal_replays_to_the_same_state(journal: Journal) -> None:
    times = iter([at_s for at_s, _ in journal])
    store = Store(clock=lambda: next(times))
    for _, event in journal:
        store.dispatch(event)
    first, kept = store.journal()
    assert list(kept) == journal
    assert replay(kept, first) == store.snapshot()


@given(kai_st.journals(kai_st.leg_reports, max_events=80))
def test_a_leg_is_never_opened_more_often_than_its_tries_allow(journal: Journal) -> None:
    opened = dict.fromkeys(LegName, 0)
    for before, event, after, commands in walk(journal):
        for leg in LegName:
            came_up = after.leg(leg).is_up and not before.leg(leg).is_up
            was_asked = event == ev.RetryRequested(leg) or isinstance(event, ev.StartRequested)
            if came_up or (was_asked and commands):
                opened[leg] = 0
        for command in commands:
            if isinstance(command, ev.OpenLeg):
                opened[command.leg] += 1
                assert opened[command.leg] <= TRIES


@given(st.permutations(["made", "done", "started", "stopped", "heard", "played"] * 2))
def test_an_answers_events_may_come_in_any_order_and_twice(order: list[str]) -> None:
    tell: dict[str, ev.Event] = {
        "made": ev.ResponseCreated("r1"),
        "done": ev.ResponseDone("r1", "completed"),
        "started": ev.AudioStarted("r1"),
        "stopped": ev.AudioStopped("r1"),
        "heard": ev.PlayoutStarted("r1"),
        "played": ev.PlayoutFinished("r1"),
    }
    talk = talking()
    talk.do(*(tell[what] for what in order))
    assert talk.state.live_answers == ()
    assert talk.state.agent is AgentState.LISTENING


@given(kai_st.journals())
def test_what_the_brain_does_for_an_answer_only_moves_forward(journal: Journal) -> None:
    order = list(Span)
    for before, _, after, _ in walk(journal):
        was = {a.id: a for a in before.answers}
        for answer in after.answers:
            if old := was.get(answer.id):
                assert order.index(answer.generating) >= order.index(old.generating)
                assert order.index(answer.audio_out) >= order.index(old.audio_out)
