"""What the page shows in every state."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import cast

import pytest

from kai.core.events import (
    BrowserLeft,
    CloudFailed,
    Event,
    InterruptRequested,
    LegConnected,
    LegFailed,
    MicrophoneChanged,
    MuteToggled,
    RecordingWished,
    RetryRequested,
    StartRequested,
    StopRequested,
    TextSubmitted,
    TimerFired,
    TurnKeyPressed,
    UserSpeechStarted,
    UserSpeechStopped,
    UserTranscriptChanged,
)
from kai.core.state import LegName, Look, Microphone, Role, SessionState, Why
from kai.core.timers import AnswerOverdue, PageOverdue, RetryDue
from kai.ui import problems, texts
from kai.ui.view import (
    NO_NETWORK,
    elapsed_s,
    has_media,
    lines,
    next_mount,
    structure,
    view,
    wants_sound_in_page,
)
from tests.support.talk import Talk, speaking, started, talking

OPEN = MicrophoneChanged(Microphone.OPEN)


def listening() -> Talk:
    talk = talking()
    talk.do(OPEN)
    return talk


def status(state: SessionState) -> tuple[str, str]:
    shown = view(state, 0.0)["status"]
    assert isinstance(shown, dict)
    return shown["word"], shown["shape"]


def control(state: SessionState, name: str) -> tuple[bool, str]:
    controls = view(state, 0.0)["controls"]
    assert isinstance(controls, dict)
    return controls[name]["isEnabled"], controls[name]["reason"]


def banner(state: SessionState) -> dict[str, str] | None:
    shown = view(state, 0.0)["banner"]
    assert shown is None or isinstance(shown, dict)
    return shown


# ------------------------------------------------------------------ Kai's state in words


def test_the_light_and_its_button_say_whether_sound_is_kept() -> None:
    talk = talking()
    assert control(talk.state, "record") == (True, "")
    before = view(talk.state, 0.0)
    talk.do(RecordingWished(True))
    shown = view(talk.state, 0.0)
    assert (before["isRecording"], shown["isRecording"]) == (False, True)
    controls = [dict(v["controls"])["record"] for v in (before, shown)]  # pyright: ignore
    # A switch keeps its name: what changes is whether it is on.
    assert [(c["label"], c["isOn"]) for c in controls] == [(texts.RECORD, False), (texts.RECORD, True)]
    talk.do(StopRequested())
    assert control(talk.state, "record") == (False, texts.TALK_IS_OVER)


def test_each_state_has_its_word_and_its_shape() -> None:
    assert status(listening().state) == (texts.LISTENING, "listening")
    talk = speaking()
    talk.do(OPEN)
    assert status(talk.state) == (texts.SPEAKING, "speaking")
    talk = listening()
    talk.do(UserSpeechStarted("u1"), UserSpeechStopped("u1"))
    assert status(talk.state) == (texts.THINKING, "thinking")
    talk = listening()
    talk.do(MuteToggled(True))
    assert status(talk.state) == (texts.MUTED, "muted")
    talk.do(StopRequested())
    assert status(talk.state) == (texts.ENDED, "ended")
    assert status(SessionState())[0] == texts.OFF


def test_a_start_names_its_steps_one_after_the_other() -> None:
    talk = started()
    assert status(talk.state) == (texts.WAKING, "waking")
    talk.do(LegConnected(LegName.FACE), LegConnected(LegName.BRAIN))
    assert status(talk.state)[0] == texts.OPENING_MICROPHONE
    talk.do(OPEN)
    assert status(talk.state)[0] == texts.CONNECTING_PICTURE
    steps = view(talk.state, 0.0)["steps"]
    assert isinstance(steps, list)
    assert [step["state"] for step in steps] == ["done", "done", "now", "waiting"]
    talk.do(LegConnected(LegName.BROWSER))
    assert status(talk.state)[0] == texts.LISTENING
    assert view(talk.state, 0.0)["steps"] == []


@pytest.mark.parametrize("microphone", [Microphone.REFUSED, Microphone.MISSING])
def test_without_a_microphone_one_types_and_still_sees_kai(microphone: Microphone) -> None:
    talk = talking()
    talk.do(MicrophoneChanged(microphone))
    assert status(talk.state) == (texts.TYPING_ONLY, "typing")
    assert has_media(talk.state)
    shown = banner(talk.state)
    assert shown is not None
    assert shown["button"] == texts.TRY_AGAIN
    assert "type below" in shown["message"]


@pytest.mark.parametrize("before", [(), (TurnKeyPressed(),)])
def test_a_microphone_that_the_system_muted_is_never_shown_as_open(before: tuple[Event, ...]) -> None:
    talk = listening()
    talk.do(*before, MicrophoneChanged(Microphone.SILENCED))
    assert status(talk.state) == (texts.SILENCED, "muted")
    shown = banner(talk.state)
    assert shown is not None
    assert (shown["message"], shown["button"]) == (texts.MICROPHONE_SILENCED, "")
    rows = {row["name"]: row for row in cast("list[dict[str, object]]", view(talk.state, 0.0)["legs"])}
    assert (rows["microphone"]["word"], rows["microphone"]["tone"]) == ("muted by the system", "warn")
    talk.do(MicrophoneChanged(Microphone.OPEN))
    assert banner(talk.state) is None


def test_a_lost_brain_is_called_again_and_the_words_say_so_until_kai_has_given_up() -> None:
    talk = listening()
    lost, due = LegFailed(LegName.BRAIN, "lost", "Kai lost its voice."), TimerFired(RetryDue(LegName.BRAIN))
    for _ in range(3):
        talk.do(lost)
        assert status(talk.state) == (texts.RECONNECTING, "waking")
        shown = banner(talk.state)
        assert shown is not None
        assert (shown["message"], shown["button"]) == (f"Kai lost its voice. {problems.CALLING_AGAIN}", "")
        talk.do(due, LegConnected(LegName.BRAIN))
        assert banner(talk.state) is None
    talk.do(lost)
    assert status(talk.state) == (texts.OFF, "ended")
    shown = banner(talk.state)
    assert shown is not None
    assert (shown["message"], shown["wish"]) == (f"Kai lost its voice. {problems.GAVE_UP}", "retry")


def test_a_brain_that_cannot_be_had_offers_another_try_of_that_leg() -> None:
    talk = started()
    talk.do(LegFailed(LegName.BRAIN, "refused", "The key is not accepted.", is_retryable=False))
    assert status(talk.state) == (texts.OFF, "ended")
    assert view(talk.state, 0.0)["steps"] == []
    shown = banner(talk.state)
    assert shown is not None
    assert (shown["tone"], shown["wish"], shown["leg"]) == ("stopped", "retry", "brain")


def test_with_no_network_interface_answers_sound_in_the_page() -> None:
    talk = listening()
    assert not wants_sound_in_page(talk.state)
    talk.do(LegFailed(LegName.BROWSER, NO_NETWORK, texts.NO_NETWORK, is_retryable=False))
    assert wants_sound_in_page(talk.state)
    assert status(talk.state) == (texts.TYPING_ONLY, "typing")
    shown = banner(talk.state)
    assert shown is not None
    assert shown["message"].startswith("Turn on Wi-Fi; no internet is needed")
    assert control(talk.state, "mute") == (False, texts.NO_MICROPHONE_TO_MUTE)


# ------------------------------------------------------------------ controls


def test_controls_can_be_used_when_they_do_something_and_say_why_when_not() -> None:
    talk = listening()
    assert control(talk.state, "mute") == (True, "")
    assert control(talk.state, "interrupt") == (False, texts.NOTHING_TO_INTERRUPT)
    assert control(talk.state, "stop") == (True, "")
    assert control(talk.state, "clear") == (False, texts.NOTHING_TO_CLEAR)
    talk = speaking()
    talk.do(OPEN)
    assert control(talk.state, "interrupt") == (True, "")
    talk.do(InterruptRequested())
    assert control(talk.state, "interrupt") == (False, texts.NOTHING_TO_INTERRUPT)
    assert control(talk.state, "clear") == (True, "")
    assert control(started().state, "interrupt") == (False, texts.NOT_READY_YET)
    talk.do(StopRequested())
    for name in ("mute", "interrupt", "stop", "send"):
        assert control(talk.state, name) == (False, texts.TALK_IS_OVER)


def test_a_muted_talk_can_always_be_unmuted() -> None:
    talk = listening()
    talk.do(MuteToggled(True), MicrophoneChanged(Microphone.MISSING))
    assert control(talk.state, "mute") == (True, "")


# ------------------------------------------------------------------ caption and chat


def caption(state: SessionState) -> tuple[str, str, str]:
    shown = view(state, 0.0)["caption"]
    assert isinstance(shown, dict)
    return shown["role"], shown["text"], shown["pace"]


def test_the_caption_follows_who_is_speaking() -> None:
    talk = listening()
    assert caption(talk.state) == ("hint", texts.CAPTION_HINT, "over")
    talk.do(UserSpeechStarted("u1"), UserTranscriptChanged("u1", "What is", False))
    assert caption(talk.state) == ("user", "What is", "over")
    talk = speaking(text="I am Kai.")
    assert caption(talk.state) == ("assistant", "I am Kai.", "playing")
    talk.do(InterruptRequested())
    assert caption(talk.state) == ("assistant", "I am Kai.", "cut")


def test_a_caption_rests_only_while_kai_listens_and_nobody_speaks() -> None:
    def is_resting(state: SessionState) -> bool:
        shown = view(state, 0.0)["caption"]
        assert isinstance(shown, dict)
        return bool(shown["isResting"])

    talk = listening()
    assert not is_resting(talk.state)
    talk.do(UserSpeechStarted("u1"), UserTranscriptChanged("u1", "What is", False))
    assert not is_resting(talk.state)
    talk = speaking(text="I am Kai.")
    assert not is_resting(talk.state)
    talk.do(InterruptRequested())
    assert is_resting(talk.state)
    talk.do(UserSpeechStarted("u2"))
    assert not is_resting(talk.state)


def test_lines_without_words_are_not_shown() -> None:
    talk = listening()
    talk.do(UserSpeechStarted("u1"))
    assert lines(talk.state.messages) == []
    talk.do(UserTranscriptChanged("u1", "Hello", True))
    (line,) = lines(talk.state.messages)
    assert (line["role"], line["who"], line["text"], line["isFinal"]) == (Role.USER, texts.YOU, "Hello", True)


def test_what_the_avatars_service_said_itself_stands_under_details() -> None:
    talk = Talk(SessionState(cloud_limit_s=600.0))
    talk.do(StartRequested(0.0, Look()), LegConnected(LegName.FACE), LegConnected(LegName.BROWSER))
    talk.do(
        CloudFailed("avatar-plan-lacks", "The plan does not allow this.", False, detail="Upgrade for 1080p")
    )
    banner = cast("dict[str, str]", view(talk.state, 0.0)["banner"])
    assert (banner["message"], banner["detailLabel"]) == ("The plan does not allow this.", texts.DETAILS)
    assert banner["detail"] == "Upgrade for 1080p"


def test_a_view_is_json_and_holds_neither_instructions_nor_ids_of_a_provider() -> None:
    talk = speaking()
    talk.state = replace(talk.state, look=Look(instructions="a secret manner"))
    words = json.dumps(view(talk.state, 1.0))
    assert "a secret manner" not in words


# ------------------------------------------------------------------ time


def test_elapsed_time_runs_while_the_talk_does() -> None:
    talk = listening()
    begun_s = talk.state.started_at_s
    assert elapsed_s(talk.state, begun_s + 75) == pytest.approx(75)
    talk.at_s = begun_s + 90
    talk.do(StopRequested())
    assert elapsed_s(talk.state, begun_s + 1000) == pytest.approx(90, abs=0.1)
    assert elapsed_s(SessionState(), 5.0) == 0


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (59.6, "1 min 0 s"), (192, "3 min 12 s"), (3700, "1 h 1 min")]
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert texts.duration(seconds) == words


# ------------------------------------------------------------------ the media component


def test_the_component_stays_while_its_leg_is_up_and_over_the_first_loss() -> None:
    talk = started()
    mount = next_mount(talk.state, None, 1)
    assert mount is not None
    talk.do(OPEN, LegConnected(LegName.BROWSER))
    kept = next_mount(talk.state, mount, 2)
    assert kept == mount
    talk.do(BrowserLeft())
    assert next_mount(talk.state, kept, 2) == mount


def test_each_retry_of_the_browser_leg_mounts_a_fresh_component() -> None:
    talk = started()
    talk.do(OPEN)
    mount = next_mount(talk.state, None, 1)
    serials = []
    for _ in range(2):
        talk.do(TimerFired(PageOverdue()))
        assert next_mount(talk.state, mount, 9) == mount
        talk.do(TimerFired(RetryDue(LegName.BROWSER)))
        mount = next_mount(talk.state, mount, len(serials) + 2)
        assert mount is not None
        serials.append(mount.serial)
    assert serials == [2, 3]
    talk.do(TimerFired(PageOverdue()))
    assert next_mount(talk.state, mount, 4) is None
    talk.do(RetryRequested(LegName.BROWSER))
    again = next_mount(talk.state, None, 4)
    assert again is not None
    assert again.serial == 4


NO_MICROPHONE = (Microphone.REFUSED, Microphone.MISSING)


@pytest.mark.parametrize("microphone", NO_MICROPHONE)
def test_without_a_microphone_a_page_that_connects_only_receives(microphone: Microphone) -> None:
    talk = started()
    talk.do(LegConnected(LegName.FACE), LegConnected(LegName.BRAIN))
    mount = next_mount(talk.state, None, 1)
    talk.do(MicrophoneChanged(microphone))
    down = next_mount(talk.state, mount, 2)
    assert down is not None
    assert (down.serial, down.is_receive_only) == (2, True)
    talk.do(LegConnected(LegName.BROWSER), MicrophoneChanged(Microphone.OPEN))
    both = next_mount(talk.state, down, 3)
    assert both is not None
    assert (both.serial, both.is_receive_only) == (3, False)


@pytest.mark.parametrize("lost", [*NO_MICROPHONE, Microphone.SILENCED])
def test_a_connected_page_keeps_its_component_when_its_microphone_goes_and_comes(lost: Microphone) -> None:
    talk = listening()
    mount = next_mount(talk.state, None, 1)
    for microphone in (lost, Microphone.OPEN):
        talk.do(MicrophoneChanged(microphone))
        assert next_mount(talk.state, mount, 2) == mount


def test_a_page_that_connects_again_without_a_microphone_only_receives() -> None:
    talk = listening()
    mount = next_mount(talk.state, None, 1)
    talk.do(MicrophoneChanged(Microphone.MISSING), BrowserLeft())
    down = next_mount(talk.state, mount, 2)
    assert down is not None
    assert (down.serial, down.is_receive_only) == (2, True)


def test_the_page_is_built_anew_only_when_its_structure_changes() -> None:
    talk = listening()
    before = structure(talk.state)
    talk.do(UserSpeechStarted("u1"), UserTranscriptChanged("u1", "Hello", True), MuteToggled(True))
    assert structure(talk.state) == before
    talk.do(MicrophoneChanged(Microphone.MISSING))
    assert structure(talk.state) != before
    talk.do(StopRequested())
    assert structure(talk.state) == "closed"


def test_what_the_machine_tells_by_a_code_alone_has_words() -> None:
    assert set(Why) - {Why.PLAN} <= problems.WORDS.keys()
    talk = talking()
    talk.do(TextSubmitted("t1", "Hello"), TimerFired(AnswerOverdue()))
    assert talk.state.problem is not None
    shown = banner(talk.state)
    assert shown is not None
    assert shown["message"] == problems.WORDS["no-answer"]
