"""``python -m kai.live``: test the services whose keys are set, print a table, and keep the recording.

The exit code is 1 if a row differs from what Kai assumes, and 2 if no session can be opened.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from kai.errors import KaiError
from kai.live.report import FILE_NAME, Budget, Recording, Row, table
from kai.live.session import BUDGET_USD, cost_words, look, write
from kai.settings import Settings


def main(argv: list[str] | None = None, settings: Settings | None = None) -> int:
    """Run all tests and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kai.live", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--paid", action="store_true", help="the account's own avatar in place of the free sandbox"
    )
    parser.add_argument("--budget", type=float, default=BUDGET_USD, help="US dollars that are not exceeded")
    parser.add_argument("--file", type=Path, default=Path(FILE_NAME), help="where the recording goes")
    given = parser.parse_args(argv)
    recording, rows, budget = Recording(), list[Row](), Budget(given.budget)
    try:
        chosen = settings or Settings.load({})
        if not (chosen.has_cloud_face or chosen.has_cloud_brain):
            print("Set LIVEAVATAR_API_KEY or OPENAI_API_KEY first.", file=sys.stderr)
            return 2
        print(cost_words(chosen, is_sandbox=not given.paid, budget_usd=given.budget))
        try:
            asyncio.run(look(chosen, rows, is_sandbox=not given.paid, budget=budget, recording=recording))
        finally:
            print(table(rows))
            write(recording, given.file)
    except KaiError as exc:
        print(f"{exc.message} {exc.detail}".strip(), file=sys.stderr)
        return 2
    print(f"It cost ${budget.spent_usd:.2f}. Recorded in {given.file}, without keys, addresses and sound.")
    return 1 if any(row.is_different for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
