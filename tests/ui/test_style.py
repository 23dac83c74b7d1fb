"""The style of the face in the sidebar, as Streamlit draws it."""

# The fixtures are those of the pages that remember.
# ruff: noqa: F401, F811
from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from kai.adapters.engine_status import EngineReport, LocalVoice
from kai.app import Offer, Services
from kai.avatar.style import CHARACTERS
from kai.core.capabilities import engine_voice
from kai.core.config import FACE_COLOURS, FaceStyle
from kai.records.memory import Memory
from kai.runtime.hub import SessionHub
from tests.ui.conftest import serve_with
from tests.ui.test_memory_pages import app, hub, memory, sidebar_key
from tests.ui.test_pages import this_talk
from tests.ui.test_routes import wait_for


def pick(app: AppTest, name: str, colour: str) -> None:
    key = sidebar_key(app, "color_picker", f"style-{name}")
    app.sidebar.color_picker(key=key).set_value(colour).run()


def shown(app: AppTest, name: str) -> str:
    return str(app.sidebar.color_picker(key=sidebar_key(app, "color_picker", f"style-{name}")).value)


def test_every_colour_stands_there_as_the_character_has_it(app: AppTest) -> None:
    app.run()
    assert not app.exception
    assert len(app.sidebar.color_picker) == len(FACE_COLOURS)
    assert shown(app, "cloth") == CHARACTERS["kai"].cloth
    assert shown(app, "background") == CHARACTERS["kai"].background_edge


def test_a_colour_reaches_the_talk_and_another_character_is_himself_again(
    app: AppTest, hub: SessionHub
) -> None:
    app.run()
    pick(app, "cloth", "#aa1122")
    wait_for(lambda: this_talk(app, hub).snapshot().look.style == FaceStyle("kai", cloth="#aa1122"))
    app.sidebar.segmented_control(key="look-character").set_value("emil").run()
    assert shown(app, "cloth") == CHARACTERS["emil"].cloth
    pick(app, "iris", "#00aa00")
    wait_for(lambda: this_talk(app, hub).snapshot().look.style == FaceStyle("emil", iris="#00aa00"))


def test_a_style_is_saved_under_a_name_taken_back_and_picked_again(
    app: AppTest, hub: SessionHub, memory: Memory
) -> None:
    app.run()
    pick(app, "hair", "#c0a060")
    app.sidebar.text_input(key=sidebar_key(app, "text_input", "style-name")).set_value("Fair").run()
    app.sidebar.button(key="style-save").click().run()
    (saved,) = memory.styles.value.entries
    assert (saved.name, saved.style) == ("Fair", FaceStyle("kai", hair="#c0a060"))
    app.sidebar.button(key="style-reset").click().run()
    assert shown(app, "hair") == CHARACTERS["kai"].hair
    wait_for(lambda: this_talk(app, hub).snapshot().look.style == FaceStyle("kai"))
    picker = app.sidebar.selectbox(key=sidebar_key(app, "selectbox", "style-saved"))
    picker.set_value("Fair").run()
    assert shown(app, "hair") == "#c0a060"
    wait_for(lambda: this_talk(app, hub).snapshot().look.style.hair == "#c0a060")
    app.sidebar.button(key="style-delete").click().run()
    assert memory.styles.value.entries == ()


def test_a_character_s_voice_is_made_deeper_and_livelier_saved_and_taken_back(
    app: AppTest, hub: SessionHub, memory: Memory
) -> None:
    def slide(name: str, value: int) -> None:
        app.sidebar.slider(key=sidebar_key(app, "slider", f"style-{name}")).set_value(value).run()

    app.run()
    slide("voice_higher", -2)
    slide("voice_livelier", 3)
    wait_for(lambda: engine_voice(this_talk(app, hub).snapshot().look) == "kai:-2:+3")
    app.sidebar.text_input(key=sidebar_key(app, "text_input", "style-name")).set_value("Deep").run()
    app.sidebar.button(key="style-save").click().run()
    assert [s.style for s in memory.styles.value.entries] == [
        FaceStyle("kai", voice_higher=-2, voice_livelier=3)
    ]
    app.sidebar.button(key="style-reset").click().run()
    wait_for(lambda: engine_voice(this_talk(app, hub).snapshot().look) == "kai")
    assert app.sidebar.slider(key=sidebar_key(app, "slider", "style-voice_higher")).value == 0


def test_a_voice_that_is_no_character_s_cannot_be_moved_and_the_cloud_s_has_no_sliders(
    app: AppTest, hub: SessionHub
) -> None:
    app.run()
    assert not app.sidebar.slider(key=sidebar_key(app, "slider", "style-voice_higher")).disabled
    offered = [LocalVoice(name, name.title(), "man", "American", True) for name in ("kai", "george")]
    services = Services(engine=EngineReport(voices=tuple(offered)))
    serve_with(services=lambda: services)
    app.run()
    app.sidebar.selectbox(key=sidebar_key(app, "selectbox", "look-voice")).set_value("george").run()
    assert app.sidebar.slider(key=sidebar_key(app, "slider", "style-voice_higher")).disabled
    serve_with(offer=Offer(has_cloud_brain=True))
    app.run()
    assert not [s for s in app.sidebar.slider if "style-voice" in str(s.key)]
