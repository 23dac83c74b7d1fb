"""One test run of the services whose keys are set, started by the command line, a button on the page, or a test."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from kai.adapters.liveavatar.rest import BASE_URL, Account
from kai.adapters.liveavatar.troubles import trouble
from kai.adapters.openai_realtime import Endpoint
from kai.errors import FaceError, KaiError
from kai.live.avatar import PATIENT, AvatarObserver, Waits
from kai.live.realtime import MODELS, BrainObserver
from kai.live.report import Budget, Recording, Row
from kai.records.paid_sessions import PaidSessions
from kai.settings import Settings

log = logging.getLogger(__name__)

BUDGET_USD: Final = 1.0
CLOSE_S: Final = 10.0


def cost_words(settings: Settings, *, is_sandbox: bool, budget_usd: float = BUDGET_USD) -> str:
    """Return a sentence for people about the cost of a run, before it begins."""
    parts: list[str] = []
    if settings.has_cloud_face:
        parts.append(
            "LiveAvatar's free sandbox sessions cost nothing."
            if is_sandbox
            else "LiveAvatar: seven or eight credits, each about 10 cents."
        )
    if settings.has_cloud_brain:
        parts.append("OpenAI: two short calls, some cents.")
    return " ".join((*parts, f"Nothing is begun that could cost more than ${budget_usd:.2f} in all."))


def avatar_account(settings: Settings) -> Account | None:
    """Return the LiveAvatar account of the settings, or ``None`` without a key."""
    key = settings.liveavatar_api_key
    return None if key is None else Account(key.get_secret_value(), settings.liveavatar_url or BASE_URL)


def paid_sessions(settings: Settings) -> PaidSessions:
    """Return the records of the paid sessions, in the folder that the settings name or the user's own."""
    folder = settings.state_dir
    return PaidSessions(None if folder is None else folder / "paid-sessions")


def brain_endpoint(settings: Settings, model: str = MODELS[0]) -> Endpoint | None:
    """Return OpenAI's endpoint of the settings, or ``None`` without a key."""
    key = settings.openai_api_key
    if key is None:
        return None
    return Endpoint(
        api_key=key.get_secret_value(), model=model, base_url=settings.openai_base_url, is_billed=True
    )


async def look(
    settings: Settings,
    rows: list[Row],
    *,
    is_sandbox: bool,
    budget: Budget,
    recording: Recording,
    waits: Waits = PATIENT,
) -> None:
    """Test every service whose key is set, adding to ``rows`` and ``recording``. If a service cannot be tested, raises
    ``KaiError`` after the other one was tested."""
    account, endpoint = avatar_account(settings), brain_endpoint(settings)
    recording.secrets = tuple(given.api_key for given in (account, endpoint) if given is not None)
    problem: KaiError | None = None
    if account is not None:
        face = AvatarObserver(
            account,
            paid_sessions(settings),
            is_sandbox=is_sandbox,
            budget=budget,
            recording=recording,
            rows=rows,
            waits=waits,
        )
        try:
            await face.run()
        except httpx.HTTPError:
            problem = trouble("avatar-unreachable")
        except FaceError as exc:
            problem = exc
    if endpoint is not None:
        await BrainObserver(endpoint, budget=budget, recording=recording, rows=rows).run()
    if problem is not None:
        raise problem


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a run. ``problem`` tells people why it ended early."""

    is_running: bool
    rows: tuple[Row, ...]
    spent_usd: float
    problem: str = ""


class FirstSession:
    """A test run in a separate thread with its own loop. Any thread; one run at a time."""

    def __init__(self, settings: Settings, *, budget_usd: float = BUDGET_USD, waits: Waits = PATIENT) -> None:
        self._settings = settings
        self._waits = waits
        self._budget_usd = budget_usd
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None
        self._has_begun = threading.Event()
        self._budget = Budget(budget_usd)
        self._recording = Recording()
        self._rows: list[Row] = []
        self._problem = ""

    def cost(self, *, is_sandbox: bool) -> str:
        """Return a sentence for people about the cost of a run."""
        return cost_words(self._settings, is_sandbox=is_sandbox, budget_usd=self._budget_usd)

    @property
    def has_services(self) -> bool:
        """True when the key of a service is set."""
        return self._settings.has_cloud_face or self._settings.has_cloud_brain

    @property
    def has_avatar(self) -> bool:
        """True when there is a choice between the free avatar and the account's own."""
        return self._settings.has_cloud_face

    def begin(self, *, is_sandbox: bool) -> None:
        """Begin a run, unless one is in progress."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            self._budget, self._recording = Budget(self._budget_usd), Recording()
            self._rows, self._problem = [], ""
            self._has_begun.clear()
            self._thread = threading.Thread(
                target=self._run, args=(is_sandbox,), name="first session", daemon=True
            )
            self._thread.start()

    def _run(self, is_sandbox: bool) -> None:
        try:
            asyncio.run(self._look(is_sandbox))
        except asyncio.CancelledError:
            self._problem = "It was stopped."
        except KaiError as exc:
            self._problem = f"{exc.message} {exc.detail}".strip()
        except Exception:
            log.exception("a fault in the look at the services")
            self._problem = "Kai stumbled over a fault of its own. The log has the details."

    async def _look(self, is_sandbox: bool) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._has_begun.set()
        await look(
            self._settings,
            self._rows,
            is_sandbox=is_sandbox,
            budget=self._budget,
            recording=self._recording,
            waits=self._waits,
        )

    def progress(self) -> Progress:
        is_running = self._thread is not None and self._thread.is_alive()
        return Progress(is_running, tuple(self._rows), self._budget.spent_usd, self._problem)

    def recorded(self) -> bytes:
        """Return the recording as a file's content."""
        return self._recording.text().encode()

    def close(self) -> None:
        """Stop a run in progress, its paid sessions first."""
        thread = self._thread
        if thread is None or not thread.is_alive():
            return
        self._has_begun.wait(CLOSE_S)
        if self._loop is not None and self._task is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._task.cancel)
        thread.join(CLOSE_S)


def write(recording: Recording, path: Path) -> None:
    """Write the recording to the requested path. Raises ``KaiError``."""
    try:
        recording.write(path)
    except OSError as exc:
        raise KaiError(f"{path} cannot be written ({exc.strerror}). Give another with --file.") from exc
