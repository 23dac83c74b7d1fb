"""What outlives a talk: the file of past talks, preferences and presets, and the files that cannot be read."""

from __future__ import annotations

import json
import sqlite3
import stat
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kai.core.config import BrainConfig, FaceStyle, TurnTaking
from kai.core.events import (
    LegConnected,
    MessagesCleared,
    ResetRequested,
    StartRequested,
    StopRequested,
    TextSubmitted,
)
from kai.core.state import LegName, Look
from kai.core.store import Store
from kai.errors import KaiError
from kai.records.memory import DAY_S, FORGET_INTERVAL_S, Memory, owner_of
from kai.records.named import MOST, NamedError
from kai.records.preferences import Presets, preset_of, read_preset
from kai.records.turn_log import RecordsError, TurnLog
from kai.records.turns import Follower
from tests.unit.test_turns_kept import RECORD


@pytest.fixture
def log(tmp_path: Path) -> Iterator[TurnLog]:
    log = TurnLog(tmp_path / "history.db")
    yield log
    log.close()


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    memory = Memory(tmp_path)
    yield memory
    memory.close()


def begin(store: Store, *lines: str) -> None:
    store.dispatch(StartRequested(time.time(), Look()))
    for i, line in enumerate(lines):
        store.dispatch(TextSubmitted(f"item-{i}", line))


# ------------------------------------------------------------------ the file of past talks


def test_a_talk_reads_back_as_it_was_saved(log: TurnLog) -> None:
    log.save(RECORD)
    assert log.read("t1") == RECORD
    assert log.read("another") is None


def test_a_growing_talk_is_written_from_its_first_change_on(log: TurnLog) -> None:
    shorter = replace(RECORD, lines=RECORD.lines[:1], turns=(), is_over=False)
    log.save(shorter)
    changed = replace(RECORD, lines=(RECORD.lines[0], replace(RECORD.lines[1], text="Changed")))
    log.save(RECORD, shorter)
    log.save(changed, RECORD)
    assert log.read("t1") == changed
    log.save(shorter, changed)
    assert log.read("t1") == shorter


def test_talks_are_listed_newest_first_with_their_first_words(log: TurnLog) -> None:
    log.save(RECORD)
    log.save(replace(RECORD, id="t2", started_wall_s=RECORD.started_wall_s + 60, lines=()))
    newest, oldest = log.talks()
    assert (newest.id, newest.first_words, newest.line_count) == ("t2", "", 0)
    assert (oldest.first_words, oldest.line_count) == ("Is 1 < 2 & *true*?", 2)


@pytest.mark.parametrize(
    ("search", "is_found"),
    [
        ("TRUE", True),
        ("is yes", True),
        ("straße", True),
        ("ärger STRASSE", True),
        ("100%", False),
        ("_", False),
    ],
)
def test_every_searched_word_must_stand_in_the_talk(log: TurnLog, search: str, is_found: bool) -> None:
    third = replace(RECORD.lines[0], id="u2", text="Ärger in der Straße")
    log.save(replace(RECORD, lines=(*RECORD.lines, third)))
    assert bool(log.talks(search=search)) is is_found


def test_a_talk_is_shown_to_its_owner_alone_where_owners_count(log: TurnLog) -> None:
    log.save(RECORD)
    assert log.talks(owner="another") == []
    assert log.read("t1", "another") is None
    assert log.turns(owner="another") == []
    assert not log.delete("t1", "another")
    assert log.delete_all("another") == 0
    assert [talk.id for talk in log.talks(owner="whose")] == ["t1"]
    assert [name for name, _ in log.turns(owner="whose")] == ["t1"]


def test_what_was_deleted_stands_in_the_file_no_more(log: TurnLog) -> None:
    words = "a secret between us"
    log.save(replace(RECORD, lines=(replace(RECORD.lines[0], text=words),)))
    assert words.encode() in log.path.read_bytes()
    assert log.delete("t1")
    assert log.read("t1") is None
    assert log.turns() == []
    assert words.encode() not in log.path.read_bytes()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other rights")
def test_the_file_is_the_users_alone(log: TurnLog) -> None:
    assert stat.S_IMODE(log.path.stat().st_mode) == 0o600


def test_a_broken_file_is_set_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    path.write_bytes(b"this is no database, or it was one once" * 40)
    log = TurnLog(path)
    assert log.aside is not None
    assert log.aside.read_bytes().startswith(b"this is no database")
    assert log.talks() == []
    log.close()


OLD_SCHEMA = """
CREATE TABLE talks (id VARCHAR(16) PRIMARY KEY, owner VARCHAR(64) NOT NULL, started_wall_s FLOAT NOT NULL,
  lasted_s FLOAT NOT NULL, is_over BOOLEAN NOT NULL, character VARCHAR(64) NOT NULL, voice VARCHAR(64) NOT NULL);
CREATE TABLE lines (talk_id VARCHAR(16) REFERENCES talks (id) ON DELETE CASCADE, position INTEGER, id VARCHAR(128) NOT NULL,
  role VARCHAR(16) NOT NULL, text TEXT NOT NULL, at_wall_s FLOAT NOT NULL, start_ms INTEGER NOT NULL,
  end_ms INTEGER NOT NULL, is_interrupted BOOLEAN NOT NULL, response_id VARCHAR(128) NOT NULL,
  PRIMARY KEY (talk_id, position));
CREATE TABLE turns (talk_id VARCHAR(16) REFERENCES talks (id) ON DELETE CASCADE, position INTEGER,
  response_id VARCHAR(128) NOT NULL, at_wall_s FLOAT NOT NULL, is_typed BOOLEAN NOT NULL, think_ms INTEGER,
  voice_ms INTEGER, face_ms INTEGER, wait_ms INTEGER, spoken_ms INTEGER, is_interrupted BOOLEAN NOT NULL, cost_usd FLOAT,
  PRIMARY KEY (talk_id, position));
INSERT INTO talks VALUES ('old', 'whose', 5.0, 9.0, 1, 'kai', 'marin');
INSERT INTO turns VALUES ('old', 0, 'r1', 5.5, 0, 1, 2, 3, 6, 7, 0, NULL);
PRAGMA user_version = 1;
"""


def test_a_file_of_an_older_kai_gets_what_it_lacks(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "history.db")
    connection.executescript(OLD_SCHEMA)
    connection.close()
    for _ in range(2):
        log = TurnLog(tmp_path / "history.db")
        old = log.read("old")
        assert old is not None
        assert (old.cost_usd, old.is_cost_exact, old.avatar_s) == (None, True, 0.0)
        assert (old.turns[0].wait_ms, old.turns[0].sent_fps) == (6, None)
        assert (old.turns[0].mind, old.turns[0].tokens_per_s) == (None, None)
        log.save(RECORD)
        assert log.read("t1") == RECORD
        log.close()


def test_a_newer_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(RecordsError, match="newer Kai"):
        TurnLog(path)
    assert path.exists()
    memory = Memory(tmp_path)
    assert memory.log is None
    assert "newer Kai" in memory.problem
    memory.close()


# ------------------------------------------------------------------ following talks


def test_a_talk_is_kept_while_it_goes_on_and_when_it_is_over(memory: Memory) -> None:
    store = Store()
    memory.follow(store, Follower("me"))
    begin(store, "Hello")
    memory.flush()
    assert memory.log is not None
    (summary,) = memory.log.talks()
    assert (summary.first_words, summary.is_over) == ("Hello", False)
    store.dispatch(StopRequested())
    memory.flush()
    assert memory.log.talks(owner="me")[0].is_over


def test_a_closed_memory_has_written_everything(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    store = Store()
    memory.follow(store)
    begin(store, "Hello", "And again")
    memory.close()
    log = TurnLog(tmp_path / "history.db")
    assert log.talks()[0].line_count == 2
    log.close()


def test_switched_off_nothing_is_kept(memory: Memory, tmp_path: Path) -> None:
    memory.keep_talks(False)
    store = Store()
    memory.follow(store)
    begin(store, "Hello")
    memory.flush()
    assert memory.log is not None
    assert memory.log.talks() == []
    again = Memory(tmp_path)
    assert not again.is_keeping
    again.close()


def test_what_was_said_while_keeping_was_off_stays_unkept(memory: Memory) -> None:
    store = Store()
    memory.follow(store)
    begin(store, "Kept")
    memory.keep_talks(False)
    store.dispatch(TextSubmitted("between", "Between us"))
    memory.keep_talks(True)
    store.dispatch(TextSubmitted("later", "Of the same talk"))
    memory.flush()
    assert memory.log is not None
    (summary,) = memory.log.talks()
    assert (summary.line_count, summary.is_over) == (1, True)
    store.dispatch(StopRequested())
    store.dispatch(ResetRequested())
    begin(store, "The next one")
    memory.flush()
    assert [talk.first_words for talk in memory.log.talks()] == ["The next one", "Kept"]


def test_a_talk_of_a_killed_app_goes_on_no_more(tmp_path: Path) -> None:
    log = TurnLog(tmp_path / "history.db")
    log.save(replace(RECORD, is_over=False, started_wall_s=time.time()))
    log.close()
    memory = Memory(tmp_path)
    assert memory.log is not None
    assert memory.log.talks()[0].is_over
    memory.close()


def test_old_talks_go_while_the_app_runs_for_days(tmp_path: Path) -> None:
    now_s = [0.0]
    memory = Memory(tmp_path, clock=lambda: now_s[0])
    assert memory.log is not None
    memory.log.save(replace(RECORD, started_wall_s=time.time() - 200 * DAY_S))
    now_s[0] = FORGET_INTERVAL_S + 1
    store = Store()
    memory.follow(store)
    begin(store, "Hello")
    deadline_s = time.monotonic() + 10
    while any(talk.id == "t1" for talk in memory.log.talks()):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    memory.close()


def test_a_setting_forbids_keeping_whatever_the_page_says(tmp_path: Path) -> None:
    memory = Memory(tmp_path, may_keep_talks=False)
    memory.keep_talks(True)
    assert not memory.is_keeping
    memory.close()


def test_a_deleted_talk_that_goes_on_does_not_come_back(memory: Memory) -> None:
    store = Store()
    memory.follow(store)
    begin(store, "Hello")
    memory.flush()
    assert memory.log is not None
    assert memory.delete_all() == 1
    store.dispatch(TextSubmitted("later", "More"))
    memory.flush()
    assert memory.log.talks() == []


def test_cleared_lines_are_cleared_from_what_is_kept(memory: Memory) -> None:
    store = Store()
    memory.follow(store)
    begin(store, "Hello")
    store.dispatch(LegConnected(LegName.BRAIN))
    memory.flush()
    store.dispatch(MessagesCleared())
    store.dispatch(TextSubmitted("later", "More"))
    memory.flush()
    assert memory.log is not None
    (summary,) = memory.log.talks()
    assert summary.first_words == "More"


def test_talks_older_than_the_chosen_days_go(memory: Memory) -> None:
    assert memory.log is not None
    memory.log.save(replace(RECORD, started_wall_s=time.time() - 40 * DAY_S))
    memory.keep_days(90)
    assert len(memory.log.talks()) == 1
    memory.keep_days(30)
    assert memory.log.talks() == []
    with pytest.raises(KaiError):
        memory.keep_days(0)


def test_a_full_disk_is_told_and_ends_no_talk(memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object) -> None:
        raise RecordsError("Past talks cannot be written now. Look at the disk's free space.")

    monkeypatch.setattr(memory.log, "save", full)
    store = Store()
    memory.follow(store)
    begin(store, "Hello")
    memory.flush()
    assert "free space" in memory.problem
    monkeypatch.undo()
    store.dispatch(TextSubmitted("later", "More"))
    memory.flush()
    assert memory.problem == ""
    assert memory.log is not None
    assert memory.log.talks()[0].line_count == 2


def test_an_owner_does_not_tell_the_browser() -> None:
    assert "secret-browser" not in owner_of("secret-browser")
    assert owner_of("a") != owner_of("b")


# ------------------------------------------------------------------ preferences and presets


def test_the_last_look_comes_back(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.keep_look(Look(character="mara", speed=1.2, instructions="Be brief."))
    memory.close()
    again = Memory(tmp_path)
    assert again.preferences.value.last_look() == Look(character="mara", speed=1.2, instructions="Be brief.")
    again.close()


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"history_days": "long"}', b"\xff\xfe"])
def test_broken_settings_are_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "preferences.json").write_bytes(content)
    (tmp_path / "presets.json").write_bytes(content)
    memory = Memory(tmp_path)
    assert memory.preferences.value.history_days == 90
    asides = {path.name.partition(".")[0] for path in memory.asides}
    assert "preferences" in asides
    assert all(path.exists() for path in memory.asides)
    memory.close()


def test_a_look_that_makes_no_sense_any_more_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "preferences.json").write_text('{"look": {"speed": "fast"}}')
    memory = Memory(tmp_path)
    assert memory.preferences.value.last_look() is None
    memory.close()


def test_presets_are_saved_changed_and_deleted(tmp_path: Path) -> None:
    memory = Memory(tmp_path)
    memory.presets.write(memory.presets.value.with_one("  The   host ", Look(voice="cedar")))
    memory.presets.write(memory.presets.value.with_one("The host", Look(voice="ash")))
    memory.close()
    again = Memory(tmp_path)
    (preset,) = again.presets.value.entries
    assert (preset.name, preset.value.voice) == ("The host", "ash")
    again.presets.write(again.presets.value.without("The host"))
    assert again.presets.value.entries == ()
    again.close()


def test_an_exported_preset_is_imported_as_it_was() -> None:
    preset = preset_of("Host", Look(character="ade", instructions="Grüß Gott."))
    assert read_preset(preset.model_dump_json().encode()) == preset


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "not-a-preset"),
        (b"[]", "not-a-preset"),
        (b'{"kai_preset": 2, "name": "x", "look": {}}', "not-a-preset"),
        (b'{"kai_preset": 1, "name": "x", "look": {"speed": "fast"}}', "not-a-preset"),
        (b'{"kai_preset": 1, "name": "  ", "look": {}}', "no-name"),
        (b"x" * 70_000, "too-large"),
    ],
)
def test_what_is_no_preset_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(NamedError) as caught:
        read_preset(content)
    assert caught.value.code == code


def test_a_preset_from_outside_is_brought_into_range() -> None:
    content = json.dumps({"kai_preset": 1, "name": "x", "look": {"speed": 99, "instructions": "a" * 9000}})
    look = read_preset(content.encode()).value
    assert look.speed == 1.5
    assert len(look.instructions) == 2000


def test_there_is_an_end_to_presets() -> None:
    presets = Presets()
    for i in range(MOST):
        presets = presets.with_one(f"p{i}", Look())
    with pytest.raises(NamedError) as caught:
        presets.with_one("one more", Look())
    assert caught.value.code == "too-many"


FILES = {
    "presets.json": """{"presets": [{"kai_preset": 1, "name": "Fair", "look": {"character": "mara", "voice": "marin",
        "speed": 1.25, "instructions": "Be brief.", "brain": {"turn_taking": "server_vad", "silence_duration_ms": 900,
        "tools": ["current_time"], "greeting": ""}, "face": "", "runs": "", "a_setting_of_later": 1}}]}""",
    "personas.json": """{"personas": [{"name": "Guide", "instructions": "You are a guide."}]}""",
    "styles.json": """{"styles": [{"name": "Evening", "style": {"character": "kai", "cloth": "#111111"}}]}""",
}
"""Such as Kai has written them since it keeps them."""


def test_files_of_presets_personas_and_styles_are_read_and_written_as_they_always_were(
    tmp_path: Path,
) -> None:
    for name, content in FILES.items():
        (tmp_path / name).write_text(content)
    memory = Memory(tmp_path)
    assert memory.asides_of_settings == ()
    brain = BrainConfig(turn_taking=TurnTaking.SERVER_VAD, silence_duration_ms=900, tools=("current_time",))
    look = Look("mara", "marin", 1.25, "Be brief.", brain)
    assert [(one.name, one.value) for one in memory.presets.value.entries] == [("Fair", look)]
    assert [(one.name, one.value) for one in memory.personas.value.entries] == [("Guide", "You are a guide.")]
    style = FaceStyle("kai", cloth="#111111")
    assert [(one.name, one.value) for one in memory.styles.value.entries] == [("Evening", style)]
    memory.presets.write(memory.presets.value.with_one("Stand", look))
    memory.personas.write(memory.personas.value.with_one("Host", "You host."))
    memory.styles.write(memory.styles.value.with_one("Day", style))
    for name in FILES:
        kept = json.loads((tmp_path / name).read_text())
        (word,) = kept
        assert f"{word}.json" == name
        assert len(kept[word]) == 2
    memory.close()
    again = Memory(tmp_path)
    for before, after in ((memory.presets, again.presets), (memory.personas, again.personas)):
        assert [(one.name, one.value) for one in after.value.entries] == [
            (one.name, one.value) for one in before.value.entries
        ]
    assert again.styles.value == memory.styles.value
    again.close()
