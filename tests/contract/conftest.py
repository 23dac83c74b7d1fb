"""The suites' assertions tell what they saw, like those of test modules."""

import pytest

from tests.support.engine import engine

__all__ = ["engine"]

pytest.register_assert_rewrite("tests.contract.suite_brain", "tests.contract.suite_face")


@pytest.fixture(autouse=True)
def _no_wait_for_a_rooms_first_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud face holds its first answer until its room has reported, some seconds. `test_room_media` tests that."""
    monkeypatch.setattr("kai.adapters.liveavatar.face.FIRST_REPORT_S", 0.0)
