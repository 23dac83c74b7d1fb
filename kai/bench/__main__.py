"""``python -m kai.bench [part ...] [--json FILE]``: measures this machine, prints the figures and can write them to a file.

A part with bars ends with a table that says which were held and which were missed; a missed bar makes the exit code 1. Every
part ends within ten minutes, unless ``--long`` asks for the whole run.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kai.bench.bars import Bar, at_most, judged, table
from kai.bench.part import PART_S, Wanted

PARTS = {
    "mind": "what Kai says to everyday prompts: right or wrong, speakable or not, by which mind, how fast",
    "mind_long": "whether a fact of the first of 31 turns is known at the last",
    "mind_pair": "two talks at once that have to be thought about: seconds to the first sound",
    "mind_tools": "whether Kai uses the session's tools when somebody asks for what they do",
    "page": "a run of the Talk page and a refresh of its live part, at the server; its first paint, in a browser",
    "speech": "words heard wrong, time to the first clause, cost of hearing and speaking",
    "voices": "the characters' voices: cost, first sound, words heard back, pitch, naturalness, told apart",
    "turns": "end of speech to Kai's voice by patience, and interrupting Kai, in a browser",
    "capacity": "how many talks the engine carries at once, and what they cost",
    "compare": "Kai over WebRTC and over a WebSocket against Pipecat, on the same servers, turn about",
    "brain": "time to connect to a Realtime brain, our delay of its sound, interrupt to silence",
    "talk": "start, answers, frames, interruption, lips and CPU of the whole app, in a browser",
    "style": "another colour, haircut or character while Kai talks: seconds until it shows, pictures a second meanwhile",
    "heard": "which words of an interrupted answer were heard: a thousand in virtual time, thirty over sockets",
    "ladder": "the cloud's brain lost: seconds until this computer is heard in its place; and costs beside the ledger",
    "avatar": "sound against picture and interruption with the cloud face, the local LiveAvatar in HeyGen's place",
    "face": "the rendered face's pixels, followed by MediaPipe: lips, closures, blinks, cost; and whether its gates hold",
}
LONG_PARTS = {
    "soak": "what grows in a long talk (--minutes; 8, or 30 with --long) with the cloud face; only when it is named",
}
WIDE_CHARS = 100
ADJUSTABLE = ("mind", "mind_long", "turns", "soak")
"""The parts that take a ``Wanted``: they have a long run, or more that they can show."""


def main(argv: list[str] | None = None) -> int:
    """Run the named parts, or all of them; return the exit code."""
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
    parser.add_argument("--long", action="store_true", help="all of a part, however long it takes")
    parser.add_argument("--minutes", type=float, help="how long the soak lasts")
    parser.add_argument(
        "--show-held",
        action="store_true",
        help="also show wrong answers to prompts that were held back; never tune a mind with them",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to FILE")
    options = parser.parse_args(argv)
    figures: dict[str, Any] = {"machine": machine()}
    print_figures("machine", figures["machine"])
    wanted = Wanted(is_long=options.long, shows_held=options.show_held, minutes=options.minutes)
    missed = 0
    for part in options.parts or PARTS:
        found, bars = measured(part, wanted)
        figures[part] = judged(found, bars)
        print_figures(part, found)
        for line in table(bars):
            print(f"  {line}", flush=True)
        missed += sum(not bar.is_held for bar in bars)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(figures, indent=1, default=str) + "\n")
    if missed:
        print(f"\n{missed} of the bars were missed.", flush=True)
    return 1 if missed else 0


def measured(part: str, wanted: Wanted) -> tuple[dict[str, Any], list[Bar]]:
    """Run a part; return its figures, with the seconds that it took, and its bars."""
    module: Any = importlib.import_module(f"kai.bench.{part}")
    begun_s = time.monotonic()
    figures: dict[str, Any] = module.run(wanted) if part in ADJUSTABLE else module.run()
    took_s = figures["part_took_s"] = round(time.monotonic() - begun_s, 1)
    bars: list[Bar] = module.bars(figures)
    is_long = wanted.is_long or wanted.minutes is not None
    return figures, bars if is_long else [*bars, at_most("the part itself", took_s, PART_S, "s")]


def machine() -> dict[str, Any]:
    """Return a description of the machine that the figures were taken on."""
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
    """Return git's output, or an empty string without git."""
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def cpu_name() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def print_figures(part: str, figures: dict[str, Any]) -> None:
    """Print a part's figures, one per line; a long one is split into lines of its own."""
    print(f"\n{part}")
    for line in lines_of(figures):
        print(f"  {line}", flush=True)


def lines_of(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield the figures as lines of text, nested ones indented."""
    for name, value in figures.items():
        if len(str(value)) <= WIDE_CHARS or not isinstance(value, Mapping | list):
            yield f"{name:<44} {value}"
            continue
        yield name
        inside: Iterable[str] = lines_of(value) if isinstance(value, Mapping) else map(str, value)
        yield from (f"  {line}" for line in inside)


if __name__ == "__main__":
    sys.exit(main())
