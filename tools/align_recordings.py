"""Finds the visemes of the real recordings in ``tests/support/speech`` by forced alignment, for ``visemes.json`` there.

Needs a Python with pocketsphinx 5, which includes its American English model, and numpy. Nothing of Kai is imported, so any
environment will do: ``python tools/align_recordings.py > tests/support/speech/visemes.json``.
"""

from __future__ import annotations

import json
import re
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np

SPEECH = Path(__file__).parents[1] / "tests" / "support" / "speech"
RATE_HZ = 24_000
FRAME_S = 0.01
GROUPS = {
    "sil": "SIL <s> </s> +SPN+ +NSN+",
    "PP": "P B M",
    "FF": "F V",
    "TH": "TH DH",
    "DD": "T D",
    "kk": "K G NG HH",
    "CH": "CH JH SH ZH",
    "SS": "S Z",
    "nn": "N L",
    "RR": "R ER",
    "aa": "AA AE AH",
    "E": "EH",
    "I": "IH IY Y",
    "O": "AO",
    "U": "UH UW W",
}
MOUTHS = {phone: (viseme,) for viseme, phones in GROUPS.items() for phone in phones.split()}
MOUTHS.update(AY=("aa", "I"), AW=("aa", "U"), OY=("O", "I"), OW=("O", "U"), EY=("E", "I"))


def read_16k(path: Path) -> bytes:
    with wave.open(str(path)) as file:
        sound = np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float)
        rate_hz = file.getframerate()
    count = int(len(sound) * 16_000 / rate_hz)
    wanted = np.arange(count) * rate_hz / 16_000
    return np.interp(wanted, np.arange(len(sound)), sound).astype("<i2").tobytes()


def align(decoder: Any, sound: bytes, text: str) -> list[tuple[str, int, int]]:
    words = " ".join(re.sub(r"[^a-z' ]+", " ", text.lower()).split())
    decoder.set_align_text(words)
    for run in range(2):
        if run == 1:
            decoder.set_alignment()
        decoder.start_utt()
        decoder.process_raw(sound, no_search=False, full_utt=True)
        decoder.end_utt()
    spans: list[tuple[str, int, int]] = []
    for phone in decoder.get_alignment().phones():
        mouths = MOUTHS[phone.name]
        edges = np.rint(
            np.linspace(phone.start, phone.start + phone.duration, len(mouths) + 1) * FRAME_S * RATE_HZ
        ).astype(int)
        spans += [(mouth, int(edges[i]), int(edges[i + 1])) for i, mouth in enumerate(mouths)]
    return spans


def main() -> None:
    from pocketsphinx import Decoder  # pyright: ignore

    found: dict[str, list[tuple[str, int, int]]] = {}
    for entry in json.loads((SPEECH / "manifest.json").read_text()):
        decoder: Any = Decoder(samprate=16_000, loglevel="FATAL")
        try:
            found[entry["file"]] = align(decoder, read_16k(SPEECH / entry["file"]), entry["text"])
        except RuntimeError as exc:
            print(f"{entry['file']}: {exc}", file=sys.stderr)
    lines = [
        f" {json.dumps(name)}: {json.dumps(spans, separators=(',', ':'))}" for name, spans in found.items()
    ]
    print("{\n" + ",\n".join(lines) + "\n}")


if __name__ == "__main__":
    main()
