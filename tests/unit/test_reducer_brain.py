"""The reducer's rules for the cloud brain: hand-over, push to talk, greeting, tools, costs and limits."""

from __future__ import annotations

import pytest

from kai.core import events as ev
from kai.core.config import BrainConfig, TurnTaking
from kai.core.policy.brains import HAND_OVER_LEAD_S, HAND_OVER_RETRY_S
from kai.core.state import (
    AgentState,
    BrainFacts,
    Card,
    HandOver,
    LegName,
    LegStatus,
    Look,
    RateLimit,
    Role,
    Tokens,
)
from kai.core.timers import HandOverDue, PlayoutOverdue, RetryDue
from tests.support.talk import Talk, speaking, started, talking

HOUR = BrainFacts("webrtc", "gpt-realtime-2.1", 3600.0, is_billed=True)
PTT = Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK))


def test_a_fresh_brain_is_opened_well_before_the_time_limit() -> None:
    talk = talking()
    assert talk.do(ev.BrainDescribed(HOUR)) == (ev.ArmTimer(HandOverDue(), 3600 - HAND_OVER_LEAD_S),)
    assert talk.do(ev.TimerFired(HandOverDue())) == (ev.OpenSpareBrain(),)
    assert talk.do(ev.TimerFired(HandOverDue())) == ()


def test_the_spare_takes_over_only_when_nobody_speaks_and_knows_what_was_said() -> None:
    talk = speaking()
    talk.do(ev.TimerFired(HandOverDue()))
    assert talk.do(ev.SpareBrainReady()) == ()
    assert (
        talk.do(ev.ResponseDone("r1", "completed"), ev.AudioStopped("r1"))
        == (ev.ArmTimer(PlayoutOverdue("r1"), 5.0),)
        or talk.state.hand_over is HandOver.READY
    )
    commands = talk.do(ev.PlayoutFinished("r1"))
    assert commands[:3] == (
        ev.SwapBrain(),
        ev.SetMuted(False),
        ev.SeedHistory((("assistant", "I am Kai."),)),
    )
    assert talk.state.brain.is_up
    assert talk.state.hand_over is HandOver.NONE


def test_a_person_who_speaks_is_not_cut_by_a_hand_over() -> None:
    talk = talking()
    talk.do(ev.UserSpeechStarted("u1"), ev.HandOverRequested())
    assert ev.SwapBrain() not in talk.do(ev.SpareBrainReady())
    assert ev.SwapBrain() not in talk.do(
        ev.UserSpeechStopped("u1"), ev.UserTranscriptChanged("u1", "hi", True)
    )
    assert talk.state.hand_over is HandOver.READY


def test_a_spare_that_is_asked_to_wait_waits() -> None:
    talk = talking()
    talk.do(ev.TimerFired(HandOverDue()))
    assert talk.do(ev.SpareBrainFailed("rate-limit", retry_after_s=90.0)) == (
        ev.ArmTimer(HandOverDue(), 90.0),
    )


def test_a_spare_that_fails_leaves_the_talk_alone_and_is_tried_again() -> None:
    talk = talking()
    talk.do(ev.TimerFired(HandOverDue()))
    assert talk.do(ev.SpareBrainFailed("timeout")) == (ev.ArmTimer(HandOverDue(), HAND_OVER_RETRY_S),)
    assert talk.state.problem is None
    talk.do(ev.TimerFired(HandOverDue()))
    assert talk.do(ev.SpareBrainFailed("quota", is_retryable=False)) == ()


def test_an_expired_session_is_called_again_and_the_history_seeded() -> None:
    talk = talking()
    talk.do(
        ev.TextSubmitted("t1", "My name is Ada."),
        ev.ResponseCreated("r1"),
        ev.ResponseDone("r1", "completed"),
    )
    lost = talk.do(ev.LegFailed(LegName.BRAIN, "session_expired", "The talk reached its limit."))
    assert ev.CloseLeg(LegName.BRAIN) in lost
    assert talk.state.brain.status is LegStatus.RECONNECTING
    assert talk.do(ev.TimerFired(RetryDue(LegName.BRAIN))) == (ev.OpenLeg(LegName.BRAIN, 1),)
    assert ev.SeedHistory((("user", "My name is Ada."),)) in talk.do(ev.LegConnected(LegName.BRAIN))


def test_a_fatal_code_is_never_tried_again() -> None:
    talk = talking()
    commands = talk.do(ev.LegFailed(LegName.BRAIN, "quota", "No credit left.", is_retryable=False))
    assert not [c for c in commands if isinstance(c, ev.ArmTimer)]
    assert talk.state.brain.status is LegStatus.FAILED
    assert talk.state.problem is not None
    assert talk.state.problem.is_fatal


def held(talk: Talk, seconds: float) -> tuple[ev.Command, ...]:
    commands = talk.do(ev.TurnKeyPressed())
    talk.wait(seconds)
    return (*commands, *talk.do(ev.TurnKeyReleased()))


def test_a_held_key_is_a_turn_and_a_touched_one_is_not() -> None:
    talk = talking()
    talk.do(ev.LookChanged(PTT))
    commands = held(talk, 1.0)
    assert commands[0] == ev.BeginTurn()
    assert ev.EndTurn(is_kept=True) in commands
    assert talk.state.agent is AgentState.THINKING
    touched = held(talking_ptt := _ptt(), 0.05)
    assert ev.EndTurn(is_kept=False) in touched
    assert talking_ptt.state.agent is AgentState.LISTENING


def _ptt() -> Talk:
    talk = talking()
    talk.do(ev.LookChanged(PTT))
    return talk


def test_a_pressed_key_silences_kai() -> None:
    talk = speaking()
    talk.do(ev.LookChanged(PTT))
    commands = talk.do(ev.TurnKeyPressed())
    assert commands[:3] == (ev.CancelResponse("r1"), ev.StopSpeaking("r1"), ev.BeginTurn())


def test_without_push_to_talk_the_key_does_nothing() -> None:
    assert held(talking(), 1.0) == ()


GREETED = ev.StartRequested(
    0.0, Look(character="emil", brain=BrainConfig(greeting="Hello, I'm {name}. {Ask} me."))
)
GREETING = ev.Greet("Hello, I'm Emil. {Ask} me.")


def _greetings(talk: Talk, *events: ev.Event) -> list[ev.Command]:
    return [command for command in talk.do(*events) if isinstance(command, ev.Greet)]


def test_a_character_greets_once_in_a_new_talk_and_not_after_a_reconnect() -> None:
    talk = Talk()
    assert _greetings(talk, GREETED, *(ev.LegConnected(leg) for leg in LegName)) == [GREETING]
    assert talk.state.agent is AgentState.THINKING
    lost = ev.LegFailed(LegName.BRAIN, "lost", "Lost."), ev.TimerFired(RetryDue(LegName.BRAIN))
    assert _greetings(talk, *lost, ev.LegConnected(LegName.BRAIN)) == []
    assert _greetings(started(), *(ev.LegConnected(leg) for leg in LegName)) == []


@pytest.mark.parametrize("last", LegName)
def test_nobody_is_greeted_before_they_can_see_and_hear_it(last: LegName) -> None:
    talk = Talk()
    others = (ev.LegConnected(leg) for leg in LegName if leg is not last)
    assert _greetings(talk, GREETED, *others) == []
    assert _greetings(talk, ev.LegConnected(last)) == [GREETING]


def test_a_page_that_cannot_connect_is_greeted_by_text_and_sound_of_its_own() -> None:
    talk = Talk()
    talk.do(GREETED, ev.LegConnected(LegName.BRAIN), ev.LegConnected(LegName.FACE))
    failed = ev.LegFailed(LegName.BROWSER, "no-network", "", is_retryable=False)
    assert _greetings(talk, failed) == [GREETING]


@pytest.mark.parametrize(
    "first", [ev.TextSubmitted("t1", "Hello"), ev.UserSpeechStarted("u1")], ids=lambda e: type(e).__name__
)
def test_a_person_who_is_first_is_not_greeted(first: ev.Event) -> None:
    talk = Talk()
    talk.do(GREETED, ev.LegConnected(LegName.BRAIN), ev.LegConnected(LegName.FACE))
    assert _greetings(talk, first, ev.LegConnected(LegName.BROWSER)) == []
    assert _greetings(talk, ev.MessagesCleared()) == []


def test_a_tool_is_run_once_and_its_result_sent() -> None:
    talk = talking()
    asked = ev.ToolRequested("c1", "current_time", "{}")
    assert talk.do(asked) == (ev.RunTool("c1", "current_time", "{}"),)
    assert talk.do(asked) == ()
    commands = talk.do(ev.ToolFinished("c1", '{"time": "12:00"}'))
    assert commands[0] == ev.SendToolResult("c1", '{"time": "12:00"}')
    assert talk.do(ev.ToolFinished("c1", "{}")) == ()
    assert talk.state.agent is AgentState.THINKING


def test_a_failed_tool_is_a_line_of_the_chat_too() -> None:
    talk = talking()
    talk.do(
        ev.ToolRequested("c1", "weather", "{}"), ev.ToolFinished("c1", '{"error": "x"}', "It rains too hard.")
    )
    assert (talk.state.messages[-1].role, talk.state.messages[-1].text) == (Role.NOTICE, "It rains too hard.")
    assert talk.state.tool_runs[0].problem == "It rains too hard."


def test_a_card_stays_until_it_is_read() -> None:
    talk = talking()
    talk.do(ev.CardShown(Card("A", "b")))
    assert talk.state.card == Card("A", "b")
    talk.do(ev.StopRequested(), ev.CardDismissed())
    assert talk.state.card is None


def test_costs_add_up_and_say_when_they_are_not_known() -> None:
    talk = talking()
    talk.do(ev.UsageReported(Tokens(text_in=10, audio_out=5), 0.02))
    talk.do(ev.UsageReported(Tokens(transcribed_s=3.0), 0.001, is_turn=False))
    talk.do(ev.UsageReported(Tokens(text_in=20), 0.03))
    spent = talk.state.spending
    assert (spent.turns, spent.tokens.total, round(spent.cost_usd, 4)) == (2, 35, 0.051)
    assert (spent.turn_cost_usd, spent.turn_tokens.text_in, spent.is_exact) == (0.03, 20, True)
    talk.do(ev.UsageReported(Tokens(text_in=1), None))
    assert not talk.state.spending.is_exact


def test_limits_that_are_near_are_in_the_state() -> None:
    talk = talking()
    near = RateLimit("tokens", 1000, 50, 12.0)
    talk.do(ev.RateLimitsReported((RateLimit("requests", 100, 90), near)))
    assert talk.state.near_limits == (near,)


def test_an_unknown_event_changes_nothing() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(ev.BrainRemarked("response.tomorrow")) == ()
    assert talk.state == before


def test_who_holds_the_talk_key_is_heard_although_the_microphone_was_muted() -> None:
    talk = talking()
    talk.do(ev.LookChanged(PTT), ev.MuteToggled(True))
    commands = talk.do(ev.TurnKeyPressed())
    assert commands[:2] == (ev.SetMuted(False), ev.BeginTurn())
    assert not talk.state.is_muted


@pytest.mark.parametrize(("heard_ms", "lines"), [(999, []), (1_000, ["one two"])])
def test_a_person_who_speaks_on_within_a_second_was_not_at_an_end_and_no_line_says_interrupted(
    heard_ms: int, lines: list[str]
) -> None:
    talk = speaking(text="one two three")
    talk.do(
        ev.UserSpeechStarted("u1"), ev.AudioCleared("r1"), ev.PlayoutInterrupted("r1", heard_ms, "one two")
    )
    assert [text for text in talk.lines if text] == lines
