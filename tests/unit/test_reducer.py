"""The policy of a talk, one rule a test."""

from __future__ import annotations

import pytest

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
    TimeZoneTold,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.policy.legs import BROWSER_CONNECT_S, LONGEST_RETRY_AFTER_S
from kai.core.policy.lines import TRANSCRIPT_PATIENCE_S
from kai.core.policy.turns import ANSWER_PATIENCE_S, CANCELLED_KEPT, PLAYOUT_PATIENCE_S
from kai.core.state import (
    AgentState,
    Leg,
    LegName,
    LegStatus,
    Look,
    Message,
    Microphone,
    Phase,
    Problem,
    Role,
    SessionState,
)
from kai.core.timers import AnswerOverdue, PageOverdue, PlayoutOverdue, RetryDue, TranscriptOverdue
from kai.ui import problems
from tests.support.talk import START, WALL_S, Talk, saying_last_words, speaking, started, talking

BRAIN, FACE, BROWSER = LegName.BRAIN, LegName.FACE, LegName.BROWSER
LOST = "It was lost."


def lost(leg: LegName, *, is_retryable: bool = True) -> LegFailed:
    return LegFailed(leg, "lost", LOST, is_retryable)


def kai_says(response_id: str, item_id: str, text: str, *, is_final: bool = True) -> Event:
    return AssistantTranscriptChanged(response_id, item_id, text, is_final)


def whole_answer(response_id: str, text: str) -> tuple[Event, ...]:
    return (
        ResponseCreated(response_id),
        kai_says(response_id, f"{response_id}-item", text),
        AudioStarted(response_id),
        PlayoutStarted(response_id),
        ResponseDone(response_id, "completed"),
        AudioStopped(response_id),
        PlayoutFinished(response_id),
    )


def test_start_opens_every_leg_once_and_watches_the_browser() -> None:
    talk = Talk()
    assert talk.do(START) == (
        OpenLeg(FACE, 1),
        OpenLeg(BRAIN, 1),
        OpenLeg(BROWSER, 1),
        ArmTimer(PageOverdue(), BROWSER_CONNECT_S),
    )
    assert talk.state.phase is Phase.STARTING
    assert {talk.state.leg(leg) for leg in LegName} == {Leg(LegStatus.CONNECTING, 1)}
    assert (talk.state.started_at_s, talk.state.started_wall_s) == (talk.at_s, WALL_S)


def test_start_of_a_running_talk_changes_nothing() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(StartRequested(WALL_S + 9, Look(character="mara"))) == ()
    assert talk.state is before


def test_before_start_only_the_look_can_change() -> None:
    talk = Talk()
    assert (
        talk.do(TextSubmitted("t1", "hello"), StopRequested(), MuteToggled(True), LegConnected(BRAIN)) == ()
    )
    assert talk.state == SessionState()
    assert talk.do(LookChanged(Look(character="mara"))) == ()
    assert talk.state.look.character == "mara"


def test_the_talk_is_active_once_the_brain_is_up() -> None:
    talk = started()
    talk.do(LegConnected(FACE), LegConnected(BROWSER))
    assert talk.state.phase is Phase.STARTING
    assert talk.state.agent is AgentState.IDLE
    talk.do(LegConnected(BRAIN))
    assert talk.state.phase is Phase.ACTIVE
    assert talk.state.agent is AgentState.LISTENING


def test_stop_silences_and_closes_every_leg() -> None:
    talk = speaking()
    assert talk.do(StopRequested()) == (
        StopSpeaking("r1"),
        CloseLeg(BRAIN),
        CloseLeg(FACE),
        CloseLeg(BROWSER),
    )
    assert talk.state.phase is Phase.CLOSED
    assert {talk.state.leg(leg) for leg in LegName} == {Leg()}
    assert talk.state.closed_at_s == talk.at_s
    assert talk.state.agent is AgentState.IDLE
    assert not talk.state.can_interrupt
    assert talk.line("r1-item").is_interrupted


def test_stop_during_connecting_closes_what_is_being_opened() -> None:
    talk = started()
    assert talk.do(StopRequested()) == (CloseLeg(BRAIN), CloseLeg(FACE), CloseLeg(BROWSER))
    closed = talk.state
    late = (LegConnected(BRAIN), lost(FACE), TimerFired(PageOverdue()), TimerFired(RetryDue(BRAIN)))
    assert talk.do(*late) == ()
    assert talk.state == closed


def test_stop_by_a_person_is_no_problem_and_any_other_reason_is_told() -> None:
    by_person, by_silence = talking(), talking()
    by_person.do(StopRequested())
    by_silence.do(StopRequested("Nobody spoke for three minutes."))
    assert by_person.state.problem is None
    assert by_silence.state.problem == Problem("ended", "Nobody spoke for three minutes.")


def test_stop_keeps_what_was_said_and_drops_lines_without_words() -> None:
    talk = talking()
    talk.do(
        UserSpeechStarted("u1"),
        UserTranscriptChanged("u1", "what is", is_final=False),
        UserSpeechStarted("u2"),
        StopRequested(),
    )
    assert [(m.text, m.is_final) for m in talk.state.messages] == [("what is", True)]


def test_a_closed_talk_still_learns_what_was_heard() -> None:
    talk = speaking(text="one two three four")
    talk.do(StopRequested())
    assert talk.do(PlayoutInterrupted("r1", 800, "one two")) == ()
    assert talk.lines == ["one two"]


def test_a_closed_talk_can_be_tidied_up() -> None:
    talk = speaking()
    talk.do(StopRequested("The brain is gone."))
    assert talk.do(ProblemDismissed(), MessagesCleared(), LookChanged(Look(voice="cedar"))) == ()
    assert (talk.state.problem, talk.state.messages, talk.state.look.voice) == (None, (), "cedar")


def test_reset_forgets_a_closed_talk_but_not_the_look() -> None:
    talk = talking()
    talk.do(LookChanged(Look(voice="cedar")), StopRequested(), ResetRequested())
    assert talk.state == SessionState(look=Look(voice="cedar"))
    assert OpenLeg(BRAIN, 1) in talk.do(START)


def test_reset_of_a_running_talk_changes_nothing() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(ResetRequested()) == ()
    assert talk.state is before


def test_a_leg_that_does_not_open_is_tried_three_times_with_growing_waits_then_has_failed() -> None:
    talk = started()
    assert talk.do(lost(FACE)) == (CloseLeg(FACE), ArmTimer(RetryDue(FACE), 0.5))
    assert talk.state.face.status is LegStatus.RECONNECTING
    assert talk.do(TimerFired(RetryDue(FACE))) == (OpenLeg(FACE, 2),)
    assert talk.do(lost(FACE)) == (CloseLeg(FACE), ArmTimer(RetryDue(FACE), 1.5))
    assert talk.do(TimerFired(RetryDue(FACE))) == (OpenLeg(FACE, 3),)
    assert talk.do(lost(FACE)) == (CloseLeg(FACE),)
    assert talk.state.face == Leg(LegStatus.FAILED, 3, "lost", LOST)
    assert talk.state.problem == Problem("lost", LOST, leg=FACE, is_given_up=True)


def pausing(leg: LegName, retry_after_s: float) -> LegFailed:
    return LegFailed(leg, "rate-limit", "Asked too often.", retry_after_s=retry_after_s)


def test_a_leg_that_asks_for_a_pause_gets_it_and_its_three_tries() -> None:
    talk = started()
    assert talk.do(pausing(BRAIN, 7.0)) == (CloseLeg(BRAIN), ArmTimer(RetryDue(BRAIN), 7.0))
    assert talk.state.brain.status is LegStatus.RECONNECTING
    assert talk.do(TimerFired(RetryDue(BRAIN))) == (OpenLeg(BRAIN, 2),)
    # Our own wait is the longer one now.
    assert talk.do(pausing(BRAIN, 0.2)) == (CloseLeg(BRAIN), ArmTimer(RetryDue(BRAIN), 1.5))
    assert talk.do(TimerFired(RetryDue(BRAIN))) == (OpenLeg(BRAIN, 3),)
    assert talk.do(pausing(BRAIN, 7.0)) == (CloseLeg(BRAIN),)
    assert talk.state.brain.status is LegStatus.FAILED


def test_a_pause_longer_than_a_talk_can_wait_for_is_a_failure_that_a_person_may_mend() -> None:
    talk = started()
    assert talk.do(pausing(BRAIN, LONGEST_RETRY_AFTER_S + 1)) == (CloseLeg(BRAIN),)
    assert talk.state.brain.status is LegStatus.FAILED
    assert talk.do(RetryRequested(BRAIN)) == (OpenLeg(BRAIN, 1),)


def test_a_pause_is_over_when_the_talk_is() -> None:
    talk = started()
    talk.do(pausing(BRAIN, 60.0), StopRequested())
    assert talk.do(TimerFired(RetryDue(BRAIN))) == ()


def test_a_steady_leg_that_is_lost_is_opened_again_at_once_with_all_its_tries() -> None:
    talk = talking()
    assert talk.do(lost(FACE)) == (CloseLeg(FACE), ArmTimer(RetryDue(FACE), 0.0))
    tries = []
    while talk.state.face.status is not LegStatus.FAILED:
        tries += talk.do(TimerFired(RetryDue(FACE)))
        talk.do(lost(FACE))
    assert tries == [OpenLeg(FACE, 1), OpenLeg(FACE, 2), OpenLeg(FACE, 3)]


def test_a_leg_that_dies_as_soon_as_it_is_up_is_not_opened_for_ever() -> None:
    talk = started()
    opened = 1
    for _ in range(10):
        talk.do(LegConnected(BRAIN), lost(BRAIN))
        opened += len([c for c in talk.do(TimerFired(RetryDue(BRAIN))) if isinstance(c, OpenLeg)])
    assert opened == 3
    assert talk.state.brain.status is LegStatus.FAILED


def test_a_failure_that_no_retry_can_mend_is_final_at_once() -> None:
    talk = started()
    assert talk.do(lost(BRAIN, is_retryable=False)) == (CloseLeg(BRAIN),)
    assert talk.state.brain.status is LegStatus.FAILED
    assert talk.state.problem == Problem("lost", LOST, is_fatal=True, leg=BRAIN)
    assert talk.state.is_active


def test_a_lost_brain_is_told_and_the_telling_ends_when_it_is_back() -> None:
    talk = talking()
    talk.do(lost(BRAIN))
    assert talk.state.problem == Problem("brain-lost", LOST, leg=BRAIN)
    talk.do(TimerFired(RetryDue(BRAIN)), LegConnected(BRAIN))
    assert talk.state.problem is None
    assert talk.state.brain.is_up


def test_a_leg_that_comes_up_takes_away_its_own_problem_only() -> None:
    talk = talking()
    talk.do(lost(FACE, is_retryable=False), lost(BROWSER), LegConnected(BROWSER))
    assert talk.state.problem == Problem("lost", LOST, leg=FACE)  # the same words, and another leg's
    talk.do(BrainComplained("slow", "Kai is busy."), BrowserLeft(), LegConnected(BROWSER))
    assert talk.state.problem == Problem("slow", "Kai is busy.")


def test_a_fatal_problem_is_not_covered_by_a_lesser_one() -> None:
    talk = talking()
    talk.do(lost(BRAIN, is_retryable=False), LegFailed(FACE, "face", "No picture.", is_retryable=False))
    assert talk.state.problem == Problem("lost", LOST, is_fatal=True, leg=BRAIN)


def test_a_person_can_have_a_failed_leg_tried_again() -> None:
    talk = talking()
    talk.do(lost(FACE, is_retryable=False))
    assert talk.do(RetryRequested(FACE)) == (OpenLeg(FACE, 1),)
    assert talk.state.face == Leg(LegStatus.CONNECTING, 1)
    assert talk.state.problem is None


def test_retry_of_a_failed_browser_is_watched_again() -> None:
    talk = talking()
    talk.do(lost(BROWSER, is_retryable=False))
    assert talk.do(RetryRequested(BROWSER)) == (
        OpenLeg(BROWSER, 1),
        ArmTimer(PageOverdue(), BROWSER_CONNECT_S),
    )


@pytest.mark.parametrize("leg", LegName)
def test_retry_of_a_leg_that_has_not_failed_changes_nothing(leg: LegName) -> None:
    for talk in (started(), talking()):
        before = talk.state
        assert talk.do(RetryRequested(leg)) == ()
        assert talk.state is before


@pytest.mark.parametrize("leg", [BRAIN, FACE])
def test_an_opening_that_was_given_up_cannot_come_up_any_more(leg: LegName) -> None:
    talk = started()
    talk.do(lost(leg, is_retryable=False))
    failed = talk.state
    assert talk.do(LegConnected(leg), lost(leg), TimerFired(RetryDue(leg))) == ()
    assert talk.state == failed


def test_a_leg_that_is_up_is_not_connected_twice() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(*(LegConnected(leg) for leg in LegName)) == ()
    assert talk.state is before


def test_a_timer_of_no_leg_changes_nothing() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(TimerFired(RetryDue(BRAIN)), TimerFired(TranscriptOverdue("tea"))) == ()
    assert talk.state is before


def test_a_browser_that_hangs_is_mounted_anew_twice_then_text_is_offered() -> None:
    talk = started()
    talk.do(MicrophoneChanged(Microphone.OPEN))
    mounts = []
    for _ in range(3):
        talk.do(TimerFired(PageOverdue()))
        mounts += talk.do(TimerFired(RetryDue(BROWSER)))
    watch = ArmTimer(PageOverdue(), BROWSER_CONNECT_S)
    assert mounts == [OpenLeg(BROWSER, 2), watch, OpenLeg(BROWSER, 3), watch]
    assert talk.state.browser.status is LegStatus.FAILED
    assert talk.state.problem is not None
    assert "type below" in problems.words(talk.state.problem)


def test_a_browsers_time_runs_only_once_the_microphones_question_is_answered() -> None:
    talk = started()
    watch = (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),)
    assert talk.do(TimerFired(PageOverdue())) == watch
    assert talk.state.browser == Leg(LegStatus.CONNECTING, 1)
    assert talk.do(MicrophoneChanged(Microphone.OPEN)) == watch
    talk.do(TimerFired(PageOverdue()))
    assert talk.state.browser.status is LegStatus.RECONNECTING


def test_a_connected_browser_is_no_longer_watched() -> None:
    talk = started()
    assert talk.do(LegConnected(BROWSER)) == (CancelTimer(PageOverdue()),)


def test_a_browser_watch_that_ends_just_after_it_came_up_does_not_close_it() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(TimerFired(PageOverdue())) == ()
    assert talk.state is before


def test_a_page_that_left_may_come_back_by_itself() -> None:
    talk = talking()
    assert talk.do(BrowserLeft()) == (ArmTimer(PageOverdue(), BROWSER_CONNECT_S),)
    assert talk.state.browser.status is LegStatus.RECONNECTING
    assert talk.state.phase is Phase.ACTIVE
    assert talk.do(LegConnected(BROWSER)) == (CancelTimer(PageOverdue()),)
    assert talk.state.browser.is_up


def test_a_page_may_come_back_even_after_it_was_given_up() -> None:
    talk = talking()
    talk.do(MicrophoneChanged(Microphone.OPEN), BrowserLeft())
    for _ in range(3):
        talk.do(TimerFired(PageOverdue()), TimerFired(RetryDue(BROWSER)))
    assert talk.state.browser.status is LegStatus.FAILED
    talk.do(LegConnected(BROWSER))
    assert talk.state.browser.is_up
    assert talk.state.problem is None


def test_a_page_that_was_not_there_cannot_leave() -> None:
    talk = started()
    before = talk.state
    assert talk.do(BrowserLeft()) == ()
    assert talk.state is before


def test_the_microphones_fate_is_kept() -> None:
    talk = talking()
    assert talk.do(MicrophoneChanged(Microphone.REFUSED)) == ()
    assert talk.state.microphone is Microphone.REFUSED


def test_mute_reaches_the_brain_once() -> None:
    talk = talking()
    assert talk.do(MuteToggled(True), MuteToggled(True)) == (SetMuted(True),)
    assert talk.state.is_muted
    assert talk.do(MuteToggled(False)) == (SetMuted(False),)


def test_a_fresh_brain_is_told_that_the_person_is_muted() -> None:
    talk = talking()
    talk.do(MuteToggled(True), lost(BRAIN), TimerFired(RetryDue(BRAIN)))
    assert SetMuted(True) in talk.do(LegConnected(BRAIN))


def test_a_changed_look_goes_to_the_legs_and_the_same_one_does_not() -> None:
    talk = talking()
    look = Look(character="mara", speed=1.2)
    assert talk.do(LookChanged(look), LookChanged(look)) == (ApplyLook(look),)
    assert talk.state.look == look


def test_a_complaint_of_the_brain_is_shown_until_it_is_dismissed() -> None:
    talk = talking()
    talk.do(BrainComplained("rate", "Kai is busy. Wait a moment."))
    assert talk.state.problem == Problem("rate", "Kai is busy. Wait a moment.")
    talk.do(ProblemDismissed())
    assert talk.state.problem is None


def test_a_complaint_before_an_answer_ends_the_thinking() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hello"), BrainComplained("rate", "Kai is busy."))
    assert talk.state.agent is AgentState.LISTENING


def test_a_typed_line_goes_to_the_brain_and_into_the_chat() -> None:
    talk = talking()
    assert talk.do(TextSubmitted("t1", "  hello  ")) == (
        SendText("t1", "hello"),
        ArmTimer(AnswerOverdue(), ANSWER_PATIENCE_S),
        SetMood(AgentState.THINKING),
    )
    line = talk.line("t1")
    assert (line.role, line.text, line.is_final) == (Role.USER, "hello", True)
    assert line.at_wall_s == pytest.approx(WALL_S + talk.at_s - talk.state.started_at_s)


@pytest.mark.parametrize("text", ["", "   ", "\n\t"])
def test_an_empty_line_is_refused(text: str) -> None:
    talk = talking()
    before = talk.state
    assert talk.do(TextSubmitted("t1", text)) == ()
    assert talk.state is before


def test_a_typed_line_is_sent_once() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hello"))
    assert talk.do(TextSubmitted("t1", "hello")) == ()


def test_a_typed_line_interrupts_the_answer() -> None:
    talk = speaking()
    assert talk.do(TextSubmitted("t1", "stop that")) == (
        CancelResponse("r1"),
        StopSpeaking("r1"),
        SendText("t1", "stop that"),
        ArmTimer(AnswerOverdue(), ANSWER_PATIENCE_S),
        SetMood(AgentState.THINKING),
    )


def test_a_second_line_typed_while_kai_thinks_takes_the_place_of_the_first_answer() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "one"), ResponseCreated("r1"))
    commands = talk.do(TextSubmitted("t2", "two"))
    assert commands[:3] == (CancelResponse("r1"), StopSpeaking("r1"), SendText("t2", "two"))
    talk.do(ResponseDone("r1", "cancelled"), *whole_answer("r2", "Two."))
    assert talk.lines == ["one", "two", "Two."]
    assert talk.state.agent is AgentState.LISTENING


def test_lines_typed_before_the_brain_is_up_wait_for_it_in_order() -> None:
    talk = started()
    assert talk.do(TextSubmitted("t1", "one"), TextSubmitted("t2", "two")) == ()
    assert talk.lines == ["one", "two"]
    assert talk.do(LegConnected(BRAIN)) == (
        SetMuted(False),
        SendText("t1", "one"),
        SendText("t2", "two"),
        ArmTimer(AnswerOverdue(), ANSWER_PATIENCE_S),
        SetMood(AgentState.THINKING),
    )
    assert talk.state.pending_text == ()


def test_a_line_that_waits_for_the_brain_is_not_cleared_from_the_chat() -> None:
    talk = started()
    talk.do(TextSubmitted("t1", "one"), MessagesCleared())
    assert talk.lines == ["one"]


def test_a_fresh_brain_is_told_what_was_said_and_asked_what_was_not_answered() -> None:
    talk = talking()
    talk.do(
        TextSubmitted("t1", "one"), *whole_answer("r1", "First."), lost(BRAIN), TextSubmitted("t2", "two")
    )
    assert talk.do(TimerFired(RetryDue(BRAIN)), LegConnected(BRAIN))[:4] == (
        OpenLeg(BRAIN, 1),
        SetMuted(False),
        SeedHistory((("user", "one"), ("assistant", "First."))),
        SendText("t2", "two"),
    )


def test_a_fresh_brain_is_not_told_our_own_notices() -> None:
    notice = Message("n1", Role.NOTICE, "Local face.", WALL_S, is_final=True)
    talk = Talk(SessionState(phase=Phase.ACTIVE, brain=Leg(LegStatus.CONNECTING, 1), messages=(notice,)))
    assert not any(isinstance(c, SeedHistory) for c in talk.do(LegConnected(BRAIN)))


def test_a_spoken_turn_goes_from_listening_to_thinking_to_speaking_and_back() -> None:
    talk = talking()
    seen = []
    for event in (
        UserSpeechStarted("u1"),
        UserSpeechStopped("u1"),
        UserTranscriptChanged("u1", "hi Kai", is_final=True),
        ResponseCreated("r1"),
        kai_says("r1", "i1", "Hello."),
        AudioStarted("r1"),
        PlayoutStarted("r1"),
        ResponseDone("r1", "completed"),
        AudioStopped("r1"),
        PlayoutFinished("r1"),
    ):
        talk.do(event)
        if not seen or seen[-1] is not talk.state.agent:
            seen.append(talk.state.agent)
    assert seen == [AgentState.LISTENING, AgentState.THINKING, AgentState.SPEAKING, AgentState.LISTENING]
    assert [(m.role, m.text) for m in talk.state.messages] == [
        (Role.USER, "hi Kai"),
        (Role.ASSISTANT, "Hello."),
    ]


def test_the_persons_line_stands_where_they_began_to_speak() -> None:
    talk = talking()
    talk.do(
        UserSpeechStarted("u1"), UserSpeechStopped("u1"), ResponseCreated("r1"), kai_says("r1", "i1", "Six.")
    )
    talk.do(UserTranscriptChanged("u1", "two times three", is_final=True))
    assert talk.lines == ["two times three", "Six."]


def test_a_transcript_grows_until_it_is_final() -> None:
    talk = talking()
    talk.do(UserSpeechStarted("u1"), UserTranscriptChanged("u1", "two", is_final=False))
    assert (talk.line("u1").text, talk.line("u1").is_final) == ("two", False)
    assert talk.do(UserTranscriptChanged("u1", "two times", is_final=True)) == (
        CancelTimer(TranscriptOverdue("u1")),
    )
    talk.do(UserTranscriptChanged("u1", "late words", is_final=False), UserSpeechStarted("u1"))
    assert (talk.line("u1").text, talk.line("u1").is_final) == ("two times", True)


def test_a_transcript_of_an_unknown_line_makes_the_line() -> None:
    talk = talking()
    talk.do(UserTranscriptChanged("u1", "hello", is_final=True))
    assert talk.lines == ["hello"]


def test_a_cough_leaves_no_line_and_no_thinking() -> None:
    talk = talking()
    talk.do(
        UserSpeechStarted("u1"), UserTranscriptChanged("u1", "uh", is_final=False), UserSpeechStopped("u1")
    )
    assert talk.state.agent is AgentState.THINKING
    talk.do(UserTranscriptChanged("u1", " ", is_final=True))
    assert talk.lines == []
    assert talk.state.agent is AgentState.LISTENING


def test_a_cough_over_an_answer_cuts_it_and_kai_listens() -> None:
    talk = speaking()
    talk.do(UserSpeechStarted("u1"), ResponseDone("r1", "cancelled"), AudioCleared("r1"))
    talk.do(UserSpeechStopped("u1"), UserTranscriptChanged("u1", "", is_final=True))
    assert [m.id for m in talk.state.messages] == ["r1-item"]
    assert talk.state.agent is AgentState.LISTENING


def test_words_that_never_come_end_their_line() -> None:
    talk = talking()
    talk.do(UserSpeechStarted("u1"), UserTranscriptChanged("u1", "half a", is_final=False))
    assert ArmTimer(TranscriptOverdue("u1"), TRANSCRIPT_PATIENCE_S) in talk.do(UserSpeechStopped("u1"))
    talk.do(UserSpeechStarted("u2"), UserSpeechStopped("u2"))
    talk.do(
        TimerFired(TranscriptOverdue("u1")),
        TimerFired(TranscriptOverdue("u2")),
        TimerFired(TranscriptOverdue("u3")),
    )
    assert [(m.text, m.is_final) for m in talk.state.messages] == [("half a", True)]


def test_an_answer_that_never_comes_is_told() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hello"), TimerFired(AnswerOverdue()))
    assert talk.state.agent is AgentState.LISTENING
    assert talk.state.problem is not None
    assert talk.state.problem.code == "no-answer"


def test_an_answer_that_has_begun_is_not_waited_for() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hello"), ResponseCreated("r1"), TimerFired(AnswerOverdue()))
    assert talk.state.problem is None


def test_an_answer_that_was_begun_before_the_end_of_speech_was_told_is_the_answer() -> None:
    talk = talking()
    talk.do(UserSpeechStarted("u1"), ResponseCreated("r1"), UserSpeechStopped("u1"))
    talk.do(*whole_answer("r1", "Yes."))
    assert talk.state.agent is AgentState.LISTENING


def test_an_answer_of_several_items_has_a_line_each() -> None:
    talk = talking()
    talk.do(
        ResponseCreated("r1"),
        kai_says("r1", "i1", "Let me", is_final=False),
        kai_says("r1", "i1", "Let me see."),
        kai_says("r1", "i2", "It is", is_final=False),
    )
    assert [(m.id, m.text, m.is_final, m.response_id) for m in talk.state.messages] == [
        ("i1", "Let me see.", True, "r1"),
        ("i2", "It is", False, "r1"),
    ]
    talk.do(ResponseDone("r1", "completed"))
    assert talk.line("i2").is_final


def test_a_final_line_of_kai_does_not_shrink_to_a_late_part_of_it() -> None:
    talk = speaking()
    talk.do(kai_says("r1", "r1-item", "I am Kai."), kai_says("r1", "r1-item", "I am", is_final=False))
    assert talk.lines == ["I am Kai."]


def test_an_answer_that_is_done_before_its_sound_begins_is_spoken_all_the_same() -> None:
    talk = talking()
    talk.do(ResponseCreated("r1"), ResponseDone("r1", "completed"), AudioStarted("r1"))
    assert talk.state.agent is AgentState.THINKING
    talk.do(PlayoutStarted("r1"))
    assert talk.state.agent is AgentState.SPEAKING
    talk.do(AudioStopped("r1"), PlayoutFinished("r1"))
    assert talk.state.agent is AgentState.LISTENING


def test_a_short_answer_that_the_face_has_not_begun_can_still_be_interrupted() -> None:
    talk = talking()
    talk.do(ResponseCreated("r1"), AudioStarted("r1"), ResponseDone("r1", "completed"), AudioStopped("r1"))
    assert talk.state.can_interrupt
    assert talk.do(InterruptRequested()) == (StopSpeaking("r1"), SetMood(AgentState.LISTENING))


def test_an_answer_that_nobody_plays_is_over_after_a_while() -> None:
    talk = talking()
    commands = talk.do(
        ResponseCreated("r1"), AudioStarted("r1"), ResponseDone("r1", "completed"), AudioStopped("r1")
    )
    assert ArmTimer(PlayoutOverdue("r1"), PLAYOUT_PATIENCE_S) in commands
    talk.do(TimerFired(PlayoutOverdue("r1")))
    assert talk.state.agent is AgentState.LISTENING


def test_an_answer_that_waits_behind_a_sounding_one_is_waited_for() -> None:
    talk = saying_last_words("r1")
    talk.do(ResponseCreated("r2"), AudioStarted("r2"), ResponseDone("r2", "completed"), AudioStopped("r2"))
    assert talk.do(TimerFired(PlayoutOverdue("r2"))) == (ArmTimer(PlayoutOverdue("r2"), PLAYOUT_PATIENCE_S),)
    talk.do(PlayoutFinished("r1"), PlayoutStarted("r2"))
    assert talk.state.agent is AgentState.SPEAKING


def test_a_playing_answer_is_not_overdue() -> None:
    talk = saying_last_words()
    assert talk.do(TimerFired(PlayoutOverdue("r1"))) == ()
    assert talk.state.agent is AgentState.SPEAKING


def test_the_next_answer_begins_while_the_last_words_of_the_one_before_are_heard() -> None:
    talk = saying_last_words("r1")
    talk.do(ResponseCreated("r2"))
    assert talk.state.agent is AgentState.SPEAKING
    talk.do(PlayoutFinished("r1"))
    assert talk.state.agent is AgentState.THINKING
    talk.do(AudioStarted("r2"), PlayoutStarted("r2"))
    assert talk.state.agent is AgentState.SPEAKING
    assert talk.state.response is not None
    assert talk.state.response.id == "r2"


def test_an_answer_whose_end_was_never_told_ends_with_the_next_one() -> None:
    talk = speaking("r1")
    talk.do(*whole_answer("r2", "Two."))
    assert talk.state.live_answers == ()
    assert talk.state.agent is AgentState.LISTENING


def test_an_answer_that_the_face_left_out_ends_when_the_next_is_heard() -> None:
    talk = talking()
    for response_id in ("r1", "r2"):
        talk.do(ResponseCreated(response_id), AudioStarted(response_id))
        talk.do(ResponseDone(response_id, "completed"), AudioStopped(response_id))
    talk.do(PlayoutStarted("r2"), PlayoutFinished("r2"))
    assert talk.state.live_answers == ()


def test_the_end_of_a_forgotten_playout_does_not_end_the_thinking() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hello"), PlayoutFinished("r0"))
    assert talk.state.agent is AgentState.THINKING


def test_the_first_sound_of_an_answer_may_come_after_the_next_answer_was_begun() -> None:
    talk = talking()
    talk.do(ResponseCreated("r1"), AudioStarted("r1"), ResponseDone("r1", "completed"), AudioStopped("r1"))
    talk.do(ResponseCreated("r2"), PlayoutStarted("r1"), PlayoutFinished("r1"))
    assert talk.state.response is not None
    assert talk.state.response.id == "r2"
    assert talk.state.agent is AgentState.THINKING


def test_a_failed_answer_is_told_in_its_own_words_or_ours() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hi"), ResponseCreated("r1"), ResponseDone("r1", "failed", "No credit left."))
    assert talk.state.problem == Problem("response-failed", "No credit left.")
    assert talk.state.agent is AgentState.LISTENING
    talk.do(TextSubmitted("t2", "hi"), ResponseDone("r2", "failed"))
    assert talk.state.problem is not None
    assert "Ask again" in problems.words(talk.state.problem)
    assert talk.state.agent is AgentState.LISTENING


def test_an_answer_without_sound_is_over_when_it_is_done() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hi"), ResponseCreated("r1"), ResponseDone("r1", "incomplete"))
    assert talk.state.live_answers == ()
    assert talk.state.agent is AgentState.LISTENING


def test_interrupt_by_button_cancels_and_silences() -> None:
    talk = speaking()
    assert talk.do(InterruptRequested()) == (
        CancelResponse("r1"),
        StopSpeaking("r1"),
        SetMood(AgentState.LISTENING),
    )
    assert talk.state.cancelled == ("r1",)
    assert talk.line("r1-item").is_interrupted
    assert not talk.state.can_interrupt


def test_interrupt_without_an_answer_changes_nothing() -> None:
    talk = talking()
    before = talk.state
    assert talk.do(InterruptRequested()) == ()
    assert talk.state is before


def test_interrupt_silences_the_last_words_and_cancels_the_answer_that_is_being_made() -> None:
    talk = saying_last_words("r1")
    talk.do(ResponseCreated("r2"))
    assert talk.do(InterruptRequested())[:3] == (CancelResponse("r2"), StopSpeaking("r1"), StopSpeaking("r2"))


def test_interrupt_of_last_words_has_nothing_to_cancel_at_the_brain() -> None:
    talk = saying_last_words()
    assert talk.do(InterruptRequested()) == (StopSpeaking("r1"), SetMood(AgentState.LISTENING))


@pytest.mark.parametrize(
    "said_by_brain",
    [
        (ResponseDone("r1", "cancelled"), AudioCleared("r1")),
        (AudioCleared("r1"), ResponseDone("r1", "cancelled")),
        (ResponseDone("r1", "completed"), AudioCleared("r1")),
        (AudioCleared("r1"), AudioCleared("r1")),
    ],
)
def test_barge_in_silences_once_in_whatever_order_the_brain_tells_it(
    said_by_brain: tuple[Event, ...],
) -> None:
    talk = speaking()
    commands = talk.do(UserSpeechStarted("u1"), *said_by_brain)
    assert [c for c in commands if isinstance(c, StopSpeaking)] == [StopSpeaking("r1")]
    assert not any(isinstance(c, CancelResponse) for c in commands)
    assert talk.line("r1-item").is_interrupted
    assert talk.state.agent is AgentState.LISTENING


def test_speech_over_an_answer_that_the_brain_still_has_leaves_the_choice_to_the_brain() -> None:
    talk = speaking()
    assert talk.do(UserSpeechStarted("u1")) == ()
    assert talk.state.agent is AgentState.SPEAKING


def test_speech_over_the_last_words_silences_them_for_the_brain_has_nothing_left_to_clear() -> None:
    talk = saying_last_words()
    assert talk.do(UserSpeechStarted("u1")) == (StopSpeaking("r1"), SetMood(AgentState.LISTENING))
    assert talk.line("r1-item").is_interrupted
    assert talk.state.is_user_speaking


def test_speech_after_an_answer_was_heard_to_its_end_interrupts_nothing() -> None:
    talk = talking()
    talk.do(*whole_answer("r1", "Yes."))
    assert talk.do(UserSpeechStarted("u1"), AudioCleared("r1")) == ()
    assert not talk.line("r1-item").is_interrupted


def test_late_events_of_an_interrupted_answer_change_nothing() -> None:
    talk = speaking()
    talk.do(InterruptRequested())
    before = talk.state
    assert talk.do(*whole_answer("r1", "I am Kai, and more."), AudioCleared("r1")) == ()
    assert talk.state == before


def test_only_the_last_interrupted_answers_are_remembered() -> None:
    talk = talking()
    for n in range(CANCELLED_KEPT + 3):
        talk.do(ResponseCreated(f"r{n}"), InterruptRequested())
    assert talk.state.cancelled == tuple(f"r{n}" for n in range(3, CANCELLED_KEPT + 3))


def test_an_interrupted_line_keeps_the_words_that_were_heard() -> None:
    talk = talking()
    talk.do(*whole_answer("r0", "Hello."), ResponseCreated("r1"), AudioStarted("r1"), PlayoutStarted("r1"))
    talk.do(kai_says("r1", "i1", "one two three four"))
    talk.do(InterruptRequested(), PlayoutInterrupted("r1", 700, "one two"))
    assert [(m.text, m.is_interrupted) for m in talk.state.messages] == [("Hello.", False), ("one two", True)]


def test_heard_words_run_over_the_answers_lines() -> None:
    talk = talking()
    talk.do(ResponseCreated("r1"), AudioStarted("r1"), PlayoutStarted("r1"))
    talk.do(
        kai_says("r1", "i1", "Let  me see."), kai_says("r1", "i2", "It is six."), kai_says("r1", "i3", "Bye.")
    )
    talk.do(InterruptRequested(), PlayoutInterrupted("r1", 900, "Let me see. It is"))
    assert [(m.text, m.is_interrupted) for m in talk.state.messages] == [
        ("Let  me see.", False),
        ("It is", True),
    ]


@pytest.mark.parametrize("unheard", [PlayoutInterrupted("r1", 0, ""), PlayoutInterrupted("r1", 0, None)])
def test_a_line_of_which_nothing_was_heard_is_dropped(unheard: PlayoutInterrupted) -> None:
    talk = speaking()
    talk.do(InterruptRequested(), unheard)
    assert talk.lines == []


def test_an_interrupted_line_stays_whole_where_the_heard_words_are_not_known() -> None:
    talk = speaking(text="one two three")
    talk.do(InterruptRequested(), PlayoutInterrupted("r1", 400, None))
    assert talk.lines == ["one two three"]
    assert talk.line("r1-item").is_interrupted


def test_a_playout_that_was_cut_without_our_asking_is_over() -> None:
    talk = saying_last_words()
    talk.do(PlayoutInterrupted("r1", 500, "I am"))
    assert talk.state.agent is AgentState.LISTENING
    assert talk.lines == ["I am"]


def test_a_brain_lost_in_mid_answer_ends_the_answer_and_keeps_what_was_heard() -> None:
    talk = speaking(text="one two three")
    assert talk.do(lost(BRAIN)) == (
        CloseLeg(BRAIN),
        StopSpeaking("r1"),
        ArmTimer(RetryDue(BRAIN), 0.0),
        SetMood(AgentState.IDLE),
    )
    talk.do(PlayoutInterrupted("r1", 500, "one two"))
    assert talk.lines == ["one two"]
    talk.do(TimerFired(RetryDue(BRAIN)))
    assert SeedHistory((("assistant", "one two"),)) in talk.do(LegConnected(BRAIN))


def test_last_words_are_heard_to_their_end_though_the_brain_is_lost() -> None:
    talk = saying_last_words()
    assert talk.do(lost(BRAIN)) == (CloseLeg(BRAIN), ArmTimer(RetryDue(BRAIN), 0.0))
    assert talk.state.agent is AgentState.SPEAKING
    talk.do(PlayoutFinished("r1"))
    assert talk.state.agent is AgentState.IDLE
    assert not talk.line("r1-item").is_interrupted


def test_a_question_that_the_lost_brain_had_not_answered_is_put_to_the_next() -> None:
    talk = talking()
    talk.do(*whole_answer("r0", "Hello."), UserSpeechStarted("u1"), UserSpeechStopped("u1"))
    talk.do(UserTranscriptChanged("u1", "what time is it", is_final=True), ResponseCreated("r1"), lost(BRAIN))
    commands = talk.do(TimerFired(RetryDue(BRAIN)), LegConnected(BRAIN))
    assert SeedHistory((("assistant", "Hello."),)) in commands
    assert SendText("u1", "what time is it") in commands
    assert talk.state.agent is AgentState.THINKING
    assert talk.lines == ["Hello.", "what time is it"]


def test_a_question_whose_answer_was_refused_is_not_put_again() -> None:
    talk = talking()
    talk.do(TextSubmitted("t1", "hello"), ResponseCreated("r1"), InterruptRequested(), lost(BRAIN))
    commands = talk.do(TimerFired(RetryDue(BRAIN)), LegConnected(BRAIN))
    assert not any(isinstance(c, SendText) for c in commands)


def test_what_a_lost_brain_still_says_changes_nothing() -> None:
    talk = talking()
    talk.do(lost(BRAIN))
    before = talk.state
    late = (
        UserSpeechStarted("u1"),
        UserSpeechStopped("u1"),
        UserTranscriptChanged("u1", "late", is_final=True),
        ResponseCreated("r9"),
        kai_says("r9", "i9", "Late."),
        AudioStarted("r9"),
        AudioStopped("r9"),
        AudioCleared("r9"),
        ResponseDone("r9", "failed"),
        BrainComplained("late", "Late."),
    )
    assert talk.do(*late) == ()
    assert talk.state == before


def test_a_person_who_spoke_when_the_brain_was_lost_is_not_speaking_for_ever() -> None:
    talk = talking()
    talk.do(UserSpeechStarted("u1"), lost(BRAIN))
    assert not talk.state.is_user_speaking
    assert talk.lines == []


def test_clear_takes_finished_lines_and_leaves_the_one_that_grows() -> None:
    talk = talking()
    talk.do(*whole_answer("r1", "Old."), ResponseCreated("r2"), kai_says("r2", "i2", "New", is_final=False))
    talk.do(MessagesCleared())
    assert talk.lines == ["New"]


def test_the_mood_is_told_only_when_it_changes() -> None:
    talk = talking()
    commands = talk.do(
        UserSpeechStarted("u1"),
        UserSpeechStopped("u1"),
        ResponseCreated("r1"),
        AudioStarted("r1"),
        PlayoutStarted("r1"),
        ResponseDone("r1", "completed"),
        AudioStopped("r1"),
        PlayoutFinished("r1"),
    )
    assert [c.mood for c in commands if isinstance(c, SetMood)] == [
        AgentState.THINKING,
        AgentState.SPEAKING,
        AgentState.LISTENING,
    ]


def test_the_persons_time_zone_outlives_a_start_and_a_reset() -> None:
    talk = Talk()
    talk.do(TimeZoneTold("Asia/Tokyo"), START)
    assert talk.state.time_zone == "Asia/Tokyo"
    talk.do(StopRequested(), TimeZoneTold("Europe/Berlin"), ResetRequested())
    assert talk.state.phase is Phase.IDLE
    assert talk.state.time_zone == "Europe/Berlin"
