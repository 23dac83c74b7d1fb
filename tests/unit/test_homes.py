"""Home and data folders of any name, or none: Kai starts, and the memory says what is off."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai.compose import open_memory
from kai.errors import ConfigError
from kai.records.preferences import Preferences
from kai.settings import Settings


@pytest.fixture(autouse=True)
def no_folders_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("XDG_DATA_HOME", "KAI_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "name",
    ["My Talks", "Überfuß", "家", "🙂 x", "a'b\"c", "percent%20", "what?#", "semi;colon", "-dash", "x" * 200],
)
def test_a_folder_of_any_name_keeps_what_it_is_given(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / name))
    memory = open_memory(Settings.load())
    try:
        assert (memory.problem, memory.is_keeping) == ("", True)
        memory.preferences.write(Preferences())
        assert memory.documents.add("notes.txt", b"text") in memory.documents.names()
        assert memory.folder.is_relative_to(tmp_path / name)
    finally:
        memory.close()


@pytest.mark.parametrize("home", ["/dev/null/x", "/proc/nobody"])
def test_where_the_home_folder_cannot_be_written_to_nothing_is_kept_and_that_is_said(
    home: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", home)
    memory = open_memory(Settings.load())
    try:
        assert "KAI_DATA_DIR" in memory.problem
        assert not memory.is_keeping
        assert memory.preferences.value == Preferences()
        assert memory.documents.names() == ()
        assert memory.asides == ()
    finally:
        memory.close()


@pytest.mark.parametrize("chosen", ["/dev/null/x", "/proc/nobody/x"])
def test_a_folder_that_the_settings_name_and_that_cannot_be_is_a_wrong_setting(
    chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAI_DATA_DIR", chosen)
    with pytest.raises(ConfigError, match="KAI_DATA_DIR"):
        open_memory(Settings.load())
