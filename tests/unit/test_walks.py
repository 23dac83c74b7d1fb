"""Walks: what they print, how they fail, and that a late one ends what it has begun."""

from __future__ import annotations

import sys

import pytest

from tests.support.walks import run_walk

# Says when the process below is there, and writes down that it has ended it.
LATE = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
try:
    print("begun", flush=True)
    time.sleep(600)
finally:
    child.kill()
    child.wait()
    print("ended its child", flush=True)
"""


def test_what_a_walk_printed_is_told() -> None:
    assert run_walk([sys.executable, "-c", "print('all of it works')"], timeout_s=30) == "all of it works\n"


def test_a_walk_that_fails_is_told_with_its_end() -> None:
    with pytest.raises(pytest.fail.Exception, match="(?s)ended with 1.*ValueError: nobody"):
        run_walk([sys.executable, "-c", "raise ValueError('nobody')"], timeout_s=30)


def test_a_late_walk_ends_what_it_has_begun() -> None:
    with pytest.raises(pytest.fail.Exception, match="(?s)not over after.*begun.*ended its child"):
        run_walk([sys.executable, "-c", LATE], timeout_s=4)
