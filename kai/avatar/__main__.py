"""``python -m kai.avatar``: compile the renderer and bake the characters, so that the app starts with the live face."""

from __future__ import annotations

import argparse
import os
import sys
import time

from kai.avatar import animate, hearing, render
from kai.avatar.cache import baked_path, load_or_bake
from kai.avatar.ladder import STANDARD_PX, SUPERSAMPLES
from kai.avatar.style import CHARACTERS, character
from kai.errors import KaiError


def main(arguments: list[str] | None = None) -> int:
    """Print a line for each step; return 0 when all characters are ready."""
    parser = argparse.ArgumentParser(prog="python -m kai.avatar", description=__doc__)
    parser.add_argument("--character", choices=sorted(CHARACTERS), action="append", help="only these")
    parser.add_argument("--size", type=int, default=STANDARD_PX, help="edge of the picture in pixels")
    options = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    names = options.character or list(CHARACTERS)
    started = time.monotonic()
    try:
        hearing.Hearing(hearing.load_net())
        for i, name in enumerate(names, 1):
            for supersample in SUPERSAMPLES:
                style = character(name)
                is_kept = baked_path(style, options.size, options.size, supersample).exists()
                step = time.monotonic()
                baked = load_or_bake(style, options.size, options.size, supersample)
                _, params = animate.advance(animate.begin(1, 0.0), 0.04, animate.Mood.IDLE)
                render.frame(baked, params)
                how = "was ready" if is_kept else "baked"
                seconds = time.monotonic() - step
                print(f"[{i}/{len(names)}] {name} at {supersample:g}x: {how}, {seconds:.1f} s", flush=True)
    except KaiError as exc:
        print(exc.message, file=sys.stderr)
        return 1
    print(f"faces ready in {time.monotonic() - started:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
