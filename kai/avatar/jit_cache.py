"""Where compiled kernels are kept: one folder for each build of the kernels, so that builds never mix."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numba
import numba.core.config
import numpy as np
import platformdirs


def cache_root() -> Path:
    """Kai's folder for things that can be made again; ``KAI_CACHE_DIR`` moves it."""
    return Path(os.environ.get("KAI_CACHE_DIR") or platformdirs.user_cache_dir("kai"))


def build_folder() -> Path:
    """The folder of this build's compiled kernels: named after the kernels' source and the versions of what compiles them."""
    source = Path(__file__).with_name("raster.py").read_bytes()
    versions = f"{numba.__version__} {np.__version__} {sys.version_info[:2]}"
    digest = hashlib.sha256(source + versions.encode()).hexdigest()[:16]
    return cache_root() / "kernels" / digest


def use_build_folder() -> None:
    """Points numba's cache at `build_folder`, unless ``NUMBA_CACHE_DIR`` was set by the person who started us.

    Must run before a kernel is declared: numba chooses the folder then. An unwritable folder is no error here; numba
    compiles anew at each start.
    """
    if "NUMBA_CACHE_DIR" not in os.environ:
        numba.core.config.CACHE_DIR = str(build_folder())  # pyright: ignore[reportAttributeAccessIssue]
