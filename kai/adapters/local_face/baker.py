"""Bakes faces in a process of its own, so that drawing never waits for a bake: ``python -m kai.adapters.local_face.baker``.

The process is asked in JSON, a line each, on standard input (style, size, supersample), keeps what it made where
`kai.avatar.cache` finds it, and answers a line each: nothing but ``{}``, or the code and the message of what went wrong. Told
of a face that is only shown (``is_shown``) it gets ready to change it, and answers nothing. It ends when its standard input
does, thus with the face.
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
    """The side that asks. One thread at a time; the process is started at the first need, and again when it was lost."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def lay_out(self, style: Style, width_px: int, height_px: int, supersample: float) -> None:
        """Have the process ready to change that face, so that the first change need not wait for it. Raises `FaceError`."""
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
        """Have the cache hold that face. Raises `FaceError`, with a sentence for a person."""
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
    """Answers until standard input ends."""
    if sys.platform != "win32":
        os.nice(NICENESS)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    # Whatever prints must not come between the answers.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    from kai.avatar.cache import Workbench  # the slow import, after the parent has us

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
