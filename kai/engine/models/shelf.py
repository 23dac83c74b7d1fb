"""The model files that a person may fetch and keep in addition to Kai's own, independently of each other.

`ModelKeeper` has the one model that is fetched automatically; the shelf has all others of the catalogue. A file is here when
its hash was verified, as our own copy or in another program's cache. Each file is fetched in its own thread, and a pause
keeps the bytes that were fetched.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from kai.engine.models import fetching, places
from kai.engine.models.catalogue import (
    BESIDE_BYTES,
    LANGUAGE_MODEL,
    OTHERS,
    LanguageModel,
    total_memory_bytes,
)
from kai.errors import KaiError, WeightsError
from kai.wire.realtime import JsonObject

log = logging.getLogger(__name__)

CLOSE_S: Final = 3.0


class FileState(StrEnum):
    """The state of a file of the catalogue."""

    ABSENT = "absent"
    FETCHING = "fetching"
    HERE = "here"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class FileStatus:
    """The state of a file; ``problem`` is for people, and ``path`` is set where the file is here."""

    state: FileState = FileState.ABSENT
    done_bytes: int = 0
    problem: str = ""
    path: Path | None = None


@dataclass(slots=True)
class _Work:
    thread: threading.Thread
    cancel: threading.Event


class FileShelf:
    """The files of `models`. Any thread. ``folder`` and ``memory_bytes`` default to this user's and this computer's."""

    def __init__(
        self,
        models: tuple[LanguageModel, ...] = OTHERS,
        *,
        folder: Path | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        self.models = models
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._status: dict[str, FileStatus] = {}
        self._works: dict[str, _Work] = {}
        self._is_closed = False

    def model(self, model_id: str) -> LanguageModel:
        """Return the model of that id. Raises ``WeightsError`` for an unknown one."""
        found = next((model for model in self.models if model.id == model_id), None)
        if found is None:
            raise WeightsError("There is no language model of that name.", code="model_not_found")
        return found

    def fits(self, model: LanguageModel) -> bool:
        """Return whether this computer has enough memory for the model and everything else."""
        have_bytes = self._memory_bytes or total_memory_bytes()
        return model.memory_bytes + BESIDE_BYTES <= have_bytes

    def status(self, model: LanguageModel) -> FileStatus:
        """Return the current status of the model's file."""
        with self._lock:
            known = self._status.get(model.id)
        if known is not None and (known.state is not FileState.HERE or _exists(known.path)):
            return known
        copy = places.own_copy(model, self._folder)
        if copy.exists() and places.is_right(copy, model, self._folder):
            return self._put(model, FileStatus(FileState.HERE, model.bytes, path=copy))
        return FileStatus(done_bytes=fetching.fetched_bytes(model, self._folder))

    def fetch(self, model_id: str) -> None:
        """Begin or resume fetching, unless it goes on. Returns at once. Raises ``WeightsError`` for an unknown model."""
        model = self.model(model_id)
        with self._lock:
            if self._is_closed or self._status.get(model.id, FileStatus()).state in (
                FileState.FETCHING,
                FileState.HERE,
            ):
                return
            cancel = threading.Event()
            done_bytes = fetching.fetched_bytes(model, self._folder)
            self._status[model.id] = FileStatus(FileState.FETCHING, done_bytes)
            thread = threading.Thread(
                target=partial(self._fetch, model, cancel), name=f"models: {model.id}", daemon=True
            )
            self._works[model.id] = _Work(thread, cancel)
            thread.start()

    def pause(self, model_id: str) -> None:
        """Stop fetching, and keep the bytes fetched. Returns at once. Raises ``WeightsError`` for an unknown model."""
        model = self.model(model_id)
        with self._lock:
            if self._status.get(model.id, FileStatus()).state is FileState.FETCHING:
                self._works[model.id].cancel.set()
                del self._status[model.id]

    def delete(self, model_id: str) -> None:
        """Remove our own copy, complete or partial. Raises ``WeightsError`` for an unknown model, and ``OSError``.

        A copy in another program's cache is kept. The caller must first stop a model that runs from the file.
        """
        model = self.model(model_id)
        self.pause(model_id)
        places.own_copy(model, self._folder).unlink(missing_ok=True)
        fetching.drop_part(model, self._folder)
        with self._lock:
            self._status.pop(model.id, None)

    def change(self, model_id: str, wish: str) -> None:
        """``fetch``, ``pause`` or ``delete`` a file. Raises ``WeightsError``, and ``OSError``."""
        match wish:
            case "fetch":
                self.fetch(model_id)
            case "pause":
                self.pause(model_id)
            case "delete":
                self.delete(model_id)
            case _:
                raise WeightsError("There is no such wish.", code="invalid_value")

    def rows(self) -> list[JsonObject]:
        """Return every file with its state, for the page."""
        return [self.row(model) for model in self.models]

    def row(self, model: LanguageModel) -> JsonObject:
        """Return a file with its state, for the page."""
        status = self.status(model)
        return {
            "id": model.id,
            "name": model.name,
            "bytes": model.bytes,
            "licence": model.licence,
            "state": status.state.value,
            "done_bytes": status.done_bytes,
            "problem": status.problem,
        }

    def close(self) -> None:
        """Stop all threads and wait for each up to ``CLOSE_S``."""
        with self._lock:
            self._is_closed = True
            for work in self._works.values():
                work.cancel.set()
        self.join(CLOSE_S)

    def join(self, timeout_s: float) -> None:
        """Wait for the current threads, up to ``timeout_s`` each."""
        with self._lock:
            works = list(self._works.values())
        for work in works:
            work.thread.join(timeout_s)

    def _put(self, model: LanguageModel, status: FileStatus) -> FileStatus:
        with self._lock:
            self._status[model.id] = status
        return status

    def _set(self, model: LanguageModel, cancel: threading.Event, status: FileStatus) -> None:
        """Change the status, unless this work was paused."""
        with self._lock:
            if not cancel.is_set():
                self._status[model.id] = status

    def _fetch(self, model: LanguageModel, cancel: threading.Event) -> None:
        def progress(done_bytes: int, _all_bytes: int) -> None:
            self._set(model, cancel, FileStatus(FileState.FETCHING, done_bytes))

        try:
            # The file may already be in another program's cache.
            path = places.find(model, self._folder) or fetching.fetch(
                model, progress, cancel, folder=self._folder, from_maker=not model.parts
            )
            self._set(model, cancel, FileStatus(FileState.HERE, model.bytes, path=path))
        except places.Cancelled:
            pass
        except KaiError as error:
            have_bytes = fetching.fetched_bytes(model, self._folder)
            self._set(model, cancel, FileStatus(FileState.FAILED, have_bytes, _words(error.message, model)))
        except Exception:
            log.exception("a fault while a model file was fetched")
            words = "The language model could not be fetched: a fault in Kai. The terminal has the details."
            self._set(model, cancel, FileStatus(FileState.FAILED, problem=_words(words, model)))


def _words(message: str, model: LanguageModel) -> str:
    """Return a message of the fetching, which speaks of language models, in the words for that file."""
    return message.replace(LANGUAGE_MODEL, model.kind)


def _exists(path: Path | None) -> bool:
    return path is not None and path.is_file()
