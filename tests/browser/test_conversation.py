"""Six spoken turns in Chromium with the model that thinks, and no way out of the computer where that can be arranged."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.browser.test_offline import namespace
from tests.support.walks import run_walk

WALK_S = 240


@pytest.mark.timeout(WALK_S + 40)
def test_six_spoken_turns_remember_stay_in_character_and_take_an_interruption(model_path: Path) -> None:
    command = namespace()
    way = [*command, sys.executable] if command is not None else [sys.executable]
    kind = "as-it-is" if command is None else "no-way-out"
    told = run_walk(
        [*way, "-m", "tests.browser.spoken_walk", kind],
        timeout_s=WALK_S,
        env={"KAI_MIND": str(model_path)},
    )
    assert "six turns in" in told
