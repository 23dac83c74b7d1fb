"""A child process for tests of how children end: ``python -m tests.support.stubborn WHAT``.

``polite`` ends when its standard input does, ``deaf`` does not, but can be terminated, ``stubborn`` can be killed alone.
``chatty`` says numbered lines on standard error, one of them longer than a pipe, and ends at once with 3. All but that say
"ready" on standard output.
"""

from __future__ import annotations

import signal
import sys
import threading

LINES = 300


def main(what: str) -> int:
    """Does what it was asked; the exit code."""
    if what == "chatty":
        for number in range(LINES):
            print(f"line {number}" + "." * (200_000 if number == LINES // 2 else 0), file=sys.stderr)
        return 3
    if what == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    if what == "polite":
        sys.stdin.read()
        return 0
    threading.Event().wait()
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
