"""The 15 Oculus visemes and the shape of the mouth in each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

VISEMES = ("aa", "E", "I", "O", "U", "PP", "SS", "TH", "DD", "FF", "kk", "nn", "RR", "CH", "sil")
"""The names, in the order of the columns of every 15-column array here."""

INDEX: Mapping[str, int] = {name: i for i, name in enumerate(VISEMES)}


def both(**weights: float) -> dict[str, float]:
    """Return weights for the left and the right shape of each name."""
    return {name + side: weight for name, weight in weights.items() for side in ("Left", "Right")}


MOUTHS: Mapping[str, Mapping[str, float]] = {
    "aa": {"jawOpen": 0.52, **both(mouthLowerDown=0.22, mouthUpperUp=0.20, mouthStretch=0.12)},
    "E": {
        "jawOpen": 0.33,
        **both(mouthLowerDown=0.34, mouthUpperUp=0.22, mouthStretch=0.32, mouthSmile=0.06),
    },
    "I": {
        "jawOpen": 0.17,
        **both(mouthLowerDown=0.40, mouthUpperUp=0.24, mouthStretch=0.46, mouthSmile=0.20),
    },
    "O": {"jawOpen": 0.36, "mouthFunnel": 0.52, "mouthPucker": 0.34, **both(mouthFrown=0.22)},
    "U": {"jawOpen": 0.14, "mouthPucker": 0.82, "mouthFunnel": 0.30},
    "PP": {"mouthRollLower": 0.32, "mouthRollUpper": 0.25, "mouthShrugLower": 0.10, **both(mouthPress=0.40)},
    "SS": {
        "jawOpen": 0.05,
        **both(mouthStretch=0.38, mouthSmile=0.12, mouthLowerDown=0.46, mouthUpperUp=0.28),
    },
    "TH": {
        "jawOpen": 0.17,
        "tongueOut": 0.45,
        **both(mouthLowerDown=0.30, mouthUpperUp=0.22, mouthStretch=0.10),
    },
    "DD": {"jawOpen": 0.13, **both(mouthLowerDown=0.34, mouthUpperUp=0.18, mouthStretch=0.15)},
    "FF": {"jawOpen": 0.05, "mouthRollLower": 0.78, "mouthShrugLower": 0.15, **both(mouthUpperUp=0.42)},
    "kk": {"jawOpen": 0.20, **both(mouthLowerDown=0.22, mouthUpperUp=0.12, mouthStretch=0.10)},
    "nn": {"jawOpen": 0.13, **both(mouthLowerDown=0.28, mouthUpperUp=0.14, mouthStretch=0.12)},
    "RR": {"jawOpen": 0.14, "mouthFunnel": 0.42, "mouthPucker": 0.25, **both(mouthLowerDown=0.12)},
    "CH": {
        "jawOpen": 0.10,
        "mouthFunnel": 0.62,
        "mouthPucker": 0.22,
        **both(mouthLowerDown=0.18, mouthUpperUp=0.20),
    },
    "sil": {},
}
"""The ARKit weights of each viseme; silence is the neutral mouth."""

MOUTH_SHAPES = tuple(sorted({shape for mouth in MOUTHS.values() for shape in mouth}))
"""The ARKit shapes that visemes use, in the order of the columns of a mouth track."""

MOUTH_MATRIX: NDArray[Any] = np.array(
    [[MOUTHS[viseme].get(shape, 0.0) for shape in MOUTH_SHAPES] for viseme in VISEMES], np.float32
)
"""(15, len(MOUTH_SHAPES)) float32."""
