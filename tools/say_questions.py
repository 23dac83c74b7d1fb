"""Speak the questions of ``tests/support/speech/asked/manifest.json`` and check them with the recogniser.

    .venv/bin/pip install -r requirements-voices.txt
    .venv/bin/python tools/say_questions.py          speak the missing recordings, and check all of them

The voices are the engine's extra ones, never its first, so that Kai is not asked in its own voice. A file that the recogniser
does not understand word for word is reported and makes the exit code 1.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kai.engine.speech.kit import SpeechKit
from kai.media import pcm

FOLDER = Path(__file__).resolve().parent.parent / "tests" / "support" / "speech" / "asked"
RATE_HZ = 16_000
MARGIN_S = 0.05
SPELLINGS = {"kilometres": "kilometers", "neighbour": "neighbor", "neighbours": "neighbors"}
NUMBERS = {"12": "twelve", "8": "eight", "10": "ten", "90": "ninety", "35": "thirty five"}


def main() -> int:
    """Write the missing recordings; return 0 if all recordings were understood, else 1."""
    kit = SpeechKit.load(lambda _stage: None)
    misheard = 0
    for entry in json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8")):
        path = FOLDER / entry["file"]
        if not path.exists():
            path.write_bytes(pcm.to_wav(spoken(kit, entry["voice"], entry["text"]), RATE_HZ))
        heard = kit.recogniser.transcribe(pcm.to_float32(pcm.read_wav(path, RATE_HZ))).text
        if words(heard) != words(entry["text"]):
            misheard += 1
            print(f"{path.name}: {entry['text']!r} was heard as {heard!r}")
    print(f"{misheard} misheard")
    return 1 if misheard else 0


def spoken(kit: SpeechKit, voice_id: str, text: str) -> NDArray[np.int16]:
    """Return the text spoken by that voice: ``(samples,)`` int16 at 16 kHz, with 50 ms of silence around it."""
    if voice_id not in kit.voice.installed:
        raise SystemExit(f"The voice {voice_id!r} is not installed: pip install -r requirements-voices.txt")
    said = np.concatenate([clause.pcm for clause in kit.voice.stream(text, voice_id=voice_id)])
    sound = pcm.trim_silence(pcm.to_float32(pcm.resampled(said, 24_000, RATE_HZ)), RATE_HZ)
    quiet = np.zeros(int(MARGIN_S * RATE_HZ), np.float32)
    return pcm.to_int16(np.concatenate([quiet, sound / np.abs(sound).max() * 0.5, quiet]))


def words(text: str) -> list[str]:
    """Return the words in one spelling, with numbers as words."""
    found = re.findall(r"[a-z0-9']+", text.lower().replace("-", " "))
    return " ".join(NUMBERS.get(word, SPELLINGS.get(word, word)) for word in found).split()


if __name__ == "__main__":
    sys.exit(main())
