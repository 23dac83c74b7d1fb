"""``python tools/run_tests.py [pytest's arguments]``: all tests but the long ones, in less time than one after the other.

Most contract and loopback tests wait for sockets and real time, and leave one of two cores free. So there are two lanes of
about the same length: the loopback tests and the strangers' clients run beside the unit, page and contract tests, and what
the second lane printed is shown when both have ended. The tests in browsers time what they see: they run alone, last. Ends
with 0 when every test passed, 1 when one failed, and 5 when no test was chosen.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("loopback", "contract/test_strangers_*.py")
BESIDE = ("unit", "ui", "contract/test_*.py")
ALONE = ("browser",)
SLOWEST = "--durations=12"
NO_TESTS = 5


def found(patterns: tuple[str, ...]) -> list[str]:
    """The folders and files below ``tests`` that have these names or patterns."""
    return [str(path.relative_to(ROOT)) for name in patterns for path in sorted((ROOT / "tests").glob(name))]


def command(tests: list[str], arguments: list[str]) -> list[str]:
    """The command that runs these tests."""
    return [sys.executable, "-m", "pytest", "-m", "not long", SLOWEST, *tests, *arguments]


def main(arguments: list[str]) -> int:
    """Runs the groups; see the module."""
    shown = found(SHOWN)
    others = [test for test in found(BESIDE) if test not in shown]
    with tempfile.TemporaryFile() as kept:
        beside = subprocess.Popen(
            command(others, arguments),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=kept,
            stderr=subprocess.STDOUT,
        )
        try:
            codes = [subprocess.call(command(shown, arguments), cwd=ROOT)]
            codes.append(beside.wait())
        finally:
            if beside.poll() is None:
                beside.terminate()
                beside.wait()
        kept.seek(0)
        sys.stdout.write(kept.read().decode(errors="replace"))
        sys.stdout.flush()
    codes.append(subprocess.call(command(found(ALONE), arguments), cwd=ROOT))
    if set(codes) == {NO_TESTS}:
        return NO_TESTS
    return int(any(code not in (0, NO_TESTS) for code in codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
