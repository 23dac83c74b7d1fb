"""Findings, and the concurrent run of all checks within a time limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

LIMIT_S = 7.0
"""The time limit for all checks together; each has its own, shorter one. With the page's own 12 s that is 20 s at most."""

log = logging.getLogger(__name__)


class Level(StrEnum):
    """The rating of a finding: good, doubtful, broken, or not used here."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check. ``code`` distinguishes its cases; ``facts`` are figures and names for the page's text."""

    name: str
    level: Level
    code: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


Check = Callable[[], Finding]


class Running:
    """A concurrent run of all checks, started on construction. ``findings`` may be called repeatedly, from any thread."""

    def __init__(self, checks: Mapping[str, Check], limit_s: float = LIMIT_S) -> None:
        pool = ThreadPoolExecutor(max_workers=max(1, len(checks)), thread_name_prefix="kai-check")
        self._deadline_s = time.monotonic() + limit_s
        self._running = {name: pool.submit(check) for name, check in checks.items()}
        pool.shutdown(wait=False)

    def findings(self) -> list[Finding]:
        """Wait for the findings, at most until the limit, and return them in the order of the checks. A check that is late
        or raises gets a finding that says so, and does not affect the others."""
        return [_finding(name, future, self._deadline_s) for name, future in self._running.items()]


def _finding(name: str, future: Future[Finding], deadline_s: float) -> Finding:
    try:
        return future.result(max(0.0, deadline_s - time.monotonic()))
    except TimeoutError:
        return Finding(name, Level.AMBER, "late")
    except Exception:
        log.exception("a fault in a check", extra={"check": name})
        return Finding(name, Level.AMBER, "fault")


def worst(findings: Sequence[Finding]) -> Level:
    """Return the worst level of all findings, or green if there are none."""
    for level in (Level.RED, Level.AMBER):
        if any(finding.level is level for finding in findings):
            return level
    return Level.GREEN
