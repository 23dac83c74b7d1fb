"""How much of the drawn face reaches the page: encoded as the app sends it, decoded, and compared with what was drawn.

A decoder of VP8 must give exactly the same pixels as any other, so this is what a browser shows when no packet is lost.
"""

from __future__ import annotations

import fractions
from collections.abc import Iterable
from typing import Any, Final

import av
import cv2
import numpy as np
from aiortc import RTCRtpCodecParameters
from aiortc.codecs import get_encoder
from aiortc.codecs.vpx import VpxPayloadDescriptor
from numpy.typing import NDArray

from kai.avatar.camera import make_camera
from kai.compat import rtc
from kai.ui.compat import VP8_BITRATE_BPS

Array = NDArray[Any]

_VP8: Final = RTCRtpCodecParameters("video/VP8", 90_000)
FIRST_S: Final = 3.0
FACE_X: Final = (-0.90, 0.90)
FACE_Y: Final = (1.05, -1.25)
"""The face's box in head units: from ear to ear, from the hairline to below the chin."""
_LUMA_FLOOR, _CONTRAST_FLOOR = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def similarity(a: Array, b: Array) -> float:
    """Return the SSIM (Wang 2004) of two ``(h, w)`` luma planes: 1 for equal ones."""

    def blurred(plane: Array) -> Array:
        return cv2.GaussianBlur(plane, (11, 11), 1.5)

    a, b = a.astype(np.float64), b.astype(np.float64)
    mean_a, mean_b = blurred(a), blurred(b)
    spread = blurred(a * a) - mean_a**2 + blurred(b * b) - mean_b**2
    shared = blurred(a * b) - mean_a * mean_b
    luma = (2 * mean_a * mean_b + _LUMA_FLOOR) / (mean_a**2 + mean_b**2 + _LUMA_FLOOR)
    return float((luma * (2 * shared + _CONTRAST_FLOOR) / (spread + _CONTRAST_FLOOR)).mean())


def shown(frames: Iterable[tuple[float, Array]], size_px: int, frames_per_s: int) -> dict[str, float]:
    """Return the mean similarity in the face's box at the app's bit rate: of the first seconds, and of the rest."""
    camera = make_camera(size_px, size_px, 1.0)
    x0, x1 = (int(camera.centre_x_px + x * camera.scale_px) for x in FACE_X)
    y0, y1 = (max(0, int(camera.centre_y_px - y * camera.scale_px)) for y in FACE_Y)
    rtc.set_vp8_bitrate(VP8_BITRATE_BPS)
    rtc.set_vp8_for_rendered_pictures()
    encoder, decoder = get_encoder(_VP8), av.CodecContext.create("vp8", "r")
    found: list[float] = []
    for i, (_, frame) in enumerate(frames):
        picture = av.VideoFrame.from_ndarray(frame, format="yuv420p")
        picture.pts, picture.time_base = i, fractions.Fraction(1, frames_per_s)
        packets, _ = encoder.encode(picture)
        data = b"".join(VpxPayloadDescriptor.parse(packet)[1] for packet in packets)
        for seen in decoder.decode(av.Packet(data)):  # pyright: ignore[reportAttributeAccessIssue]
            luma = seen.to_ndarray(format="yuv420p")[:size_px]
            found.append(similarity(frame[y0:y1, x0:x1], luma[y0:y1, x0:x1]))
    first = int(FIRST_S * frames_per_s)
    return {
        "first_3_s": round(float(np.mean(found[:first])), 4),
        "after": round(float(np.mean(found[first:])), 4),
    }
