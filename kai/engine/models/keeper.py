"""Finds or fetches the engine's language model, and reports its state.

    looking ──► ready ◄──────────────┐
       │                             │
       ├──► none ──► fetching ───────┤         off           KAI_MIND=none
       │     ▲          │  cancelled │         unsupported   this computer cannot run one
       │     └──────────┘            │
       └──► failed ◄── an error ─────┘

One thread at a time does the work; `status` may be read from any thread.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import platform
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Final

from kai.engine.models import fetching, places
from kai.engine.models.catalogue import (
    BESIDE_BYTES,
    MODELS,
    LanguageModel,
    choose_model,
    total_memory_bytes,
)
from kai.errors import KaiError, WeightsError

log = logging.getLogger(__name__)

FETCH_VARIABLE: Final = "KAI_FETCH_MODEL"
"""``1``: the engine begins to fetch a missing model when it starts, and shows its progress on standard error."""
LINE_START: Final = "Language model"
"""The beginning of each line for a terminal."""
RUNTIME: Final = "xllamacpp"
_STEP_PERCENT: Final = 5
_CLOSE_S: Final = 3.0
_SYSTEMS: Final = frozenset({("linux", "x86_64"), ("darwin", "arm64"), ("win32", "amd64")})


class ModelState(StrEnum):
    """The state of the language model; the module's docstring has the transitions."""

    LOOKING = "looking"
    NONE = "none"
    FETCHING = "fetching"
    READY = "ready"
    FAILED = "failed"
    OFF = "off"
    UNSUPPORTED = "unsupported"


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """The status of the language model.

    ``id`` to ``licence`` describe the model that this computer has or would get. ``is_own`` marks a person's own file, and
    ``is_known`` a file with the bytes of a model of the catalogue. ``problem`` is for people.
    """

    state: ModelState = ModelState.LOOKING
    id: str = ""
    name: str = ""
    bytes: int = 0
    done_bytes: int = 0
    licence: str = ""
    problem: str = ""
    path: Path | None = None
    is_own: bool = False
    is_known: bool = True

    def to_json(self) -> dict[str, object]:
        """Return the status in the form of ``GET /kai/status``."""
        return {**asdict(self), "path": "" if self.path is None else str(self.path)}


OnReady = Callable[[Path], object]
"""Called with the path of a usable model file, from the keeper's thread; its result is ignored."""


def why_unsupported() -> str:
    """Return why no language model can run here, in words for people; "" where one can."""
    system, machine = sys.platform, platform.machine().lower()
    if (system, machine) not in _SYSTEMS:
        return (
            "Kai's large mind runs on Linux (x86-64), on macOS (Apple silicon) and on Windows (x86-64), not on "
            f"{platform.system()} ({platform.machine()}). Kai answers with its small mind; a model server can be set with "
            "KAI_MIND_BASE_URL."
        )
    if importlib.util.find_spec(RUNTIME) is None:
        return (
            f"The package {RUNTIME}, which runs the large mind, is not installed. Run `make install`, or "
            "`pip install -r requirements.txt`, then start Kai again. Until then Kai answers with its small mind."
        )
    return ""


class ModelKeeper:
    """Finds the language model of this engine, and fetches it when asked to.

    With ``is_fetching`` a missing model is fetched at the start. ``say`` gets lines for a terminal. ``models`` and
    ``folder`` default to the catalogue's models and the user's folder.
    """

    def __init__(
        self,
        *,
        is_fetching: bool = False,
        say: Callable[[str], None] = lambda _line: None,
        models: tuple[LanguageModel, ...] = MODELS,
        folder: Path | None = None,
        memory_bytes: int | None = None,
    ) -> None:
        self._on_ready: OnReady = lambda _path: None
        self._is_fetching = is_fetching
        self._say = say
        self._models = models
        self._folder = folder
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._status = ModelStatus()
        self._thread: threading.Thread | None = None
        self._cancel = threading.Event()
        self._is_closed = False
        self._said_percent = -_STEP_PERCENT

    @property
    def status(self) -> ModelStatus:
        """The current status of the model. Any thread."""
        with self._lock:
            return self._status

    def start(self, on_ready: OnReady = lambda _path: None) -> None:
        """Look for the model; ``on_ready`` gets its file once there is one. Returns at once."""
        self._on_ready = on_ready
        self._run(self._look)

    def fetch(self, model_id: str, *, from_maker: bool = False) -> bool:
        """Begin to fetch that model, unless it is being fetched or is here. Returns at once, with whether the id is known."""
        model = next((model for model in self._models if model.id == model_id), None)
        if model is None:
            return False
        if self.status.state not in (ModelState.FETCHING, ModelState.READY):
            self._run(lambda cancel: self._fetch(model, cancel, from_maker=from_maker))
        return True

    def cancel(self, model_id: str) -> bool:
        """Stop fetching that model, and keep the bytes fetched. Returns at once, with whether the id is known."""
        model = next((model for model in self._models if model.id == model_id), None)
        if model is None:
            return False
        with self._lock:
            if self._status.state is ModelState.FETCHING and self._status.id == model_id:
                self._cancel.set()
                self._status = replace(self._status, state=ModelState.NONE)
        return True

    def fail(self, problem: str) -> None:
        """Record that the file is here but the model cannot run; ``problem`` says why and what to do."""
        with self._lock:
            self._status = replace(self._status, state=ModelState.FAILED, problem=problem)

    def step_down(self, problem: str) -> None:
        """Take the next smaller model, since this one is too slow for this computer.

        The smaller one is fetched only if models are fetched automatically. ``problem`` is the reason; it stays in the
        status with the smaller model.
        """
        ids = [model.id for model in self._models]
        now = self.status
        smaller = self._models[ids.index(now.id) + 1 :] if now.id in ids and not now.is_own else ()
        if not smaller:
            self.fail(problem)
            return
        self._run(partial(self._take_smaller, smaller[0], problem))

    def close(self) -> None:
        """Stop the work and wait for its end, up to ``_CLOSE_S``."""
        with self._lock:
            self._is_closed = True
            self._cancel.set()
        self.join(_CLOSE_S)

    @property
    def is_working(self) -> bool:
        """Whether the model is being looked for or fetched."""
        return self._thread is not None and self._thread.is_alive()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the end of the current work, up to ``timeout_s``."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)

    # Inside

    def _run(self, work: Callable[[threading.Event], None]) -> None:
        """Do ``work`` in a new thread. An older thread was cancelled before; the lock file keeps the two apart."""
        cancel = threading.Event()

        def guarded() -> None:
            if sys.platform == "linux":
                # Lower the priority of this thread and its children alone, since a running talk comes first.
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), fetching.NICE)
            try:
                work(cancel)
            except places.Cancelled:
                pass
            except KaiError as error:
                self._set(cancel, state=ModelState.FAILED, problem=error.message)
                self._say(f"{LINE_START}: {error.message}")
            except Exception:
                log.exception("a fault while the language model was fetched")
                self._set(
                    cancel,
                    state=ModelState.FAILED,
                    problem="The language model could not be fetched: a fault in Kai. The terminal has the details.",
                )

        with self._lock:
            if self._is_closed:
                return
            self._cancel = cancel
            self._thread = threading.Thread(target=guarded, name="models", daemon=True)
            self._thread.start()

    def _set(self, cancel: threading.Event, **changes: object) -> None:
        """Change the status, unless this work was cancelled."""
        with self._lock:
            if not cancel.is_set():
                self._status = replace(self._status, **changes)  # type: ignore[arg-type]

    def _look(self, cancel: threading.Event) -> None:
        if places.is_off():
            self._set(cancel, state=ModelState.OFF)
            return
        problem = why_unsupported()
        if problem:
            self._set(cancel, state=ModelState.UNSUPPORTED, problem=problem)
            self._say(f"{LINE_START}: {problem}")
            return
        own = places.find_own(self._folder, self._models)
        if own is not None:
            self._describe(cancel, own.model)
            size_bytes = own.path.stat().st_size
            self._set(cancel, is_own=True, is_known=own.model is not None, bytes=size_bytes)
            if own.model is None:
                self._set(cancel, id=places.OWN, name=own.path.stem)
            self._ready(cancel, own.path, size_bytes)
            return
        model = choose_model(self._memory_bytes, self._models)
        if model is None:
            self._set(cancel, state=ModelState.UNSUPPORTED, problem=self._too_little_memory())
            return
        self._describe(cancel, model)
        found = places.find(model, self._folder)
        if found is not None:
            self._ready(cancel, found, model.bytes)
            return
        copy = places.own_copy(model, self._folder)
        spoilt = places.problem_of(copy, model) if copy.exists() else ""
        if self._is_fetching:
            self._fetch(model, cancel, from_maker=False)
        elif spoilt:
            raise WeightsError(spoilt, code="model_wrong")
        else:
            have_bytes = fetching.fetched_bytes(model, self._folder)
            self._set(cancel, state=ModelState.NONE, done_bytes=have_bytes)

    def _take_smaller(self, model: LanguageModel, problem: str, cancel: threading.Event) -> None:
        self._describe(cancel, model)
        found = places.find(model, self._folder)
        if found is None and not self._is_fetching:
            self._set(cancel, state=ModelState.NONE, problem=problem, path=None, done_bytes=0)
            return
        if found is None:
            self._fetch(model, cancel, from_maker=False)
        else:
            self._ready(cancel, found, model.bytes)
        self._set(cancel, problem=f"{problem} {model.name} answers.")

    def _fetch(self, model: LanguageModel, cancel: threading.Event, *, from_maker: bool) -> None:
        self._describe(cancel, model)
        have_bytes = fetching.fetched_bytes(model, self._folder)
        self._set(cancel, state=ModelState.FETCHING, problem="", done_bytes=have_bytes)
        self._said_percent = -_STEP_PERCENT

        def progress(done_bytes: int, all_bytes: int) -> None:
            self._set(cancel, done_bytes=done_bytes)
            self._tell(done_bytes, all_bytes)

        path = fetching.fetch(model, progress, cancel, folder=self._folder, from_maker=from_maker)
        self._ready(cancel, path, model.bytes)

    def _ready(self, cancel: threading.Event, path: Path, size_bytes: int) -> None:
        if cancel.is_set():
            return
        was_fetched = self.status.state is ModelState.FETCHING
        self._set(cancel, state=ModelState.READY, path=path, done_bytes=size_bytes, problem="")
        if was_fetched:
            self._say(f"{LINE_START}: it is here ({self.status.name}).")
        self._on_ready(path)

    def _describe(self, cancel: threading.Event, model: LanguageModel | None) -> None:
        if model is not None:
            self._set(cancel, id=model.id, name=model.name, bytes=model.bytes, licence=model.licence)

    def _tell(self, done_bytes: int, all_bytes: int) -> None:
        percent = 100 * done_bytes // all_bytes
        if percent >= self._said_percent + _STEP_PERCENT:
            self._said_percent = percent - percent % _STEP_PERCENT
            self._say(f"{LINE_START}: {percent}% ({done_bytes / 1e6:.0f} of {all_bytes / 1e6:.0f} MB)")

    def _too_little_memory(self) -> str:
        have_bytes = self._memory_bytes or total_memory_bytes()
        need_bytes = min(model.memory_bytes for model in self._models) + BESIDE_BYTES
        return (
            f"Kai's large mind needs a computer with {need_bytes / 1e9:.1f} GB of memory; this one has "
            f"{have_bytes / 1e9:.1f} GB. Kai answers with its small mind."
        )
