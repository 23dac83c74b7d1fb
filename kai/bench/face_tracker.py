"""Tracks a face through a video. Run by path in a separate environment, since MediaPipe needs an older numpy.

``python kai/bench/face_tracker.py VIDEO OUT.npz`` writes (frames,) arrays: ``found``; ``gap`` (between the inner lips),
``brow`` (inner ends of the brows over the eyes' corners) and ``smile`` (corners of the mouth over its middle), these three in
distances between the eyes' outer corners; ``eye`` (height over width of the eyes, mean of both); ``nose_x`` and ``nose_y``
(pixels); and ``change`` (mean absolute difference to the frame before, in grey steps). Nothing of Kai is imported here, so
that the measurement depends only on the video's pixels.
"""

from __future__ import annotations

import sys

import cv2
import mediapipe  # pyright: ignore[reportMissingImports]
import numpy as np

UPPER_LIP, LOWER_LIP, NOSE = 13, 14, 1
LEFT_CORNERS, RIGHT_CORNERS = (33, 133), (362, 263)
LEFT_LIDS, RIGHT_LIDS = (159, 145), (386, 374)
INNER_BROWS, MOUTH_CORNERS = (107, 336), (61, 291)
WORK_PX = 640


def main() -> None:
    video = cv2.VideoCapture(sys.argv[1])
    mesh = mediapipe.solutions.face_mesh.FaceMesh(
        static_image_mode=False, refine_landmarks=True, max_num_faces=1, min_detection_confidence=0.5
    )
    found, gap, eye, nose, change, brow, smile = [], [], [], [], [], [], []
    before = None
    while True:
        is_read, picture = video.read()
        if not is_read:
            break
        height, width = picture.shape[:2]
        change.append(0.0 if before is None else float(np.abs(picture.astype(np.int16) - before).mean()))
        before = picture.astype(np.int16)
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        square = cv2.resize(picture[top : top + side, left : left + side], (WORK_PX, WORK_PX))
        seen = mesh.process(cv2.cvtColor(square, cv2.COLOR_BGR2RGB)).multi_face_landmarks
        found.append(bool(seen))
        if not seen:
            gap.append(np.nan)
            eye.append(np.nan)
            nose.append((np.nan, np.nan))
            brow.append(np.nan)
            smile.append(np.nan)
            continue
        at = np.array([(p.x, p.y) for p in seen[0].landmark]) * side

        def apart(a: int, b: int, at: np.ndarray = at) -> float:
            return float(np.linalg.norm(at[a] - at[b]))

        gap.append(apart(UPPER_LIP, LOWER_LIP) / apart(LEFT_CORNERS[0], RIGHT_CORNERS[1]))
        eye.append(
            (apart(*LEFT_LIDS) / apart(*LEFT_CORNERS) + apart(*RIGHT_LIDS) / apart(*RIGHT_CORNERS)) / 2
        )
        nose.append(tuple(at[NOSE]))
        # Measured in the head's own frame; otherwise a tilted head would seem to smile with half of its mouth.
        across = at[RIGHT_CORNERS[1]] - at[LEFT_CORNERS[0]]
        wide = float(np.linalg.norm(across))
        up = np.array([across[1], -across[0]]) / wide
        corners = [*LEFT_CORNERS, *RIGHT_CORNERS]
        brow.append(float((at[list(INNER_BROWS)].mean(0) - at[corners].mean(0)) @ up) / wide)
        middle = at[[UPPER_LIP, LOWER_LIP]].mean(0)
        smile.append(float((at[list(MOUTH_CORNERS)].mean(0) - middle) @ up) / wide)
    places = np.array(nose, float).reshape(-1, 2)
    np.savez(
        sys.argv[2],
        found=np.array(found, bool),
        gap=np.array(gap, float),
        eye=np.array(eye, float),
        brow=np.array(brow, float),
        smile=np.array(smile, float),
        nose_x=places[:, 0],
        nose_y=places[:, 1],
        change=np.array(change, float),
    )


if __name__ == "__main__":
    main()
