"""The suites' assertions tell what they saw, like those of test modules."""

import pytest

from tests.support.engine import engine

__all__ = ["engine"]

pytest.register_assert_rewrite("tests.contract.suite_brain", "tests.contract.suite_face")
