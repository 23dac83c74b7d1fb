"""The seven recordings of people reading, as sound and words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kai.media import pcm

SPEECH_DIR = Path(__file__).parent / "speech"


@dataclass(frozen=True, slots=True)
class Recording:
    """What was said in a file of ``speech/``."""

    path: Path
    text: str

    def samples(self, rate_hz: int) -> NDArray[np.int16]:
        """The sound at ``rate_hz``: ``(samples,)`` int16 mono."""
        return pcm.read_wav(self.path, rate_hz)


def recordings() -> list[Recording]:
    """All of them, in a fixed order."""
    entries = json.loads((SPEECH_DIR / "manifest.json").read_text(encoding="utf-8"))
    return [Recording(SPEECH_DIR / entry["file"], entry["text"]) for entry in entries]
