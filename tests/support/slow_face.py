"""The face's process on a machine that is taken: a frame of the live face takes `FRAME_S`, and is judged sooner than usual.

Started in the place of ``kai.adapters.local_face.start``, with its arguments.
"""

import os
import sys
import time
from typing import Any

from kai.adapters.local_face import drawing, process
from kai.avatar import render

FRAME_S = 0.15
WINDOW_S = 0.5

_draw = render.frame


def _draw_slowly(*given: Any, **named: Any) -> Any:
    time.sleep(FRAME_S)
    return _draw(*given, **named)


if __name__ == "__main__":
    process.WINDOW_S = WINDOW_S
    drawing.render.frame = _draw_slowly
    os._exit(process.main(sys.argv[1:]))
