"""The test marks reach the local face from wherever a setting may stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from kai import compose
from kai.records.memory import Memory
from kai.settings import Settings

YES, NO = ("1", "true", "True", "yes", "on"), ("0", "false", "no", "off")
SAID = [*((word, True) for word in YES), *((word, False) for word in NO), (None, False)]


@pytest.mark.parametrize("where", ["environment", ".env", "secrets"])
@pytest.mark.parametrize(("word", "has_marks"), SAID)
def test_the_local_face_wears_test_marks_when_the_setting_says_so(
    where: str, word: str | None, has_marks: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KAI_TEST_MARKS", raising=False)
    secrets: dict[str, str] = {}
    if word is not None:
        match where:
            case "environment":
                monkeypatch.setenv("KAI_TEST_MARKS", word)
            case ".env":
                Path(".env").write_text(f"KAI_TEST_MARKS={word}\n")
            case _:
                secrets["KAI_TEST_MARKS"] = word
    app = compose.SharedServices(Settings.load(secrets), Memory(tmp_path, may_keep_talks=False))
    assert app._spare._make_face()._has_marks is has_marks
