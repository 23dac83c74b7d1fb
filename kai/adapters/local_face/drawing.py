"""What draws a face: the baked character and the kernels.

Importing this module and loading a face take time and much memory, which a face that stands by need not cost. The
face's process therefore imports it only when the face is to be loaded, in the loader's thread.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from kai.adapters.local_face.acting import at_rest
from kai.adapters.local_face.baker import Baker
from kai.avatar import render
from kai.avatar.cache import baked_path, load_or_bake
from kai.avatar.ladder import Rung
from kai.avatar.style import Style

Draw = Callable[..., NDArray[np.uint8]]
"""Draws a picture from parameters, in ``out`` if it is given; see `kai.avatar.render.frame`."""


def load(style: Style, rung: Rung, baker: Baker) -> tuple[Draw, int]:
    """Return what draws this face, and its edge in pixels; the baker makes the face first if it is not cached.

    Raises `KaiError`.
    """
    size_px, supersample = rung.size_px, rung.supersample
    if not baked_path(style, size_px, size_px, supersample).exists():
        baker.bake(style, size_px, size_px, supersample)
    # Load it from disk; if the disk could not keep it, it is baked again here.
    draw = partial(render.frame, load_or_bake(style, size_px, size_px, supersample))
    # The first frame compiles missing kernels, so it must not be drawn in the main thread.
    return draw, draw(at_rest()).shape[1]
