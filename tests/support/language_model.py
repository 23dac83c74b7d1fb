"""The real language model for tests: where it lies, or why it is not there.

Tests run with ``KAI_MIND=none`` (``tests/conftest.py``), so that what an engine answers does not depend on what was fetched.
A test that is about the model asks for the fixture ``model_path`` and gives it to its engine as ``KAI_MIND``. What the person
had set there is used for it. Without the model such tests are left out, loudly; CI, and anybody who sets
``KAI_REQUIRE_MODEL=1``, gets failures.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kai.engine.models import places
from kai.engine.models.catalogue import QWEN_1_5B

LEFT_OUT = "LEFT OUT, THE LANGUAGE MODEL IS NOT HERE: "
_CHOSEN = os.environ.get(places.MIND_VARIABLE, "")


def leave_out_by_default() -> None:
    """From now on engines of this process and its children have no large mind, unless a test gives them one."""
    os.environ[places.MIND_VARIABLE] = "none"


def require_model() -> Path:
    """The model's file; skips the test, or fails it where the model is demanded."""
    chosen = _CHOSEN if _CHOSEN.strip().lower() != "none" else ""
    path = Path(chosen) if chosen else places.find(QWEN_1_5B)
    if path is not None and path.is_file():
        return path
    reason = f"{LEFT_OUT}run `make install`, or `.venv/bin/python -m kai.engine.models fetch`"
    if os.environ.get("CI", "").lower() in {"1", "true"} or os.environ.get("KAI_REQUIRE_MODEL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
