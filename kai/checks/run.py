"""Findings, and running all checks at once within a limit."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

LIMIT_S = 7.0
"""All checks together take no longer; each has its own, shorter limits. With the page's own 12 s that is 20 s at most."""

log = logging.getLogger(__name__)


class Level(StrEnum):
    """How it is: well, worth a look, broken, or not used here."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    UNUSED = "unused"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. ``code`` tells the cases of one check apart; ``facts`` are figures and names for the words."""

    name: str
    level: Level
    code: str
    facts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


Check = Callable[[], Finding]


class Running:
    """All checks at once, begun now. ``findings`` may be called from any thread, and again."""

    def __init__(self, checks: Mapping[str, Check], limit_s: float = LIMIT_S) -> None:
        pool = ThreadPoolExecutor(max_workers=max(1, len(checks)), thread_name_prefix="kai-check")
        self._deadline_s = time.monotonic() + limit_s
        self._running = {name: pool.submit(check) for name, check in checks.items()}
        pool.shutdown(wait=False)

    def findings(self) -> list[Finding]:
        """What was found, in the order of the checks; waits until the limit. A check that is late, or has a fault of its
        own, says so and stops no other."""
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
    """The worst level of all; green of none."""
    for level in (Level.RED, Level.AMBER):
        if any(finding.level is level for finding in findings):
            return level
    return Level.GREEN
