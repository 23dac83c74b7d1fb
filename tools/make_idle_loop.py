"""Makes the pictures that replace the live face: ``idle-<mesh>.mp4`` for each character and a portrait ``<mesh>.jpg``.

Developers run it after a change of the renderer: ``python tools/make_idle_loop.py``.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import av
import cv2

from kai.avatar import animate, render
from kai.avatar.bake import Baked
from kai.avatar.cache import load_or_bake
from kai.avatar.rig import DATA_DIR
from kai.avatar.style import CHARACTERS, Style
from kai.avatar.visemes import both

SIZE_PX = 512
FRAMES_PER_S = 25
LOOP_S = 4
SEED = 3


def make_loop(baked: Baked, path: Path) -> None:
    """Write four idle seconds as H.264, to be played forwards and backwards."""
    with av.open(str(path), "w", options={"movflags": "faststart"}) as file:
        stream = file.add_stream("libx264", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = SIZE_PX, SIZE_PX, "yuv420p"
        stream.options = {"crf": "22", "preset": "slow"}
        life = animate.begin(SEED, 0.0)
        for i in range(LOOP_S * FRAMES_PER_S):
            life, params = animate.advance(life, i / FRAMES_PER_S, animate.Mood.IDLE)
            frame = av.VideoFrame.from_ndarray(render.frame(baked, params), format="yuv420p")
            frame.pts = i
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    print(f"{path.name}: {path.stat().st_size} bytes")


def make_portrait(style: Style, path: Path) -> None:
    """Write a portrait of the character, friendly, drawn at twice the size."""
    baked = load_or_bake(style, SIZE_PX, SIZE_PX, 2.0)
    smile = both(mouthSmile=0.46, cheekSquint=0.2, eyeSquint=0.1, eyeWide=0.2, browOuterUp=0.05)
    pose = {"browInnerUp": 0.08, "headRoll": -0.03, "headYaw": 0.03, "gazeX": -0.02}
    picture = render.picture(baked, smile | pose)
    cv2.imwrite(str(path), picture[:, :, :3], [cv2.IMWRITE_JPEG_QUALITY, 92, cv2.IMWRITE_JPEG_OPTIMIZE, 1])
    print(f"{path.name}: {path.stat().st_size} bytes")


def main() -> None:
    for name, style in CHARACTERS.items():
        make_loop(load_or_bake(style, SIZE_PX, SIZE_PX, 1.5), DATA_DIR / f"idle-{name}.mp4")
        make_portrait(style, DATA_DIR / f"{name}.jpg")


if __name__ == "__main__":
    main()
