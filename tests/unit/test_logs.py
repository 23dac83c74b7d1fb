"""What a log line tells in the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from kai.compat.logs import print_log

NAME = "kai.tests.log"


@pytest.fixture
def log() -> Iterator[logging.Logger]:
    logger = logging.getLogger(NAME)
    yield logger
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


def test_a_line_names_its_fields_and_is_printed_once(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    print_log("WARNING", NAME)
    print_log("WARNING", NAME)
    log.warning("the brain complained", extra={"code": "mind_unreachable", "param": None})
    log.warning("the face stopped")
    log.info("nobody needs to know")
    assert capsys.readouterr().err.splitlines() == [
        f"WARNING {NAME}: the brain complained (code=mind_unreachable, param=None)",
        f"WARNING {NAME}: the face stopped",
    ]


def test_a_traceback_stands_below_the_line_and_its_fields(
    log: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    print_log("ERROR", NAME)
    try:
        raise ValueError("a bug")
    except ValueError:
        log.exception("a fault", extra={"leg": "face"})
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0], lines[-1]) == (f"ERROR {NAME}: a fault (leg=face)", "ValueError: a bug")
