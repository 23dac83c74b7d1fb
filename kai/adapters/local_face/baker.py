"""Bakes faces in a separate process, so that drawing never waits for a bake: ``python -m kai.adapters.local_face.baker``.

The process reads requests from standard input, one line of JSON each (style, size, supersample), and stores its results where
`kai.avatar.cache` finds them. It answers each request with one line: ``{}``, or the code and the message of an error. A
request for a face that is only shown (``is_shown``) makes it prepare for a change of that face and has no answer. The process
ends with its standard input, and thus with the face.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from kai.avatar.style import Style, style_from_mapping
from kai.compat.child import end_blocking, start_blocking
from kai.errors import FaceError, KaiError

log = logging.getLogger(__name__)

NICENESS = 5
PROGRAM = "kai.adapters.local_face.baker"


class Baker:
    """The client of the baker's process, which is started when first needed, and again after a loss. One thread at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def lay_out(self, style: Style, width_px: int, height_px: int, supersample: float) -> None:
        """Have the process prepare to change that face, so that the first change is quick. Raises `FaceError`."""
        self._start()
        with contextlib.suppress(OSError):
            self._ask(style, width_px, height_px, supersample, is_shown=True)

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        try:
            self._process = start_blocking(PROGRAM, is_silent=True)
        except OSError as exc:
            raise FaceError(
                "The new look could not be made. Close other programs and choose it again.", code="face-bake"
            ) from exc

    def bake(self, style: Style, width_px: int, height_px: int, supersample: float) -> None:
        """Bake that face into the cache. Raises `FaceError` with a sentence for people."""
        self._start()
        assert self._process is not None
        assert self._process.stdout is not None
        try:
            self._ask(style, width_px, height_px, supersample, is_shown=False)
            answer = self._process.stdout.readline()
        except OSError:
            answer = b""
        if not answer:
            self.close()
            raise FaceError(
                "The new look could not be made, the old one stays. Choose it again.", code="face-bake"
            )
        told: dict[str, str] = json.loads(answer)
        if told:
            raise FaceError(told["message"], code=told["code"])

    def _ask(
        self, style: Style, width_px: int, height_px: int, supersample: float, *, is_shown: bool
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        request = {
            "style": asdict(style),
            "size": [width_px, height_px],
            "supersample": supersample,
            "is_shown": is_shown,
        }
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            end_blocking(process, within_s=0.0)


def main() -> int:
    """Answer requests until standard input ends."""
    if sys.platform != "win32":
        os.nice(NICENESS)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Other output must not mix with the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from kai.avatar.cache import Workbench  # a slow import, done once the parent has its process

    bench = Workbench()
    for line in sys.stdin:
        told: dict[str, str] = {}
        asked: dict[str, Any] = json.loads(line)
        try:
            style, (width_px, height_px) = style_from_mapping(asked["style"]), asked["size"]
            make = bench.lay_out if asked["is_shown"] else bench.load_or_bake
            make(style, width_px, height_px, asked["supersample"])
        except KaiError as exc:
            told = {"code": exc.code, "message": exc.message}
        if not asked["is_shown"]:
            answers.write(json.dumps(told) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
