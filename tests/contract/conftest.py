"""The suites' assertions tell what they saw, like those of test modules."""

import pytest

from tests.support.engine import engine
from tests.support.liveavatar import no_wait_for_a_rooms_first_report

__all__ = ["engine", "no_wait_for_a_rooms_first_report"]

pytest.register_assert_rewrite("tests.contract.suite_brain", "tests.contract.suite_face")
