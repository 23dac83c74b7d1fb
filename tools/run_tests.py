"""``python tools/run_tests.py [pytest's arguments]``: all tests but the long ones, in less time than one after the other.

Most contract and loopback tests wait for sockets and real time, and leave one of two cores free. So there are two lanes: the
loopback tests run beside the unit, page and contract tests, and what the second lane printed is shown when both have ended.
The tests in browsers time what they see: they run alone, last. Ends with 0 when every test passed, 1 when one failed, and 5
when no test was chosen.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHOWN = ("loopback",)
BESIDE = ("unit", "ui", "contract")
ALONE = ("browser",)
NO_TESTS = 5


def command(rooms: tuple[str, ...], arguments: list[str]) -> list[str]:
    """The command that runs the tests of these folders."""
    found = [f"tests/{room}" for room in rooms if (ROOT / "tests" / room).is_dir()]
    return [sys.executable, "-m", "pytest", "-m", "not long", *found, *arguments]


def main(arguments: list[str]) -> int:
    """Runs the groups; see the module."""
    with tempfile.TemporaryFile() as kept:
        beside = subprocess.Popen(
            command(BESIDE, arguments),
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=kept,
            stderr=subprocess.STDOUT,
        )
        try:
            codes = [subprocess.call(command(SHOWN, arguments), cwd=ROOT)]
            codes.append(beside.wait())
        finally:
            if beside.poll() is None:
                beside.terminate()
                beside.wait()
        kept.seek(0)
        sys.stdout.write(kept.read().decode(errors="replace"))
        sys.stdout.flush()
    codes.append(subprocess.call(command(ALONE, arguments), cwd=ROOT))
    if set(codes) == {NO_TESTS}:
        return NO_TESTS
    return int(any(code not in (0, NO_TESTS) for code in codes))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
