"""Six spoken turns in Chromium with the model that thinks, and no way out of the computer where that can be arranged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.test_offline import namespace

ROOT = Path(__file__).parents[2]
WALK_S = 180


@pytest.fixture
def model_path() -> Path:
    """The file of the model that thinks."""
    named = os.environ.get("KAI_MIND", "")
    if not named.endswith(".gguf") or not Path(named).is_file():
        pytest.skip("no model on this computer: KAI_MIND names none")
    return Path(named)


@pytest.mark.timeout(WALK_S + 20)
def test_six_spoken_turns_remember_stay_in_character_and_take_an_interruption(model_path: Path) -> None:
    command = namespace()
    way = [*command, sys.executable] if command is not None else [sys.executable]
    walk = subprocess.run(
        [*way, "-m", "tests.browser.spoken_walk", "as-it-is" if command is None else "no-way-out"],
        cwd=ROOT,
        env={**os.environ, "KAI_MIND": str(model_path)},
        capture_output=True,
        text=True,
        timeout=WALK_S,
        check=False,
    )
    assert walk.returncode == 0, walk.stdout[-3000:] + walk.stderr[-5000:]
    print(walk.stdout)
