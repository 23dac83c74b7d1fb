"""History and Insights as Streamlit draws them, without a browser."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from kai.core.events import TextSubmitted
from kai.core.state import Look, Phase
from kai.records.memory import Memory, owner_of
from kai.records.recording import Recorder
from kai.records.turn_log import RecordsError
from kai.records.turns import Turn
from kai.runtime.hub import SessionHub
from kai.ui import bridge, compat, past_texts, texts
from kai.ui.sidebar import presets
from tests.ui.conftest import BROWSER_ID, serve_with, serving
from tests.ui.fakes import make_app
from tests.ui.test_pages import ROOT, press_start, this_talk, words
from tests.ui.test_routes import wait_for
from tests.unit.test_turns_kept import RECORD


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    memory = Memory(tmp_path)
    yield memory
    memory.close()


@pytest.fixture
def hub(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> Iterator[SessionHub]:
    monkeypatch.setattr("kai.compat.rtc.host_addresses", lambda: ["192.0.2.1"])
    with serving(make_app(memory)) as app:
        yield app.hub


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch, hub: SessionHub) -> AppTest:
    monkeypatch.setattr("streamlit_webrtc.component.get_this_session_info", lambda: None)
    monkeypatch.setattr("streamlit_webrtc.shutdown.get_this_session_info", lambda: None)
    monkeypatch.setattr(bridge, "browser_id", lambda: BROWSER_ID)
    return AppTest.from_file(str(ROOT / "kai/ui/main.py"), default_timeout=20)


def open_page(app: AppTest, name: str) -> AppTest:
    app.run()
    app.switch_page(str(ROOT / f"pages/{name}.py")).run()
    assert not app.exception
    return app


def keep(memory: Memory, count: int = 1) -> None:
    assert memory.log is not None
    for i in range(count):
        start_s = time.time() - 60 * (count - i)
        turns = tuple(replace(turn, at_wall_s=start_s) for turn in RECORD.turns)
        memory.log.save(replace(RECORD, id=f"t{i}", started_wall_s=start_s, turns=turns))


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


@pytest.mark.parametrize("page", ["history", "insights"])
def test_before_the_first_talk_a_kind_word_stands_there(app: AppTest, page: str) -> None:
    open_page(app, page)
    title = {"history": past_texts.HISTORY_EMPTY_TITLE, "insights": past_texts.INSIGHTS_EMPTY_TITLE}[page]
    assert title in words(app)
    if page == "insights":
        assert past_texts.INSIGHTS_EXAMPLE in words(app)
        assert len(app.get("vega_lite_chart")) == 8


def test_a_talk_that_was_had_stands_in_the_history(app: AppTest, hub: SessionHub) -> None:
    app.run()
    press_start(app)
    talk = this_talk(app, hub)
    wait_for(lambda: talk.snapshot().phase is Phase.ACTIVE)
    talk.dispatch(TextSubmitted("item_typed", "What <b>time</b> is it?"))
    wait_for(lambda: any(m.response_id and m.is_final for m in talk.snapshot().messages))
    app.switch_page(str(ROOT / "pages/history.py")).run()
    assert not app.exception
    assert "What &lt;b&gt;time&lt;/b&gt; is it?" in words(app)
    assert any(past_texts.HISTORY_GOES_ON in label for label in labels(app))
    assert talk.snapshot().is_active


def test_a_talk_is_read_with_what_was_interrupted_and_its_wait(app: AppTest, memory: Memory) -> None:
    keep(memory)
    open_page(app, "history")
    assert f"<em>{texts.INTERRUPTED}</em>" in words(app)
    assert past_texts.HISTORY_ANSWERED.format(seconds="0.6") in words(app)
    names = [file.proto.label for file in app.get("download_button")]
    assert names == [
        past_texts.HISTORY_EXPORT_MARKDOWN,
        past_texts.HISTORY_EXPORT_JSON,
        past_texts.HISTORY_EXPORT_WEBVTT,
        past_texts.HISTORY_EXPORT_COSTS,
    ]


def test_a_talk_shows_what_it_took_and_cost_answer_by_answer(app: AppTest, memory: Memory) -> None:
    assert memory.log is not None
    turn = replace(RECORD.turns[0], cost_usd=0.0042)
    memory.log.save(replace(RECORD, started_wall_s=time.time(), turns=(turn,), cost_usd=0.0142))
    open_page(app, "history")
    facts = next(c.value for c in app.caption if "1 interrupted" in c.value)
    for part in ("12 s", "2 lines", "cost at least \\$0.0142", "1.0 min of LiveAvatar"):
        assert part in facts
    assert "answered after 0.6 s · 2.0 s long · cost $0.0042" in words(app)
    for cell in ("0.60 s", "0.30 s", "0.20 s", "0.10 s", "2.0 s", "yes", "$0.0042"):
        assert f"<td>{cell}</td>" in words(app)
    # The list has the whole sum, with the avatar's credits.
    assert any("\\$0.21" in label for label in labels(app))
    for row in (
        ("Voice", "the answer “Yes --&gt; it is”", "$0.0125"),
        ("Avatar", "a session of 2 begun minutes (2 credits)", "$0.20"),
        ("All", "", "$0.21"),
    ):
        assert f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" in words(app)


def test_on_a_phone_a_chosen_talk_has_a_way_back_to_the_list(app: AppTest, memory: Memory) -> None:
    keep(memory, 2)
    open_page(app, "history")
    app.button(key="talk-t0").click().run()
    assert app.session_state["kai.history_reading"] == "t0"
    app.button(key="history-back").click().run()
    assert "kai.history_reading" not in app.session_state


def test_a_talk_with_sound_gets_a_player_and_one_without_none(app: AppTest, memory: Memory) -> None:
    keep(memory)
    open_page(app, "history")
    assert not players(app)
    recorder = Recorder(lambda _s: memory.recordings.new_path("0" * 16, 65_000))
    recorder.start(lambda error: pytest.fail(str(error)))
    for _ in range(50):
        recorder.push_played(np.zeros(960, np.int16))
    recorder.stop()
    wait_for(lambda: memory.recordings.of_talk("0" * 16))
    assert memory.log is not None
    memory.log.save(replace(RECORD, id="0" * 16, started_wall_s=time.time()))
    app.run()
    (player,) = players(app)
    assert f"/api/recordings/{'0' * 16}/65000.ogg" in player
    assert "From 1:05, 1 s long" in player
    assert any("Recorded sound takes up 0.1 MB" in caption.value for caption in app.caption)


def players(app: AppTest) -> list[str]:
    return [text for node in app.get("bidi_component") if "/api/recordings/" in (text := str(node.proto))]


def test_search_finds_by_words_and_says_when_there_are_none(app: AppTest, memory: Memory) -> None:
    keep(memory)
    open_page(app, "history")
    app.text_input[0].set_value("TRUE").run()
    assert any(button.key == "talk-t0" for button in app.button)
    assert "<mark>true</mark>" in words(app).lower()
    app.text_input[0].set_value("elephant").run()
    assert past_texts.HISTORY_NOTHING_FOUND in [caption.value for caption in app.caption]
    assert not any(str(button.key).startswith("talk-") for button in app.button)


def test_many_talks_are_shown_bit_by_bit(app: AppTest, memory: Memory) -> None:
    keep(memory, 15)
    open_page(app, "history")

    def listed() -> int:
        return sum(str(button.key).startswith("talk-") for button in app.button)

    assert listed() == 12
    app.button(key="history-more").click().run()
    assert listed() == 15
    assert not any(button.key == "history-more" for button in app.button)


def test_one_talk_and_all_can_be_deleted(app: AppTest, memory: Memory) -> None:
    keep(memory, 3)
    open_page(app, "history")
    app.button(key="talk-t1").click().run()
    app.button(key="delete-t1").click().run()
    assert memory.log is not None
    assert [talk.id for talk in memory.log.talks()] == ["t2", "t0"]
    app.button(key="delete-all").click().run()
    assert memory.log.talks() == []
    assert past_texts.HISTORY_EMPTY_TITLE in words(app)


def test_keeping_can_be_switched_off_and_limited(app: AppTest, memory: Memory) -> None:
    open_page(app, "history")
    app.toggle(key="history-keep").set_value(False).run()
    assert not memory.is_keeping
    assert past_texts.HISTORY_OFF in [info.value for info in app.info]
    app.selectbox(key="history-days").set_value(7).run()
    assert memory.preferences.value.history_days == 7


def test_a_broken_file_is_told_with_its_new_name(app: AppTest, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "history.db").write_bytes(b"no database" * 100)
    broken = Memory(folder)
    serve_with(memory=broken)
    open_page(app, "history")
    assert broken.log is not None
    assert broken.log.aside is not None
    assert broken.log.aside.name in app.warning[0].value
    broken.close()


def test_keeping_that_a_setting_forbids_says_so_and_cannot_be_switched_on(
    app: AppTest, tmp_path: Path
) -> None:
    folder = tmp_path / "forbidden"
    folder.mkdir()
    forbidden = Memory(folder, may_keep_talks=False)
    serve_with(memory=forbidden)
    open_page(app, "history")
    assert past_texts.HISTORY_OFF_BY_SETTING in [info.value for info in app.info]
    assert app.toggle(key="history-keep").disabled
    forbidden.close()


@pytest.mark.parametrize("page", ["history", "insights"])
def test_a_disk_that_gives_nothing_back_is_told_on_the_page(
    app: AppTest, memory: Memory, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    def unreadable(*_args: object, **_options: object) -> None:
        raise RecordsError("Past talks cannot be read now. Look at the disk's free space.")

    keep(memory)
    monkeypatch.setattr(memory.log, "talks", unreadable)
    monkeypatch.setattr(memory.log, "turns", unreadable)
    memory.problem = "A talk could not be kept."
    open_page(app, page)
    assert [warning.value for warning in app.warning] == [
        "A talk could not be kept.",
        "Past talks cannot be read now. Look at the disk's free space.",
    ]


def test_another_browsers_talks_are_not_shown_off_this_computer(
    app: AppTest, memory: Memory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.log is not None
    memory.log.save(replace(RECORD, started_wall_s=time.time()))
    memory.log.save(replace(RECORD, id="mine", owner=owner_of(BROWSER_ID), started_wall_s=time.time()))
    monkeypatch.setattr(compat, "is_bound_to_loopback", lambda: False)
    open_page(app, "history")
    keys = [str(button.key) for button in app.button if str(button.key).startswith("talk-")]
    assert keys == ["talk-mine"]


def test_somebody_elses_talk_is_shown_only_when_it_is_over(app: AppTest, memory: Memory) -> None:
    assert memory.log is not None
    others = replace(RECORD, id="others", started_wall_s=time.time(), is_over=False)
    memory.log.save(others)
    memory.log.save(replace(others, id="mine", owner=owner_of(BROWSER_ID)))

    def listed() -> set[str]:
        return {str(b.key) for b in app.button if str(b.key).startswith("talk-")}

    open_page(app, "history")
    assert listed() == {"talk-mine"}
    memory.log.save(replace(others, is_over=True), others)
    app.run()
    assert listed() == {"talk-mine", "talk-others"}


def test_figures_and_charts_are_made_from_the_kept_turns(app: AppTest, memory: Memory) -> None:
    keep(memory, 2)
    open_page(app, "insights")
    for figure in (past_texts.INSIGHTS_NOT_YET, "2 (100%)", "24.5", "$0.43"):
        assert f">{figure}</" in words(app)
    assert "0.60 s" not in words(app)
    assert past_texts.INSIGHTS_TOO_FEW in " ".join(caption.value for caption in app.caption)
    keep(memory, 20)
    app.run()
    assert words(app).count("<dd>0.60 s</dd>") == 2
    assert past_texts.INSIGHTS_EXAMPLE not in words(app)
    described = [
        json.loads(chart.proto.spec)["description"]
        for chart in app.get("vega_lite_chart")
        if "description" in chart.proto.spec
    ]
    for title in (
        past_texts.INSIGHTS_WAIT_TITLE,
        past_texts.INSIGHTS_STAGES_TITLE,
        past_texts.INSIGHTS_PARTS_TITLE,
        past_texts.INSIGHTS_FPS_TITLE,
        past_texts.INSIGHTS_LATE_TITLE,
        past_texts.INSIGHTS_DAYS_TITLE,
    ):
        assert sum(words_of.startswith(title) for words_of in described) == 1
    assert any("20 frames were not shown" in words_of for words_of in described)
    assert past_texts.INSIGHTS_COST_UNKNOWN in " ".join(caption.value for caption in app.caption)
    names = [file.proto.label for file in app.get("download_button")]
    assert names == [past_texts.INSIGHTS_CSV, past_texts.INSIGHTS_CSV_TALKS]


def test_talks_of_this_computer_alone_cost_nothing_and_say_so(app: AppTest, memory: Memory) -> None:
    assert memory.log is not None
    turn = Turn("r1", time.time(), True, None, None, None, None, None, False, None)
    free = {"cost_usd": None, "avatar_s": 0.0, "avatar_credits": 0, "costs": ()}
    memory.log.save(replace(RECORD, started_wall_s=time.time(), turns=(turn,), **free))
    open_page(app, "insights")
    captions = " ".join(caption.value for caption in app.caption)
    assert past_texts.INSIGHTS_COST_FREE in captions
    assert past_texts.INSIGHTS_NOT_SEEN in captions
    assert f"<dd>{past_texts.INSIGHTS_COST_NONE}</dd>" in words(app)


# ------------------------------------------------------------------ presets


def sidebar_key(app: AppTest, kind: str, name: str) -> str:
    return next(str(w.key) for w in getattr(app.sidebar, kind) if str(w.key).startswith(name))


def test_a_preset_is_saved_picked_and_back_after_a_restart(
    app: AppTest, hub: SessionHub, memory: Memory, tmp_path: Path
) -> None:
    app.run()
    app.sidebar.slider(key="look-speed").set_value(1.25).run()
    app.sidebar.text_input(key="preset-name").set_value("Fair").run()
    app.sidebar.button(key="preset-save").click().run()
    assert not app.exception
    app.sidebar.slider(key=sidebar_key(app, "slider", "look-speed")).set_value(0.75).run()
    restarted = Memory(tmp_path)
    (preset,) = restarted.presets.value.entries
    assert (preset.name, preset.value.speed) == ("Fair", 1.25)
    again = restarted.preferences.value.last_look()
    assert again is not None
    assert again.speed == 0.75
    restarted.close()
    talk = this_talk(app, hub)
    app.sidebar.selectbox(key=sidebar_key(app, "selectbox", "preset")).set_value("Fair").run()
    assert app.sidebar.slider(key=sidebar_key(app, "slider", "look-speed")).value == 1.25
    wait_for(lambda: talk.snapshot().look.speed == 1.25)
    app.sidebar.button(key="preset-delete").click().run()
    assert memory.presets.value.entries == ()


def test_an_imported_preset_says_what_came() -> None:
    look = Look(character="emil", speed=1.25, instructions="Be brief.")
    assert presets.imported("Fair", look) == (
        "“Fair” is saved and in use: Emil, speed 1.25 ×, Kai decides, with instructions."
    )


def test_the_last_settings_come_back_at_the_next_start(app: AppTest, memory: Memory) -> None:
    memory.keep_look(Look(character="mara", speed=1.1, instructions="Be brief."))
    app.run()
    assert app.sidebar.slider(key="look-speed").value == 1.1
    assert app.sidebar.text_area(key="look-instructions").value == "Be brief."


def test_a_preset_without_a_name_is_refused_with_a_word(app: AppTest, memory: Memory) -> None:
    app.run()
    app.sidebar.button(key="preset-save").click().run()
    assert memory.presets.value.entries == ()
    assert [toast.value for toast in app.toast] == ["A preset needs a name."]
