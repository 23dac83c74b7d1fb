"""The cache of compiled kernels: each build of the kernels has its own folder, so that builds never mix."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import numba
import numba.core.config
import numpy as np

from kai.compat.files import cache_root


def build_folder() -> Path:
    """Return the folder of this build's kernels, named after their source and the versions of what compiles them."""
    source = Path(__file__).with_name("raster.py").read_bytes()
    versions = f"{numba.__version__} {np.__version__} {sys.version_info[:2]}"
    digest = hashlib.sha256(source + versions.encode()).hexdigest()[:16]
    return cache_root() / "kernels" / digest


def use_build_folder() -> None:
    """Set numba's cache to `build_folder`, unless the user has set ``NUMBA_CACHE_DIR``.

    Must run before a kernel is declared, because numba then chooses the folder. An unwritable folder is no error; numba then
    compiles at each start.
    """
    if "NUMBA_CACHE_DIR" not in os.environ:
        numba.core.config.CACHE_DIR = str(build_folder())  # pyright: ignore[reportAttributeAccessIssue]
