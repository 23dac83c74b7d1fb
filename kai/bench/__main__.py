"""``python -m kai.bench [part ...] [--json FILE]``: the figures of this machine, printed and, where asked, written down."""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

PARTS = {
    "page": "a run of the Talk page and a refresh of its live part, at the server",
    "speech": "words heard wrong, time to the first clause, cost of hearing and speaking",
    "turns": "end of speech to Kai's voice by patience, and interrupting him, in a browser",
    "capacity": "how many talks the engine carries at once, and what they cost",
    "brain": "time to connect to a Realtime brain, our delay of its sound, interrupt to silence",
    "talk": "start, answers, frames, interruption, lips and CPU of the whole app, in a browser",
    "style": "another colour, haircut or character while Kai talks: seconds until it shows, pictures a second meanwhile",
    "avatar": "sound against picture and interruption with the cloud face, the local LiveAvatar in HeyGen's place",
    "face": "the rendered face's pixels, followed by MediaPipe: lips, closures, blinks, cost; and whether its gates hold",
}
LONG_PARTS = {
    "soak": "what grows in a long talk (--minutes, 30 if not given) with the cloud face; only when it is named",
}


def main(argv: list[str] | None = None) -> int:
    """Run the parts that were named, or all of them."""
    parser = argparse.ArgumentParser(
        prog="python -m kai.bench",
        description="Measures Kai on this machine.",
        epilog="Parts: " + "; ".join(f"{name} ({text})" for name, text in {**PARTS, **LONG_PARTS}.items()),
    )
    parser.add_argument(
        "parts",
        nargs="*",
        metavar="part",
        choices=[*PARTS, *LONG_PARTS, []],
        help="which to run; all but the soak by default",
    )
    parser.add_argument("--minutes", type=float, default=30.0, help="how long the soak lasts")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {"machine": machine()}
    print_figures("machine", figures["machine"])
    for part in options.parts or PARTS:
        run = importlib.import_module(f"kai.bench.{part}").run
        figures[part] = run(options.minutes) if part in LONG_PARTS else run()
        print_figures(part, figures[part])
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1, default=str) + "\n")
    return 0


def machine() -> dict[str, Any]:
    """What the figures were taken on."""
    return {
        "command": "python -m kai.bench " + " ".join(sys.argv[1:]),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="minutes"),
        "commit": git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else ""),
        "cpu": cpu_name(),
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "system": platform.platform(terse=True),
    }


def git(*words: str) -> str:
    """What git says, or nothing where there is no git."""
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def cpu_name() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def print_figures(part: str, figures: dict[str, Any]) -> None:
    """A part's figures, a line each."""
    print(f"\n{part}")
    for name, value in figures.items():
        print(f"  {name:<44} {value}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
