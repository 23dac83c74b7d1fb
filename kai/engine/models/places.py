"""The places where a model file may be, and the check that it is the one we know.

A file is right when its size and its SHA-256 are the model's. Hashing 1.1 GB takes seconds, so a file that was found right
is noted in ``seen.json`` with its size and modification time, and trusted while these stay the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import platformdirs

from kai.compat.files import write_private
from kai.engine.models.catalogue import GGUF_MAGIC, MODELS, LanguageModel
from kai.errors import WeightsError

MIND_VARIABLE: Final = "KAI_MIND"
"""``none`` leaves the large mind out; anything else is the path of a person's own model file."""
MODELS_DIR_VARIABLE: Final = "KAI_MODELS_DIR"
DATA_DIR_VARIABLE: Final = "KAI_DATA_DIR"
OWN: Final = "own"
_HASH_BLOCK_BYTES: Final = 1 << 20


class Cancelled(Exception):
    """Raised when a person, or the end of the process, stopped the work. The fetched bytes are kept."""


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A model file that the person named in ``KAI_MIND``; ``model`` is the known model with these bytes, if any."""

    path: Path
    model: LanguageModel | None


def is_off() -> bool:
    """Return whether ``KAI_MIND=none`` turns the language model off."""
    return os.environ.get(MIND_VARIABLE, "").strip().lower() == "none"


def models_folder(data_dir: str | None = None) -> Path:
    """Return the folder of our own copies, which all checkouts of this user share; it is not created here.

    It is ``KAI_MODELS_DIR``, else ``models`` in the data folder: ``KAI_DATA_DIR``, ``data_dir``, or the user's.
    """
    chosen = os.environ.get(MODELS_DIR_VARIABLE, "").strip()
    if chosen:
        return Path(chosen).expanduser()
    data = os.environ.get(DATA_DIR_VARIABLE, "").strip() or data_dir
    return (
        Path(data).expanduser() if data else platformdirs.user_data_path("kai", appauthor=False)
    ) / "models"


def own_copy(model: LanguageModel, folder: Path | None = None) -> Path:
    """Return the path of our copy of the model, whether it exists or not."""
    return (folder or models_folder()) / f"{model.sha256}{model.suffix}"


def find(model: LanguageModel, folder: Path | None = None) -> Path | None:
    """Return a verified file of the model on this computer: our own copy, else one in another program's cache.

    Blocks for seconds where a file must be hashed for the first time.
    """
    for path in _candidates(model, folder or models_folder()):
        if is_right(path, model, folder):
            return path
    return None


def find_own(folder: Path | None = None, models: Iterable[LanguageModel] = MODELS) -> OwnFile | None:
    """Return the file that ``KAI_MIND`` names, if it names one. Raises ``WeightsError`` when it cannot be used."""
    chosen = os.environ.get(MIND_VARIABLE, "").strip()
    if not chosen or is_off():
        return None
    path = Path(chosen).expanduser()
    try:
        with path.open("rb") as file:
            magic = file.read(len(GGUF_MAGIC))
    except OSError as error:
        raise WeightsError(
            f"{MIND_VARIABLE} names a model file that cannot be read ({error.strerror}): {path}. Correct the path, or unset "
            f"{MIND_VARIABLE} to use Kai's own model.",
            code="model_missing",
        ) from error
    if magic != GGUF_MAGIC:
        raise WeightsError(
            f"{MIND_VARIABLE} names a file that is no GGUF model: {path}. Correct the path, or unset {MIND_VARIABLE} to use "
            "Kai's own model.",
            code="model_wrong",
        )
    known = next((model for model in models if is_right(path, model, folder)), None)
    return OwnFile(path, known)


def is_right(path: Path, model: LanguageModel, folder: Path | None = None) -> bool:
    """Return whether this file is the model: hashed once, afterwards recognised by its size and modification time."""
    try:
        if not path.is_file() or path.stat().st_size != model.bytes:
            return False
        if _is_noted(path, model, folder or models_folder()):
            return True
        if hash_file(path) != model.sha256:
            return False
    except OSError:
        # We may lack the permission to read the cache of another user or program.
        return False
    note_right(path, model, folder)
    return True


def check_file(path: Path, model: LanguageModel, folder: Path | None = None) -> None:
    """Hash the whole file now, whatever was noted. Raises ``WeightsError`` if it is wrong.

    The note is then removed, so that the next start does not use the file.
    """
    folder = folder or models_folder()
    problem = problem_of(path, model)
    if problem:
        _forget(path, folder)
        raise WeightsError(problem, code="model_wrong")
    note_right(path, model, folder)


def problem_of(path: Path, model: LanguageModel) -> str:
    """Hash the whole file and return what is wrong with it, in words for people; "" when it is the model."""
    try:
        size_bytes = path.stat().st_size
        if size_bytes < model.bytes:
            return (
                f"The file of the language model is cut short: {size_bytes / 1e6:.0f} of {model.bytes / 1e6:.0f} MB "
                f"({path}). It is not used. Fetch it again."
            )
        if size_bytes == model.bytes and hash_file(path) == model.sha256:
            return ""
    except OSError as error:
        return f"The file of the language model cannot be read ({error.strerror}): {path}. Look at its permissions."
    return f"The file of the language model is not the one that Kai knows ({path}). It is not used. Fetch it again."


def hash_file(path: Path, cancel: threading.Event | None = None) -> str:
    """Return the SHA-256 of a file as hexadecimal digits. Raises ``OSError``, and ``Cancelled`` once ``cancel`` is set."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_HASH_BLOCK_BYTES):
            if cancel is not None and cancel.is_set():
                raise Cancelled
            digest.update(block)
    return digest.hexdigest()


def size_bytes(path: Path) -> int:
    """Return the size of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def note_right(path: Path, model: LanguageModel, folder: Path | None = None) -> None:
    """Note that this file was hashed and is the model. A folder that cannot be written to is ignored."""
    folder = folder or models_folder()
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        _write_notes(folder, {**_notes(folder), str(path): _mark(path, model)})


def _candidates(model: LanguageModel, folder: Path) -> Iterator[Path]:
    """Yield the existing files that may be the model, our own first: those named by its hash, or by its file name."""
    home = Path.home()
    roots = _existing(
        os.environ.get("OLLAMA_MODELS"),
        home / ".ollama" / "models",
        "/usr/share/ollama/.ollama/models" if sys.platform == "linux" else None,
        home / ".local" / "share" / "ramalama" / "store",
    )
    blobs = (path for root in roots for path in root.glob(f"**/blobs/sha256-{model.sha256}"))
    cache = os.environ.get("XDG_CACHE_HOME") or home / ".cache"
    hub = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    hubs = _existing(hub or Path(os.environ.get("HF_HOME") or Path(cache, "huggingface")) / "hub")
    snapshots = (path for root in hubs for path in root.glob(f"models--*/blobs/{model.sha256}"))
    named = _existing(
        home / ".lmstudio" / "models" / model.repository / model.file,
        home / ".cache" / "lm-studio" / "models" / model.repository / model.file,
        Path(cache, "hibari", Path(model.file).name),
        Path(cache, "llama.cpp", f"{model.repository.replace('/', '_')}_{model.file}"),
    )
    for path in (own_copy(model, folder), *blobs, *snapshots, *named):
        with contextlib.suppress(OSError):
            if path.is_file():
                yield path


def _existing(*paths: str | Path | None) -> list[Path]:
    return [Path(path) for path in paths if path and Path(path).exists()]


def _mark(path: Path, model: LanguageModel) -> list[object]:
    stat = path.stat()
    return [model.sha256, stat.st_size, stat.st_mtime_ns]


def _is_noted(path: Path, model: LanguageModel, folder: Path) -> bool:
    return _notes(folder).get(str(path)) == _mark(path, model)


def _forget(path: Path, folder: Path) -> None:
    notes = _notes(folder)
    if notes.pop(str(path), None) is not None:
        with contextlib.suppress(OSError):
            _write_notes(folder, notes)


def _notes(folder: Path) -> dict[str, object]:
    try:
        read: object = json.loads((folder / "seen.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, object]", read) if isinstance(read, dict) else {}


def _write_notes(folder: Path, notes: dict[str, object]) -> None:
    write_private(folder / "seen.json", (json.dumps(notes, indent=1) + "\n").encode())


Progress = Callable[[int, int], None]
"""Called with the bytes fetched so far and the bytes of the whole file, from the thread that fetches."""
