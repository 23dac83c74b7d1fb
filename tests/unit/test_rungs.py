"""Which brain answers: this computer's engine stands in for the cloud's, and the cloud comes back in a pause."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kai.core import events as ev
from kai.core.policy import rungs
from kai.core.state import BrainFacts, HandOver, LegName, LegStatus, Look, RateLimit, SessionState
from kai.core.timers import ClimbDue, RetryDue, StandInDue
from tests.support.talk import START, WALL_S, Talk

DEAD_KEY = ev.LegFailed(LegName.BRAIN, "wrong-key", "The OpenAI key was not accepted.", is_retryable=False)
NETWORK = ev.LegFailed(LegName.BRAIN, "connection-lost", "The voice connection was lost.")


def begun(look: Look = START.look) -> Talk:
    """Start was pressed in a talk that wants a cloud brain."""
    talk = Talk(SessionState(has_cloud_brain=True))
    talk.do(ev.StartRequested(WALL_S, look))
    return talk


def up() -> Talk:
    """The cloud's brain has been up for a minute."""
    talk = begun()
    talk.do(*(ev.LegConnected(leg) for leg in LegName))
    talk.wait(60)
    return talk


def answering(text: str) -> Talk:
    talk = up()
    talk.do(
        ev.TextSubmitted("t1", "Tell me."),
        ev.ResponseCreated("r1"),
        ev.AssistantTranscriptChanged("r1", "i1", text, is_final=False),
        ev.AudioStarted("r1"),
        ev.PlayoutStarted("r1"),
    )
    return talk


def armed(commands: tuple[ev.Command, ...], kind: type) -> list[float]:
    return [c.delay_s for c in commands if isinstance(c, ev.ArmTimer) and isinstance(c.timer, kind)]


def test_a_key_that_is_refused_at_the_start_brings_the_engine_at_once_and_says_why() -> None:
    talk = begun()
    commands = talk.do(DEAD_KEY)
    assert ev.OpenLeg(LegName.BRAIN, 1) in commands
    assert talk.state.ladder.is_standing_in
    assert armed(commands, ClimbDue) == [rungs.CLIMB_AFTER_S[-1]]
    talk.do(ev.LegConnected(LegName.BRAIN))
    assert talk.state.brain.is_up
    assert talk.state.problem is not None
    assert (talk.state.problem.code, talk.state.problem.detail) == (rungs.STAND_IN, DEAD_KEY.message)


def test_a_start_that_hangs_is_left_after_some_seconds() -> None:
    talk = Talk(SessionState(has_cloud_brain=True))
    assert armed(talk.do(START), StandInDue) == [rungs.START_PATIENCE_S]
    commands = talk.do(ev.TimerFired(StandInDue()))
    assert commands[0] == ev.CloseLeg(LegName.BRAIN)
    assert ev.OpenLeg(LegName.BRAIN, 1) in commands
    assert talk.state.ladder.is_standing_in


def test_a_cloud_that_is_back_within_a_second_keeps_its_voice() -> None:
    talk = up()
    commands = talk.do(NETWORK)
    assert armed(commands, RetryDue) == [0.0]
    assert armed(commands, StandInDue) == [rungs.LOST_PATIENCE_S]
    talk.do(ev.TimerFired(RetryDue(LegName.BRAIN)), ev.LegConnected(LegName.BRAIN))
    assert talk.do(ev.TimerFired(StandInDue())) == ()
    assert not talk.state.ladder.is_standing_in
    assert talk.state.problem is None


def test_the_engine_speaks_the_rest_of_the_sentence_that_was_lost() -> None:
    talk = answering("The train leaves at nine. Take a coat.")
    assert ev.StopSpeaking("r1") in talk.do(NETWORK)
    talk.do(ev.PlayoutInterrupted("r1", 900, "The train leaves"))
    talk.do(ev.TimerFired(RetryDue(LegName.BRAIN)), NETWORK)
    assert ev.CancelTimer(RetryDue(LegName.BRAIN)) in talk.do(ev.TimerFired(StandInDue()))
    assert talk.do(ev.TimerFired(RetryDue(LegName.BRAIN))) == ()
    assert talk.line("i1").text == "The train leaves"
    commands = talk.do(ev.LegConnected(LegName.BRAIN))
    assert ev.SeedHistory((("user", "Tell me."), ("assistant", "The train leaves"))) in commands
    assert ev.SayWords("at nine. Take a coat.") in commands
    assert talk.state.ladder.unsaid == ""


def test_a_question_of_which_no_answer_was_heard_is_asked_again_and_nothing_else_is_said() -> None:
    talk = up()
    talk.do(ev.TextSubmitted("t1", "Tell me."))
    talk.do(DEAD_KEY)
    commands = talk.do(ev.LegConnected(LegName.BRAIN))
    assert ev.SendText("t1", "Tell me.") in commands
    assert not any(isinstance(c, ev.SayWords) for c in commands)


def test_a_question_whose_answer_failed_for_want_of_credit_is_asked_again() -> None:
    talk = up()
    talk.do(
        ev.TextSubmitted("t1", "Tell me."),
        ev.ResponseCreated("r1"),
        ev.ResponseDone("r1", "failed", "No credit."),
    )
    talk.do(ev.LegFailed(LegName.BRAIN, "quota", "No credit.", is_retryable=False))
    assert ev.SendText("t1", "Tell me.") in talk.do(ev.LegConnected(LegName.BRAIN))


def standing_in() -> Talk:
    talk = up()
    talk.do(NETWORK, ev.TimerFired(StandInDue()), ev.LegConnected(LegName.BRAIN))
    assert talk.state.ladder.is_standing_in
    return talk


def test_the_cloud_comes_back_in_a_pause_and_not_before() -> None:
    talk = standing_in()
    assert talk.do(ev.TimerFired(ClimbDue())) == (ev.CancelTimer(ClimbDue()), ev.OpenSpareBrain())
    talk.do(ev.TextSubmitted("t1", "And now?"), ev.ResponseCreated("r1"))
    assert ev.SwapBrain() not in talk.do(ev.SpareBrainReady())
    talk.do(
        ev.AudioStarted("r1"),
        ev.PlayoutStarted("r1"),
        ev.ResponseDone("r1", "completed"),
        ev.AudioStopped("r1"),
    )
    assert ev.SwapBrain() in talk.do(ev.PlayoutFinished("r1"))
    assert not talk.state.ladder.is_standing_in
    assert talk.state.problem is None
    assert talk.state.hand_over is HandOver.NONE


def test_a_climb_that_fails_is_tried_later_each_time() -> None:
    talk = standing_in()
    delays: list[float] = []
    for _ in range(4):
        talk.do(ev.TimerFired(ClimbDue()))
        delays += armed(talk.do(ev.SpareBrainFailed("connection", message="No network.")), ClimbDue)
    assert delays == [60.0, 180.0, 300.0, 300.0]
    assert talk.state.brain.is_up
    assert talk.state.ladder.message == "No network."


def test_a_flickering_network_changes_the_voice_more_and_more_rarely() -> None:
    talk = standing_in()
    delays: list[float] = []
    for _ in range(3):
        talk.do(ev.TimerFired(ClimbDue()), ev.SpareBrainReady())
        assert not talk.state.ladder.is_standing_in
        talk.wait(30)
        delays += armed(talk.do(NETWORK, ev.TimerFired(StandInDue())), ClimbDue)
        talk.do(ev.LegConnected(LegName.BRAIN))
    assert delays == [60.0, 180.0, 300.0]
    talk.do(ev.TimerFired(ClimbDue()), ev.SpareBrainReady())
    talk.wait(rungs.STEADY_S + 1)
    assert armed(talk.do(NETWORK, ev.TimerFired(StandInDue())), ClimbDue) == [15.0]


def test_a_person_brings_the_cloud_back_at_once_or_forbids_the_engine() -> None:
    talk = standing_in()
    assert ev.OpenSpareBrain() in talk.do(ev.BrainRecalled())
    assert talk.do(ev.BrainRecalled()) == ()
    strict = begun(Look(stays_in_cloud=True))
    strict.do(DEAD_KEY)
    assert strict.state.brain.status is LegStatus.FAILED
    assert strict.do(ev.TimerFired(StandInDue())) == ()


def test_a_stand_in_that_is_lost_in_a_climb_climbs_again_once_it_is_back() -> None:
    talk = standing_in()
    talk.do(ev.TimerFired(ClimbDue()))
    assert armed(talk.do(NETWORK), ClimbDue) == [rungs.CLIMB_AFTER_S[0]]
    talk.do(ev.TimerFired(RetryDue(LegName.BRAIN)), ev.LegConnected(LegName.BRAIN))
    assert ev.OpenSpareBrain() in talk.do(ev.TimerFired(ClimbDue()))


def test_a_person_who_chooses_this_computer_has_no_stand_in_any_more() -> None:
    talk = standing_in()
    talk.do(ev.LookChanged(replace(talk.state.look, runs="local")), ev.HandOverRequested())
    assert ev.SwapBrain() in talk.do(ev.SpareBrainReady())
    assert not talk.state.ladder.is_standing_in
    assert talk.state.problem is None
    assert talk.do(ev.TimerFired(ClimbDue())) == ()


USED_UP = ev.RateLimitsReported((RateLimit("requests", 100, 99, 0.6), RateLimit("tokens", 40_000, 0, 22.0)))


def test_before_a_limit_refuses_a_question_the_engine_takes_over_in_a_pause_until_it_is_reset() -> None:
    talk = answering("The train leaves at nine.")
    assert talk.do(USED_UP) == (ev.OpenSpareBrain(is_stand_in=True),)
    assert ev.SwapBrain() not in talk.do(ev.SpareBrainReady(), ev.ResponseDone("r1", "completed"))
    commands = talk.do(ev.AudioStopped("r1"), ev.PlayoutFinished("r1"))
    assert ev.SwapBrain() in commands
    assert armed(commands, ClimbDue) == [22.0]
    assert talk.state.ladder.code == rungs.RATE_LIMIT
    assert talk.state.problem is not None
    assert talk.state.problem.code == rungs.STAND_IN
    assert ev.OpenSpareBrain() in talk.do(ev.TimerFired(ClimbDue()))


def test_a_brain_that_is_lost_before_the_pause_leaves_nothing_of_its_limit_behind() -> None:
    talk = answering("The train leaves at nine.")
    talk.do(USED_UP, ev.SpareBrainReady(), NETWORK, ev.TimerFired(StandInDue()))
    talk.do(ev.LegConnected(LegName.BRAIN), ev.PlayoutInterrupted("r1", 0, ""), ev.ResponseCreated("r2"))
    talk.do(ev.ResponseDone("r2", "completed"), ev.PlayoutFinished("r2"))
    talk.do(ev.TimerFired(ClimbDue()), ev.SpareBrainReady())
    assert not talk.state.ladder.is_standing_in


@pytest.mark.parametrize(
    "limit",
    [RateLimit("tokens", 40_000, 0, 2.0), RateLimit("tokens", 40_000, 1, 50.0)],
    ids=["soon reset", "something left"],
)
def test_a_limit_that_refuses_nothing_changes_nothing(limit: RateLimit) -> None:
    assert up().do(ev.RateLimitsReported((limit,))) == ()


def test_a_person_who_stays_with_openai_keeps_it_at_a_limit() -> None:
    talk = begun(Look(stays_in_cloud=True))
    talk.do(*(ev.LegConnected(leg) for leg in LegName))
    assert talk.do(USED_UP) == ()


def test_a_pause_that_the_cloud_asked_for_is_bridged_at_once_and_kept() -> None:
    talk = answering("The train leaves")
    commands = talk.do(ev.LegFailed(LegName.BRAIN, "rate-limit", "Too often.", retry_after_s=20.0))
    assert talk.state.ladder.is_standing_in
    assert armed(commands, ClimbDue) == [20.0]


def billed(talk: Talk) -> Talk:
    talk.do(ev.BrainDescribed(BrainFacts("webrtc", "gpt-realtime-2.1", 3600.0, is_billed=True), START.look))
    return talk


def test_after_a_sleep_the_cloud_is_called_at_once_and_the_person_reads_why() -> None:
    talk = billed(answering("The train leaves at nine."))
    commands = talk.do(ev.Awoke(3600.0))
    assert ev.CloseLeg(LegName.BRAIN) in commands
    assert armed(commands, RetryDue) == [0.0]
    assert armed(commands, StandInDue) == [rungs.LOST_PATIENCE_S]
    assert talk.state.problem is not None
    assert "asleep" in talk.state.problem.message


def test_a_nap_and_a_sleep_with_this_computers_engine_break_nothing() -> None:
    assert billed(up()).do(ev.Awoke(2.0)) == ()
    assert up().do(ev.Awoke(3600.0)) == ()
    talk = standing_in()
    assert armed(talk.do(ev.Awoke(3600.0)), ClimbDue) == [rungs.CLIMB_AFTER_S[0]]
    assert talk.state.brain.is_up


@pytest.mark.parametrize("look", [Look(runs="local"), Look()], ids=["by choice", "no key"])
def test_a_talk_on_this_computer_has_nothing_to_stand_in_for(look: Look) -> None:
    talk = Talk(SessionState(has_cloud_brain=look.runs == "local"))
    assert armed(talk.do(ev.StartRequested(WALL_S, look)), StandInDue) == []
    talk.do(DEAD_KEY)
    assert talk.state.brain.status is LegStatus.FAILED
