"""The sidebar as Streamlit draws it: every group, what is greyed and why, personas, endpoint, avatars, voices."""

# The fixtures are those of the pages that remember.
# ruff: noqa: F401, F811
from __future__ import annotations

import html
from collections.abc import Iterator
from concurrent.futures import Future
from decimal import Decimal
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from kai.adapters.engine_status import EngineReport, ModelReport
from kai.adapters.liveavatar.gallery import AvatarAccount, AvatarShelf, GalleryAvatar
from kai.app import Offer, Services
from kai.core.capabilities import CLOUD_VOICES, MODELS, applies, engine_voice
from kai.core.config import SETTINGS, AvatarConfig, Eagerness, TurnTaking
from kai.core.state import Look, StandIn
from kai.engine.speech.voices import CHOICES
from kai.errors import BrainError
from kai.records.memory import Memory
from kai.records.named import NamedError
from kai.records.personas import FIRST, Personas
from kai.runtime.hub import SessionHub
from kai.ui import compat, setting_words, texts
from tests.ui.conftest import serve_with
from tests.ui.test_memory_pages import app, hub, memory, sidebar_key
from tests.ui.test_pages import ROOT, this_talk, words
from tests.ui.test_routes import wait_for
from tests.ui.test_style import pick

CLOUD = Offer(has_cloud_brain=True, tools=("current_time", "show_card"))


class Avatars:
    """A gallery with two avatars."""

    defaults = AvatarConfig("ann", "medium", "H264", False)

    def __init__(self, shelf: AvatarShelf | None = None) -> None:
        account = AvatarAccount(Decimal("12.5"), 12, Decimal(1))
        both = (
            GalleryAvatar("ann", "Ann", True, True, True),
            GalleryAvatar("bob", "Bob", False, True, False),
        )
        self._shelf = shelf or AvatarShelf(both, account, is_loading=False)

    def shelf(self) -> AvatarShelf:
        return self._shelf

    def preview(self, avatar_id: str) -> Future[bytes | None]:
        raise AssertionError("not asked by a run")

    def aclose(self) -> None: ...


@pytest.fixture
def cloud(hub: SessionHub) -> None:
    serve_with(offer=CLOUD)


@pytest.fixture
def avatars(hub: SessionHub) -> None:
    serve_with(offer=Offer(has_cloud_brain=True, has_cloud_face=True), gallery=Avatars())


def chosen(app: AppTest, hub: SessionHub) -> Look:
    return this_talk(app, hub).snapshot().look


def widget(app: AppTest, kind: str, name: str):
    return getattr(app.sidebar, kind)(key=sidebar_key(app, kind, f"look-{name}"))


# ------------------------------------------------------------------ order, tags, greyed


def test_groups_stand_in_the_order_in_which_people_think(app: AppTest) -> None:
    app.run()
    assert not app.exception
    heard = words(app)
    order = [
        texts.SIDEBAR_PRESETS,
        texts.SIDEBAR_WHO,
        texts.SIDEBAR_HOW,
        texts.SIDEBAR_WHAT,
        html.escape(texts.SIDEBAR_WHEN),
        texts.SIDEBAR_WHERE,
    ]
    places = [heard.index(f">{name}<") for name in order]
    assert places == sorted(places)


@pytest.mark.usefixtures("cloud")
def test_each_setting_says_when_it_holds_by_the_table(app: AppTest) -> None:
    app.run()
    lines = [str(node.proto.body) for node in app.get("html")]
    for setting, label in (
        ("speed", setting_words.SETTINGS["speed"].help),
        ("voice", setting_words.SETTINGS["voice"].help),
        ("turn_taking", setting_words.SETTINGS["turn_taking"].help),
        ("model", setting_words.SETTINGS["model"].help),
    ):
        (line,) = (line for line in lines if html.escape(label) in line)
        when = applies("gpt-realtime-2.1", setting)
        assert when is not None
        assert f'data-tag="{when.value}"' in line, setting


def drawn(app: AppTest) -> set[str]:
    """The settings that have a widget in the sidebar."""
    kinds = ("selectbox", "slider", "segmented_control", "toggle", "text_input", "text_area", "pills")
    keys = [str(one.key) for kind in kinds for one in getattr(app.sidebar, kind)]
    return {name for name in SETTINGS if f"look-{name}" in keys}


def test_what_the_brain_does_not_have_is_one_line_that_counts_it(app: AppTest, hub: SessionHub) -> None:
    app.run()
    missing = {
        name
        for of in ("more", "hearing")
        for name, row in SETTINGS.items()
        if row.group == of and row.local is None
    }
    assert missing
    assert not missing & drawn(app)
    assert texts.MORE_WITH_KEY.format(count=len(missing)) in words(app)
    serve_with(offer=CLOUD)
    app.run()
    assert missing <= drawn(app)


def test_start_fresh_puts_every_setting_back_and_keeps_what_has_a_name(
    app: AppTest, hub: SessionHub, memory: Memory
) -> None:
    app.run()
    widget(app, "segmented_control", "character").set_value("emil").run()
    widget(app, "slider", "speed").set_value(1.5).run()
    app.sidebar.text_input(key="preset-name").set_value("Fair").run()
    app.sidebar.button(key="preset-save").click().run()
    app.sidebar.button(key="start-fresh").click().run()
    wait_for(lambda: chosen(app, hub) == Look())
    assert [toast.value for toast in app.toast] == [texts.STARTED_FRESH]
    assert memory.preferences.value.last_look() == Look()
    assert [one.name for one in memory.presets.value.entries] == ["Fair"]


def test_numbers_of_silence_count_only_where_silence_ends_a_turn(
    app: AppTest,
    hub: SessionHub,
) -> None:
    app.run()
    assert "silence_duration_ms" not in drawn(app)
    widget(app, "segmented_control", "turn_taking").set_value("server_vad").run()
    wait_for(lambda: chosen(app, hub).brain.turn_taking is TurnTaking.SERVER_VAD)
    assert not widget(app, "slider", "silence_duration_ms").disabled
    widget(app, "slider", "silence_duration_ms").set_value(900).run()
    wait_for(lambda: chosen(app, hub).brain.silence_duration_ms == 900)
    assert "eagerness" not in drawn(app)


def test_every_setting_of_the_brain_reaches_the_talk_as_what_it_is(
    app: AppTest,
    hub: SessionHub,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    serve_with(offer=CLOUD)
    app.run()
    widget(app, "selectbox", "eagerness").set_value("high").run()
    widget(app, "toggle", "can_interrupt").set_value(False).run()
    widget(app, "selectbox", "model").set_value("gpt-realtime-1.5").run()
    widget(app, "text_input", "greeting").set_value("Greet me.").run()
    widget(app, "slider", "max_output_tokens").set_value(1024).run()
    widget(app, "pills", "tools").set_value(["show_card"]).run()
    wait_for(lambda: chosen(app, hub).brain.tools == ("show_card",))
    brain = chosen(app, hub).brain
    assert brain.eagerness is Eagerness.HIGH
    assert (brain.can_interrupt, brain.model) == (False, "gpt-realtime-1.5")
    assert (brain.greeting, brain.max_output_tokens) == ("Greet me.", 1024)
    assert "effort" not in drawn(app)
    assert texts.MORE_WITH_MODEL.format(count=1) in words(app)
    assert not app.exception


@pytest.mark.usefixtures("cloud")
def test_a_browser_that_draws_a_later_run_shows_every_value_too(app: AppTest, hub: SessionHub) -> None:
    """What a widget is set to by its key goes out with one run only; after that its default counts."""
    app.run()
    widget(app, "slider", "speed").set_value(0.8).run()
    widget(app, "text_area", "instructions").set_value("Be brief.").run()
    widget(app, "selectbox", "eagerness").set_value("high").run()
    widget(app, "segmented_control", "character").set_value("emil").run()
    app.run()
    assert chosen(app, hub).speed == 0.8
    sidebar = app.sidebar
    assert not widget(app, "slider", "speed").proto.set_value
    assert [list(one.proto.default) for one in sidebar.slider] == [[one.value] for one in sidebar.slider]
    for kind in ("toggle", "text_area", "color_picker"):
        found = getattr(sidebar, kind)
        assert found
        assert [one.proto.default for one in found] == [one.value for one in found], kind
    texts_shown = {one.key: one for one in sidebar.text_input if str(one.key).startswith("look-")}
    assert texts_shown
    assert all(one.proto.default == (one.value or "") for one in texts_shown.values())
    for one in sidebar.selectbox:
        assert (one.proto.default if one.proto.HasField("default") else None) == one.index, one.key
    for one in (*sidebar.segmented_control, *sidebar.pills):
        assert list(one.proto.default) == one.indices, one.key
    assert not [warning.value for warning in app.warning]


# ------------------------------------------------------------------ where it runs


@pytest.mark.usefixtures("cloud")
def test_with_a_key_one_chooses_where_kai_runs_and_the_controls_follow(
    app: AppTest,
    hub: SessionHub,
) -> None:
    app.run()
    assert widget(app, "selectbox", "voice").options == [
        setting_words.SETTINGS["voice"].options[v] for v in CLOUD_VOICES
    ]
    assert set(MODELS) <= set(widget(app, "selectbox", "model").options)
    widget(app, "segmented_control", "runs").set_value("local").run()
    wait_for(lambda: chosen(app, hub).runs == "local")
    assert widget(app, "selectbox", "voice").options == list(texts.VOICE_NAMES_LOCAL.values())
    assert texts.RUNS_HELP_LOCAL in words(app)


def test_what_stands_in_for_a_missing_part_of_the_engine_is_told(
    app: AppTest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    words = "Kai understands fixed phrases only."
    engine = EngineReport(stand_ins=(StandIn("mind", "plain", words),))
    serve_with(services=lambda: Services(engine=engine))
    app.run()
    assert "Kai understands fixed phrases only." in [warning.value for warning in app.sidebar.warning]


# ------------------------------------------------------------------ avatars


@pytest.mark.usefixtures("avatars")
def test_an_avatar_is_shown_by_picture_and_chosen_from_the_gallery(
    app: AppTest,
    hub: SessionHub,
) -> None:
    app.run()
    assert not app.exception
    assert "/api/avatar/previews/ann.jpg" in words(app)
    assert "12.5 credits left, about 12 min 0 s" in words(app)
    app.button(key="avatar-choose").click().run()
    app.button(key="avatar-bob").click().run()
    wait_for(lambda: chosen(app, hub).avatar.avatar_id == "bob")
    assert not [b for b in app.button if b.key == "avatar-bob"]


@pytest.mark.usefixtures("avatars")
def test_the_avatars_picture_and_sandbox_and_the_face_itself_can_be_changed(
    app: AppTest,
    hub: SessionHub,
) -> None:
    app.run()
    widget(app, "selectbox", "quality").set_value("high").run()
    widget(app, "toggle", "is_sandbox").set_value(True).run()
    wait_for(lambda: chosen(app, hub).avatar == AvatarConfig(quality="high", is_sandbox=True))
    widget(app, "segmented_control", "face").set_value("local").run()
    wait_for(lambda: chosen(app, hub).face == "local")
    assert "/api/avatar/previews" not in words(app)


@pytest.mark.usefixtures("avatars")
def test_a_gallery_that_cannot_be_had_says_why(app: AppTest) -> None:
    serve_with(gallery=Avatars(AvatarShelf(is_loading=False, problem="LiveAvatar refused the key.")))
    app.run()
    assert "LiveAvatar refused the key." in words(app)
    assert app.button(key="avatar-choose").disabled


# ------------------------------------------------------------------ personas


def test_a_persona_is_picked_edited_saved_duplicated_and_deleted(
    app: AppTest,
    hub: SessionHub,
    memory: Memory,
    tmp_path: Path,
) -> None:
    app.run()
    app.sidebar.selectbox(key="persona-saved").set_value("Brief").run()
    wait_for(lambda: chosen(app, hub).instructions == FIRST[0].instructions)
    field = widget(app, "text_area", "instructions")
    assert field.value == FIRST[0].instructions
    field.set_value("Answer in rhyme.").run()
    assert app.sidebar.selectbox(key=sidebar_key(app, "selectbox", "persona")).value is None
    app.sidebar.button(key="persona-save").click().run()
    saved = memory.personas.value.named("Brief")
    assert saved is not None
    assert saved.instructions == "Answer in rhyme."
    app.sidebar.button(key="persona-duplicate").click().run()
    assert memory.personas.value.named("Brief 2") is not None
    app.sidebar.button(key="persona-delete").click().run()
    assert memory.personas.value.named("Brief 2") is None
    assert Memory(tmp_path).personas.value == memory.personas.value
    assert chosen(app, hub).instructions == "Answer in rhyme."
    assert not app.exception


def test_personas_have_names_of_their_own_and_a_bound() -> None:
    kept = Personas(entries=())
    with pytest.raises(NamedError):
        kept.with_one("  ", "x")
    for n in range(50):
        kept = kept.with_one(f"P {n}", "x")
    assert kept.with_one("P  1", "y").named("P 1") == kept.with_one("P 1", "y").named("P 1")
    with pytest.raises(NamedError) as refused:
        kept.with_one("one more", "x")
    assert refused.value.code == "too-many"


SETTINGS_FILES = ("preferences", "presets", "personas", "styles")


@pytest.mark.parametrize("names", [*((name,) for name in SETTINGS_FILES), SETTINGS_FILES])
def test_a_broken_file_of_the_sidebar_is_set_aside_with_a_word(
    app: AppTest, hub: SessionHub, tmp_path: Path, names: tuple[str, ...]
) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in names:
        (folder / f"{name}.json").write_text("{")
    broken = Memory(folder)
    serve_with(memory=broken)
    app.run()
    told = [warning.value for warning in app.sidebar.warning]
    assert len(told) == len(names)
    for name, warning in zip(names, told, strict=True):
        assert f"{name}.broken-" in warning
    assert app.sidebar.selectbox(key="persona-saved").options == [p.name for p in FIRST]
    broken.close()


# ------------------------------------------------------------------ the face's voice, or another that is kept


def test_the_voice_comes_with_the_face(app: AppTest, hub: SessionHub) -> None:
    app.run()
    assert widget(app, "selectbox", "voice").value == "kai"
    assert texts.VOICE_COMES_HELP in words(app)
    widget(app, "segmented_control", "character").set_value("emil").run()
    wait_for(lambda: engine_voice(chosen(app, hub)) == "emil")
    assert widget(app, "selectbox", "voice").value == "emil"
    assert not widget(app, "toggle", "keeps_voice").value


def test_a_voice_that_is_kept_stays_with_another_face_until_it_is_let_go(
    app: AppTest, hub: SessionHub
) -> None:
    app.run()
    widget(app, "segmented_control", "character").set_value("mara").run()
    widget(app, "toggle", "keeps_voice").set_value(True).run()
    widget(app, "segmented_control", "character").set_value("ade").run()
    wait_for(lambda: chosen(app, hub).character == "ade")
    assert engine_voice(chosen(app, hub)) == "mara"
    assert widget(app, "selectbox", "voice").value == "mara"
    assert texts.VOICE_KEEP_HELP in words(app)
    widget(app, "toggle", "keeps_voice").set_value(False).run()
    wait_for(lambda: engine_voice(chosen(app, hub)) == "ade")
    assert widget(app, "selectbox", "voice").value == "ade"


def test_another_voice_that_is_chosen_is_kept_and_the_face_s_own_is_not(
    app: AppTest, hub: SessionHub
) -> None:
    app.run()
    widget(app, "selectbox", "voice").set_value("ines").run()
    wait_for(lambda: engine_voice(chosen(app, hub)) == "ines")
    assert widget(app, "toggle", "keeps_voice").value
    widget(app, "selectbox", "voice").set_value("kai").run()
    wait_for(lambda: engine_voice(chosen(app, hub)) == "kai")
    assert not widget(app, "toggle", "keeps_voice").value


def test_the_voice_of_the_engine_holds_from_the_next_turn_and_every_one_has_a_name(app: AppTest) -> None:
    app.run()
    (line,) = (str(n.proto.body) for n in app.get("html") if texts.VOICE_COMES_HELP in str(n.proto.body))
    assert 'data-tag="next turn"' in line
    own = [choice for choice in CHOICES if not choice.is_extra]
    assert {c.id: texts.voice_name(c.name, c.sex, c.accent) for c in own} == texts.VOICE_NAMES_LOCAL


# ------------------------------------------------------------------ voices to listen to


class Voices:
    """Previews that are made once."""

    def __init__(self, error: BrainError | None = None) -> None:
        self.made: list[str] = []
        self.error = error

    def kept(self, look: Look) -> bytes | None:
        return b"RIFF" if look.voice in self.made else None

    def cost_usd(self, look: Look) -> float | None:
        return 0.006

    async def wav(self, look: Look) -> bytes:
        if self.error is not None:
            raise self.error
        self.made.append(look.voice)
        return b"RIFF"


@pytest.mark.usefixtures("cloud")
def test_a_cloud_voice_is_recorded_once_and_its_cost_told_before(
    app: AppTest,
    hub: SessionHub,
) -> None:
    voices = Voices()
    serve_with(previews=voices)
    app.run()
    assert texts.VOICE_LISTEN_COSTS.format(cost="under 1¢") in words(app)
    app.sidebar.button(key="voice-listen").click().run()
    assert voices.made == ["marin"]
    assert app.sidebar.get("audio")
    app.run()
    assert texts.VOICE_LISTEN_KEPT in words(app)
    app.sidebar.button(key="voice-listen").click().run()
    assert voices.made == ["marin"]


@pytest.mark.usefixtures("cloud")
def test_a_voice_that_cannot_be_recorded_says_why(app: AppTest, hub: SessionHub) -> None:
    serve_with(previews=Voices(BrainError("The account has no credit left.", code="quota")))
    app.run()
    app.sidebar.button(key="voice-listen").click().run()
    assert [w.value for w in app.sidebar.warning] == ["The account has no credit left."]


# ------------------------------------------------------------------ presets hold all of it


def test_a_preset_brings_back_every_setting(app: AppTest, hub: SessionHub, memory: Memory) -> None:
    app.run()
    widget(app, "segmented_control", "turn_taking").set_value("push_to_talk").run()
    app.sidebar.text_input(key="preset-name").set_value("Fair").run()
    app.sidebar.button(key="preset-save").click().run()
    (preset,) = memory.presets.value.entries
    look = preset.value
    assert look.brain.turn_taking == TurnTaking.PUSH_TO_TALK
    widget(app, "segmented_control", "turn_taking").set_value("semantic_vad").run()
    app.sidebar.selectbox(key=sidebar_key(app, "selectbox", "preset")).set_value("Fair").run()
    wait_for(lambda: chosen(app, hub) == look)
    assert widget(app, "segmented_control", "turn_taking").value == "push_to_talk"


def test_the_words_about_the_small_mind_show_only_while_it_is_alone(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    app.run()
    assert texts.INSTRUCTIONS_HELP_LOCAL.split(";")[0] in html.unescape(words(app))
    serve_with(services=lambda: Services(engine=EngineReport(model=ModelReport("ready"))))
    app.run()
    assert texts.INSTRUCTIONS_HELP_LOCAL.split(";")[0] not in html.unescape(words(app))
    assert setting_words.SETTINGS["instructions"].help in html.unescape(words(app))


# ------------------------------------------------------------------ the sidebar shows the talk's own settings


def test_a_tab_that_comes_to_a_talk_sees_and_changes_the_same_settings(
    app: AppTest, hub: SessionHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Else the second tab would wait for the first one to go, and begin a talk of its own.
    monkeypatch.setattr(compat, "session_activity", lambda _session: lambda: False)
    app.run()
    widget(app, "slider", "speed").set_value(1.25).run()
    widget(app, "segmented_control", "turn_taking").set_value("server_vad").run()
    other = AppTest.from_file(str(ROOT / "kai/ui/main.py"), default_timeout=20)
    other.query_params["talk"] = this_talk(app, hub).id
    other.run()
    assert this_talk(other, hub) is this_talk(app, hub)
    assert widget(other, "slider", "speed").value == 1.25
    assert widget(other, "segmented_control", "turn_taking").value == "server_vad"
    widget(other, "slider", "speed").set_value(0.75).run()
    widget(other, "text_area", "instructions").set_value("Be brief.").run()
    widget(other, "toggle", "can_interrupt").set_value(False).run()
    app.run()
    assert widget(app, "slider", "speed").value == 0.75
    assert widget(app, "text_area", "instructions").value == "Be brief."
    assert not widget(app, "toggle", "can_interrupt").value


def test_what_is_typed_for_a_name_stays_while_something_else_is_changed(app: AppTest) -> None:
    app.run()
    app.sidebar.text_input(key="preset-name").set_value("Fair").run()
    widget(app, "slider", "speed").set_value(1.25).run()
    assert app.sidebar.text_input(key="preset-name").value == "Fair"


def test_the_name_of_one_characters_style_is_not_offered_for_anothers(app: AppTest, memory: Memory) -> None:
    app.run()
    pick(app, "cloth", "#aa1122")
    app.sidebar.text_input(key="style-name").set_value("Fair").run()
    app.sidebar.button(key="style-save").click().run()
    widget(app, "segmented_control", "character").set_value("emil").run()
    pick(app, "cloth", "#001122")
    assert app.sidebar.text_input(key="style-name").value == ""
    app.sidebar.button(key="style-save").click().run()
    assert [toast.value for toast in app.toast] == ["A style needs a name."]
    assert [one.style.character for one in memory.styles.value.entries] == ["kai"]
