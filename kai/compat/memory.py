"""Memory that a process no longer needs, given back to the system."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return memory that only loading needed, such as a model's bytes, to the system; glibc would keep it."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
