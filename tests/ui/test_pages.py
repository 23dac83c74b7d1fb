"""The pages as Streamlit draws them, without a browser."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kai.adapters.engine_status import EngineReport, LocalVoice, VoiceFile
from kai.app import Offer, Services
from kai.core.events import LegConnected, MicrophoneChanged, StopRequested, TextSubmitted
from kai.core.state import LegName, Microphone, Phase
from kai.errors import KaiError
from kai.runtime.hub import SessionHub, Talk
from kai.ui import bridge, help_texts, host, model_texts, texts
from tests.ui.conftest import BROWSER_ID, serve_with
from tests.ui.test_routes import wait_for

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> AppTest:
    # AppTest's runtime is a mock that has no sessions; streamlit-webrtc then works as outside of a server.
    monkeypatch.setattr("streamlit_webrtc.component.get_this_session_info", lambda: None)
    monkeypatch.setattr("streamlit_webrtc.shutdown.get_this_session_info", lambda: None)
    monkeypatch.setattr(bridge, "browser_id", lambda: BROWSER_ID)
    return AppTest.from_file(str(ROOT / "kai/ui/main.py"), default_timeout=20)


def this_talk(app: AppTest, hub: SessionHub) -> Talk:
    named = app.query_params["talk"]
    talk = hub.find(named if isinstance(named, str) else named[0], BROWSER_ID)
    assert talk is not None
    return talk


def words(app: AppTest) -> str:
    return " ".join(str(node.proto.body) for node in app.get("html"))


def media(app: AppTest) -> dict[str, object] | None:
    """What the media component was told, or None where it is not drawn."""
    found = app.get("component_instance")
    return json.loads(found[0].proto.json_args) if found else None


def press_start(app: AppTest, label: str = texts.START) -> None:
    next(button for button in app.button if button.label == label).click().run()


def test_the_landing_page_says_what_will_happen(app: AppTest, hub: SessionHub) -> None:
    app.run()
    assert not app.exception
    assert [button.label for button in app.main.button] == [texts.START]
    assert not app.button[0].disabled
    for line in (*texts.LANDING_FACTS, texts.AI_LINE):
        assert line in words(app)
    assert media(app) is None
    assert this_talk(app, hub).snapshot().phase is Phase.IDLE


def test_a_press_of_start_mounts_the_media_in_the_same_run(app: AppTest, hub: SessionHub) -> None:
    app.run()
    press_start(app)
    assert not app.exception
    assert this_talk(app, hub).snapshot().is_active
    told = media(app)
    assert told is not None
    assert told["mode"] == "SENDRECV"
    assert told["desired_playing_state"] is False
    assert told["rtc_configuration"] == {"iceServers": []}
    assert told["media_toggle_controls"] is False
    assert told["media_stream_constraints"] == {
        "video": False,
        "audio": {"echoCancellation": True, "noiseSuppression": True, "autoGainControl": True},
    }
    assert not app.main.button
    assert app.get("bidi_component")


def test_a_talk_whose_id_has_two_underscores_is_drawn_like_any_other(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kai.runtime.hub.secrets.token_urlsafe", lambda _count: "abc__def__ghi_jkl-mno_")
    app.run()
    press_start(app)
    assert not app.exception
    assert app.get("bidi_component")


def test_the_media_stays_the_same_over_runs_and_pages(app: AppTest, hub: SessionHub) -> None:
    app.run()
    press_start(app)
    first = media(app)
    assert first is not None
    talk = this_talk(app, hub)
    talk.dispatch(MicrophoneChanged(Microphone.OPEN))
    talk.dispatch(LegConnected(LegName.BROWSER))
    wait_for(lambda: talk.snapshot().browser.is_up)
    app.run()
    app.switch_page(str(ROOT / "pages/help.py")).run()
    assert not app.exception
    there = media(app)
    assert there is not None
    assert there["component_key"] == first["component_key"]
    assert help_texts.TITLE in [title.value for title in app.title]
    app.switch_page(str(ROOT / "pages/talk.py")).run()
    assert this_talk(app, hub) is talk
    assert talk.snapshot().is_active


def test_a_refused_microphone_gets_a_component_that_only_receives(app: AppTest, hub: SessionHub) -> None:
    app.run()
    press_start(app)
    first = media(app)
    assert first is not None
    talk = this_talk(app, hub)
    talk.dispatch(MicrophoneChanged(Microphone.REFUSED))
    wait_for(lambda: talk.snapshot().microphone is Microphone.REFUSED)
    app.run()
    down = media(app)
    assert down is not None
    assert down["mode"] == "RECVONLY"
    assert down["component_key"] != first["component_key"]


def test_an_ended_talk_says_how_long_it_was_and_can_be_read_and_begun_again(
    app: AppTest, hub: SessionHub
) -> None:
    app.run()
    press_start(app)
    talk = this_talk(app, hub)
    wait_for(lambda: talk.snapshot().phase is Phase.ACTIVE)
    bridge_say(talk, "What <b>time</b> is it?")
    wait_for(lambda: any(m.response_id for m in talk.snapshot().messages))
    talk.dispatch(StopRequested())
    wait_for(lambda: talk.snapshot().phase is Phase.CLOSED)
    app.run()
    assert not app.exception
    assert media(app) is None
    assert texts.ENDED_TITLE in words(app)
    assert "You talked for" in words(app)
    assert "What &lt;b&gt;time&lt;/b&gt; is it?" in words(app)
    press_start(app, texts.START_AGAIN)
    assert talk.snapshot().is_active
    assert talk.snapshot().messages == ()
    assert media(app) is not None


def bridge_say(talk: Talk, text: str) -> None:
    talk.dispatch(TextSubmitted("item_typed", text))


def test_without_a_key_the_page_promises_no_more_than_the_engine_has(app: AppTest, hub: SessionHub) -> None:
    app.run()
    voice = app.sidebar.selectbox(key="look-voice")
    assert voice.options == list(texts.VOICE_NAMES_LOCAL.values())
    assert "voice-listen" not in [button.key for button in app.sidebar.button]
    assert texts.LANDING_FACTS[0] in words(app)


def test_the_engine_s_voices_are_offered_and_heard_and_more_come_by_one_press(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    voices = (
        LocalVoice("kai", "Kai", "man", "American", is_installed=True),
        LocalVoice("emma", "Emma", "woman", "British", is_installed=True),
        LocalVoice("george", "George", "man", "British", is_installed=False),
    )
    absent = tuple(
        VoiceFile(name, name, 8_000_000, "Apache-2.0", "absent")
        for name in ("hibari-fenrir", "hibari-fable", "kokoro")
    )
    files = {"now": absent}
    asked: list[tuple[str, str]] = []

    async def change(file_id: str, wish: str) -> None:
        asked.append((file_id, wish))
        files["now"] = tuple(
            replace(file, state="fetching", done_bytes=2_000_000) if file.id == file_id else file
            for file in files["now"]
        )

    serve_with(
        services=lambda: Services(engine=EngineReport(voices=voices, voice_files=files["now"])),
        change_voice=change,
    )
    app.run()
    voice = app.sidebar.selectbox(key="look-voice")
    assert voice.options == ["Kai, American man", "Emma, British woman"]
    assert "/api/voices/" not in words(app)
    app.sidebar.button(key="voice-listen").click().run()
    assert "/api/voices/kai/preview?speed=1" in words(app)
    assert texts.VOICES_SIZE.format(size="16 MB", licence="Apache-2.0") in words(app)
    app.sidebar.button(key="voices-speakers").click().run()
    assert asked == [("hibari-fenrir", "fetch"), ("hibari-fable", "fetch")]
    assert app.sidebar.button(key="voices-speakers").label == model_texts.MODEL_CANCEL
    assert app.sidebar.button(key="voices-kokoro").label == model_texts.MODEL_FETCH
    app.sidebar.button(key="voices-speakers").click().run()
    assert asked[2:] == [("hibari-fenrir", "pause"), ("hibari-fable", "pause")]
    files["now"] = tuple(replace(file, state="here") for file in absent)
    app.run()
    assert texts.VOICES_HERE in words(app)
    voice.set_value("emma").run()
    app.sidebar.button(key="voice-listen").click().run()
    assert "/api/voices/emma/preview?speed=1" in words(app)


def test_with_a_key_the_page_does_not_say_that_all_stays_here(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_with(offer=Offer(has_cloud_brain=True))
    app.run()
    assert texts.LANDING_FACTS[0] not in words(app)
    assert texts.LANDING_FACTS_CLOUD[0] in words(app)


def test_the_sidebar_reaches_the_talk_and_its_values_stay(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve_with(offer=Offer(has_cloud_brain=True))
    app.run()
    app.sidebar.selectbox(key="look-voice").set_value("cedar").run()
    app.sidebar.slider(key="look-speed").set_value(1.25).run()
    app.sidebar.text_area(key="look-instructions").set_value("Be brief.").run()
    talk = this_talk(app, hub)
    wait_for(lambda: talk.snapshot().look.instructions == "Be brief.")
    assert (talk.snapshot().look.voice, talk.snapshot().look.speed) == ("cedar", 1.25)
    app.switch_page(str(ROOT / "pages/help.py")).run()
    app.switch_page(str(ROOT / "pages/talk.py")).run()
    assert app.sidebar.selectbox(key="look-voice").value == "cedar"
    assert app.sidebar.slider(key="look-speed").value == 1.25
    assert app.sidebar.text_area(key="look-instructions").value == "Be brief."
    press_start(app)
    assert talk.snapshot().look.voice == "cedar"


def test_every_control_says_when_it_takes_effect(app: AppTest, hub: SessionHub) -> None:
    app.run()
    tags = [tag for tag in texts.TAG_WORDS if f'data-tag="{tag}"' in words(app)]
    assert tags == list(texts.TAG_WORDS)
    assert app.sidebar.text_area(key="look-instructions").proto.max_chars > 0


def test_a_talk_that_somebody_still_shows_is_not_taken_over(app: AppTest, hub: SessionHub) -> None:
    other = hub.create(BROWSER_ID)
    other.stream_opened()
    app.query_params["talk"] = other.id
    app.run()
    assert this_talk(app, hub) is not other
    other.stream_closed()


def test_a_refreshed_page_finds_its_talk(app: AppTest, hub: SessionHub) -> None:
    left = hub.create(BROWSER_ID)
    app.query_params["talk"] = left.id
    begun_s = time.monotonic()
    app.run()
    assert this_talk(app, hub) is left
    assert time.monotonic() - begun_s < 15


def test_another_browsers_talk_is_not_found_by_its_id(app: AppTest, hub: SessionHub) -> None:
    other = hub.create("another-browser")
    app.query_params["talk"] = other.id
    app.run()
    assert this_talk(app, hub).id != other.id


def test_without_a_hub_the_page_says_why(app: AppTest) -> None:
    host.serve(None)
    app.run()
    assert [info.value for info in app.info] == [texts.NOT_STARTED]
    host.serve(None, "A setting is wrong. Correct it in .env.")
    app.run()
    assert [error.value for error in app.error] == ["A setting is wrong. Correct it in .env."]


def test_an_engine_that_cannot_run_is_told_before_the_first_press(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "A model file is not the one that Kai knows. Run `make install` again."
    serve_with(services=lambda: Services(is_ready=False, problem=words))
    app.run()
    assert [warning.value for warning in app.warning] == [words]
    assert [button.label for button in app.main.button] == [texts.START]


def test_too_many_talks_are_told_and_can_be_tried_again(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_browser_id: str) -> Talk:
        raise KaiError("Kai is talking with too many people. Close another tab and try again.", code="full")

    monkeypatch.setattr(hub, "create", full)
    app.run()
    assert "too many people" in app.warning[0].value
    monkeypatch.undo()
    assert [button.label for button in app.main.button] == [texts.TRY_AGAIN]


def test_without_a_cookie_the_page_says_what_to_do(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> str:
        raise bridge.NoCookieError

    monkeypatch.setattr(bridge, "browser_id", none)
    app.run()
    assert [info.value for info in app.info] == [texts.NO_COOKIES]
