"""The reducer's rules for the leg of the face: its mood, its loss, and a computer that has no room for it."""

from __future__ import annotations

from kai.core.events import (
    ArmTimer,
    AudioStarted,
    LegConnected,
    LegFailed,
    PlayoutStarted,
    ResponseCreated,
    SetMood,
    ShowFace,
    TimerFired,
)
from kai.core.policy.face_facts import FACE_BUSY
from kai.core.policy.legs import RETRY_DELAYS_S
from kai.core.policy.turns import PLAYOUT_PATIENCE_S
from kai.core.state import AgentState, Face, LegName
from kai.core.timers import PlayoutOverdue, RetryDue
from tests.support.talk import saying_last_words, started, talking

FACE = LegName.FACE
LOST = LegFailed(FACE, "lost", "The face was lost.", is_retryable=True)


def test_the_face_learns_the_mood_when_it_comes_up() -> None:
    talk = started()
    talk.do(LegConnected(LegName.BRAIN))
    assert talk.do(LegConnected(FACE)) == (ShowFace(Face.LOCAL), SetMood(AgentState.LISTENING))


def test_an_answer_that_a_lost_face_was_saying_may_be_taken_up_by_the_next() -> None:
    talk = saying_last_words()
    commands = talk.do(LOST)
    assert ArmTimer(PlayoutOverdue("r1"), PLAYOUT_PATIENCE_S) in commands
    assert talk.state.agent is AgentState.THINKING
    talk.do(PlayoutStarted("r1"))
    assert talk.state.agent is AgentState.SPEAKING


def test_a_face_that_does_not_come_back_does_not_end_the_voice_that_speaks_for_it() -> None:
    talk = talking()
    talk.do(LOST, ResponseCreated("r1"), AudioStarted("r1"), PlayoutStarted("r1"))
    talk.do(TimerFired(RetryDue(FACE)), LOST)
    assert talk.state.agent is AgentState.SPEAKING


def test_a_face_for_which_there_is_no_room_is_asked_for_until_another_talk_ends() -> None:
    talk = talking()
    busy = LegFailed(FACE, FACE_BUSY, "Two faces are drawn.", is_retryable=True, retry_after_s=5.0)
    talk.do(LOST)
    for _ in range(2 * len(RETRY_DELAYS_S) + 2):
        talk.do(TimerFired(RetryDue(FACE)))
        commands = talk.do(busy)
        assert ArmTimer(RetryDue(FACE), 5.0) in commands
        assert talk.state.problem is not None
        assert talk.state.problem.code == FACE_BUSY
    talk.do(TimerFired(RetryDue(FACE)), LegConnected(FACE))
    assert talk.state.face.is_up
    assert talk.state.problem is None
