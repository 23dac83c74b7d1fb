"""Judges pictures by BRISQUE, a predictor of how people rate a picture. Run by path in the environment of `face_tracker`.

``python kai/bench/face_judge.py PICTURES.npz OUT.npz``: ``pictures`` is (n, height, width, 3) uint8 RGB; ``scores`` (n,) are
0 for a picture without a fault and 100 for the worst; a picture with more detail than the photographs that the predictor was
trained on may be below 0.
"""

from __future__ import annotations

import sys

import numpy as np
from brisque import BRISQUE  # pyright: ignore[reportMissingImports]


def main() -> None:
    judge = BRISQUE(url=False)
    with np.load(sys.argv[1]) as given:
        scores = [float(judge.score(np.ascontiguousarray(picture))) for picture in given["pictures"]]
    np.savez(sys.argv[2], scores=np.array(scores))


if __name__ == "__main__":
    main()
