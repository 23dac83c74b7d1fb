"""What stands beside the picture: voice, face, connection, time, cost, limits, the card, and changes that wait."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from kai.core import events as ev
from kai.core.config import BrainConfig, TurnTaking
from kai.core.state import (
    BrainFacts,
    Card,
    HandOver,
    LegName,
    Look,
    Microphone,
    RateLimit,
    SessionState,
    Tokens,
)
from kai.core.timers import HandOverDue
from kai.ui import texts
from kai.ui.facts import left_s
from kai.ui.network import Meter, Network, Quality, grade
from kai.ui.view import view, without_clocks
from tests.support.talk import Talk, lose_avatar, show_avatar, started, talking

CLOUD = BrainFacts("websocket", "gpt-realtime-2.1", 3600.0, is_billed=True)
PTT = Look(brain=BrainConfig(turn_taking=TurnTaking.PUSH_TO_TALK))


def shown(state: SessionState, at_s: float = 0.0) -> dict[str, Any]:
    return view(state, at_s)


def row(state: SessionState, name: str) -> dict[str, str]:
    (found,) = (leg for leg in shown(state)["legs"] if leg["name"] == name)
    return found


def listening(look: Look | None = None) -> Talk:
    talk = talking()
    talk.do(ev.MicrophoneChanged(Microphone.OPEN))
    if look is not None:
        talk.do(ev.LookChanged(look))
    return talk


# ------------------------------------------------------------------ which voice, which face


def test_the_voice_says_its_model_and_the_way_it_comes() -> None:
    talk = listening()
    talk.do(ev.BrainDescribed(CLOUD))
    voice = row(talk.state, "brain")
    assert (voice["word"], voice["note"], voice["tone"]) == ("gpt-realtime-2.1", "WebSocket", "live")
    talk.do(ev.BrainDescribed(BrainFacts("webrtc", "kai-local")))
    assert row(talk.state, "brain")["word"] == texts.OWN_ENGINE
    talk.do(ev.LegFailed(LegName.BRAIN, "lost", "Kai lost its voice."))
    voice = row(talk.state, "brain")
    assert (voice["word"], voice["tone"], voice["why"]) == ("reconnecting", "warn", "Kai lost its voice.")


def test_the_voice_says_which_mind_answered_last_and_how_fast() -> None:
    talk = listening()
    talk.do(ev.BrainDescribed(BrainFacts("webrtc", "kai-local")))
    talk.do(ev.ResponseCreated("r1"), ev.ResponseDone("r1", "completed", "", "small mind"))
    assert row(talk.state, "brain")["note"] == "small mind"
    talk.do(ev.ResponseCreated("r2"))
    assert row(talk.state, "brain")["note"] == "small mind"
    talk.do(ev.ResponseDone("r2", "completed", "", "Qwen2.5 1.5B", 13.44))
    assert row(talk.state, "brain")["note"] == "Qwen2.5 1.5B, 13.4 tokens a second"


def test_the_face_says_whether_it_is_an_avatar_or_stands_in_and_can_be_recalled() -> None:
    talk = listening()
    assert row(talk.state, "face")["word"] == "Kai"
    show_avatar(talk)
    assert row(talk.state, "face")["word"] == texts.FACE_CLOUD
    assert shown(talk.state)["recall"] == ""
    lose_avatar(talk)
    assert (row(talk.state, "face")["word"], row(talk.state, "face")["tone"]) == (
        texts.FACE_STANDING_IN,
        "warn",
    )
    assert shown(talk.state)["recall"] == texts.FACE_RECALL
    talk.do(ev.LookChanged(Look(face="local")))
    assert row(talk.state, "face")["word"] == "Kai"
    assert shown(talk.state)["recall"] == ""


# ------------------------------------------------------------------ time and money


def test_the_avatars_time_runs_down_until_it_goes() -> None:
    talk = listening()
    assert left_s(talk.state, talk.at_s) is None
    show_avatar(talk, limit_s=1200.0)
    talk.wait(60)
    assert left_s(talk.state, talk.at_s) == pytest.approx(1140)
    lose_avatar(talk)
    assert left_s(talk.state, talk.at_s) is None


def test_a_paid_faces_time_is_counted_until_it_goes_or_the_talk_ends() -> None:
    talk = listening()
    show_avatar(talk)
    talk.wait(60)
    lose_avatar(talk)
    talk.wait(60)
    show_avatar(talk)
    talk.wait(30)
    talk.do(ev.StopRequested())
    assert (talk.state.face_paid_s, talk.state.face_paid_from_s) == (pytest.approx(90, abs=0.1), 0.0)


def test_what_the_avatar_used_stands_beside_what_the_voice_cost() -> None:
    talk = listening()
    talk.do(ev.CreditsReported("s1", 1, 10.0))
    assert shown(talk.state)["cost"] == "1 credit"
    talk.do(ev.BrainDescribed(CLOUD), ev.CreditsReported("s2", 2, 8.0))
    assert shown(talk.state)["cost"] == "0¢ so far · 3 credits"


def test_a_brains_end_counts_only_when_it_is_near_and_no_other_is_ready() -> None:
    talk = listening()
    begun_s = talk.state.brain.up_since_s
    talk.do(ev.BrainDescribed(CLOUD))
    assert left_s(talk.state, begun_s + 3300) is None
    assert left_s(talk.state, begun_s + 3500) == pytest.approx(100)
    assert left_s(replace(talk.state, hand_over=HandOver.READY), begun_s + 3500) is None


@pytest.mark.parametrize(
    ("usd", "is_exact", "words"),
    [
        (0.0, True, "0¢ so far"),
        (0.004, True, "under 1¢ so far"),
        (0.043, True, "4¢ so far"),
        (1.2, False, "at least $1.20"),
    ],
)
def test_cost_in_words(usd: float, is_exact: bool, words: str) -> None:
    assert texts.cost_so_far(usd, is_exact=is_exact) == words


def test_only_a_voice_that_costs_money_shows_what_it_cost() -> None:
    talk = listening()
    assert shown(talk.state)["cost"] == ""
    talk.do(ev.BrainDescribed(CLOUD), ev.UsageReported(Tokens(audio_out=100), 0.02))
    assert shown(talk.state)["cost"] == "2¢ so far"
    talk.do(ev.BrainDescribed(BrainFacts("webrtc", "kai-local")))
    assert shown(talk.state)["cost"] == "2¢ so far"


def test_the_forecast_stands_beside_the_cost_by_the_hour_or_by_the_budget() -> None:
    talk = talking()
    talk.do(ev.BrainDescribed(CLOUD, talk.state.look), ev.UsageReported(Tokens(audio_out=1), 0.1))
    at_s = talk.state.started_at_s + 360
    assert shown(talk.state, at_s)["cost"] == "10¢ so far · about $1.00 an hour"
    for limit_usd, words in ((0.5, "about 24 min"), (0.12, "about a minute"), (0.11, "less than a minute")):
        talk.do(ev.LookChanged(replace(talk.state.look, budget_talk_usd=limit_usd)))
        assert shown(talk.state, at_s)["cost"] == f"10¢ so far · budget for {words}"
    talk.do(ev.LookChanged(replace(talk.state.look, budget_talk_usd=0.1)))
    assert shown(talk.state, at_s)["cost"] == "10¢ so far"
    banner = shown(talk.state, at_s)["banner"]
    assert banner is not None
    assert banner["code"] == "budget-reached"


def test_a_limit_is_told_when_it_is_near() -> None:
    talk = listening()
    talk.do(ev.RateLimitsReported((RateLimit("requests", 100, 50), RateLimit("tokens", 1000, 40))))
    assert shown(talk.state)["limits"] == ["Limit of tokens is near: 40 of 1000 left"]


def test_what_runs_by_itself_is_no_reason_to_tell_a_page() -> None:
    talk = listening()
    show_avatar(talk, limit_s=100.0)
    now, later = shown(talk.state, talk.at_s), shown(talk.state, talk.at_s + 5)
    assert now != later
    assert without_clocks(now) == without_clocks(later)


# ------------------------------------------------------------------ push to talk, card


def test_push_to_talk_shows_a_button_that_says_what_it_does() -> None:
    talk = listening(PTT)
    now = shown(talk.state)
    assert now["isPushToTalk"]
    assert now["status"]["word"] == texts.HOLD_TO_TALK
    assert now["caption"]["text"] == texts.CAPTION_HINT_HOLD
    assert (now["controls"]["hold"]["label"], now["controls"]["hold"]["isEnabled"]) == (
        texts.HOLD_TO_TALK,
        True,
    )
    talk.do(ev.TurnKeyPressed())
    now = shown(talk.state)
    assert (now["controls"]["hold"]["label"], now["controls"]["hold"]["isOn"]) == (texts.LET_GO, True)
    assert now["status"]["word"] == texts.LISTENING
    talk.wait(1)
    talk.do(ev.TurnKeyReleased())
    assert shown(talk.state)["status"]["word"] == texts.THINKING


def test_push_to_talk_needs_a_microphone_and_a_voice() -> None:
    talk = started()
    talk.do(ev.LookChanged(PTT))
    assert shown(talk.state)["controls"]["hold"]["reason"] == texts.NOT_READY_YET
    talk = listening(PTT)
    talk.do(ev.MicrophoneChanged(Microphone.MISSING))
    assert not shown(talk.state)["controls"]["hold"]["isEnabled"]


def test_a_card_is_shown_until_it_is_put_away() -> None:
    talk = listening()
    talk.do(ev.CardShown(Card("Train", "14:32")))
    assert shown(talk.state)["card"] == {"title": "Train", "text": "14:32"}
    talk.do(ev.CardDismissed())
    assert shown(talk.state)["card"] is None


# ------------------------------------------------------------------ changes that need a connection


def test_a_change_that_needs_a_connection_is_offered_in_one_press_until_it_holds() -> None:
    talk = listening()
    talk.do(ev.BrainDescribed(CLOUD, Look()))
    assert shown(talk.state)["banner"] is None
    changed = Look(voice="cedar", speed=1.2)
    talk.do(ev.LookChanged(changed))
    offer = shown(talk.state)["banner"]
    assert (offer["wish"], offer["button"], offer["later"]) == (
        "hand-over",
        texts.CHANGE_NOW,
        texts.CHANGE_LATER,
    )
    talk.do(ev.HandOverRequested())
    assert shown(talk.state)["banner"]["message"] == texts.CHANGING
    commands = talk.do(ev.SpareBrainReady())
    assert ev.SwapBrain() in commands
    talk.do(ev.BrainDescribed(CLOUD, changed))
    assert shown(talk.state)["banner"] is None


def test_a_change_that_holds_at_once_offers_nothing() -> None:
    talk = listening()
    talk.do(ev.BrainDescribed(CLOUD, Look()), ev.LookChanged(Look(speed=1.2, instructions="Be brief.")))
    assert shown(talk.state)["banner"] is None


def test_who_asked_for_a_change_hears_that_it_failed_and_a_planned_one_fails_unseen() -> None:
    talk = listening()
    talk.do(ev.BrainDescribed(CLOUD, Look()), ev.LookChanged(Look(voice="cedar")), ev.HandOverRequested())
    talk.do(ev.SpareBrainFailed("key", is_retryable=False, message="The key is not accepted."))
    assert shown(talk.state)["banner"]["message"] == "The key is not accepted."
    quiet = listening()
    quiet.do(ev.BrainDescribed(CLOUD, Look()), ev.TimerFired(HandOverDue()))
    quiet.do(ev.SpareBrainFailed("key", is_retryable=False, message="The key is not accepted."))
    assert shown(quiet.state)["banner"] is None


def test_a_planned_hand_over_changes_nothing_that_a_person_sees() -> None:
    talk = listening()
    talk.do(ev.BrainDescribed(CLOUD, Look()))
    before = without_clocks(shown(talk.state, talk.at_s))
    talk.do(ev.TimerFired(HandOverDue()))
    assert talk.state.hand_over is HandOver.OPENING
    assert without_clocks(shown(talk.state, talk.at_s)) == before
    talk.do(ev.SpareBrainReady(), ev.BrainDescribed(CLOUD, Look()))
    assert talk.state.hand_over is HandOver.NONE
    assert without_clocks(shown(talk.state, talk.at_s)) == before


# ------------------------------------------------------------------ the connection


def report(**values: float) -> dict[str, SimpleNamespace]:
    """Statistics as aiortc gives them: loss in 256ths, jitter in samples."""
    down = {"fractionLost": 0, "jitter": 0, "roundTripTime": 0.001, **values}
    return {
        "down": SimpleNamespace(type="remote-inbound-rtp", kind="audio", **down),
        "other": SimpleNamespace(type="transport"),
    }


def test_the_connections_figures_are_read_in_their_units() -> None:
    network = Meter().read(report(fractionLost=64, jitter=960, roundTripTime=0.25))
    assert (network.lost, network.jitter_ms, network.round_trip_ms) == (0.25, 20.0, 250.0)


def test_a_microphones_loss_is_that_of_the_last_seconds() -> None:
    meter = Meter()

    def mic(received: int, lost: int) -> float:
        entry = SimpleNamespace(
            type="inbound-rtp", kind="audio", packetsReceived=received, packetsLost=lost, jitter=0
        )
        return meter.read({"up": entry}).lost

    assert mic(1000, 500) == 0.0
    assert mic(1090, 510) == pytest.approx(0.1)
    assert mic(1190, 510) == 0.0


@pytest.mark.parametrize(
    ("network", "quality", "worst"),
    [
        (Network(0.0, 5.0, 20.0), Quality.GOOD, None),
        (Network(0.04, 5.0, 20.0), Quality.WEAK, "lost"),
        (Network(0.0, 70.0, 250.0), Quality.POOR, "jitter_ms"),
        (Network(0.0, 0.0, 450.0), Quality.POOR, "round_trip_ms"),
    ],
)
def test_the_worst_figure_grades_a_connection(network: Network, quality: Quality, worst: str | None) -> None:
    assert grade(network)[0] is quality
    if worst:
        assert grade(network)[1] == worst


def test_one_bad_moment_is_not_told_and_advice_fits_the_place() -> None:
    meter, bad = Meter(), Network(0.2, 0.0, 0.0)
    assert meter.judge(bad, is_on_this_computer=False)["word"] == "good"
    told = meter.judge(bad, is_on_this_computer=False)
    assert (told["word"], told["isPoor"]) == ("poor", True)
    assert "20%" in str(told["advice"])
    assert meter.judge(bad, is_on_this_computer=True)["advice"] == texts.NETWORK_ADVICE_HERE
    assert meter.judge(Network(), is_on_this_computer=False) == {
        "word": "good",
        "tone": "live",
        "advice": "",
        "isPoor": False,
    }
