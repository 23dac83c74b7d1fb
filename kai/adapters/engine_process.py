"""The local engine as a child process: it is started, watched, restarted when it ends, and ended with the app."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import sys
from collections.abc import Callable, Mapping

from kai.adapters.engine_client import EngineAddress, ask_engine
from kai.adapters.engine_status import STATUS_S, EngineReport, ModelReport, read_report
from kai.compat.child import Child
from kai.compat.tasks import Tasks
from kai.errors import EngineError, KaiError, WeightsError

log = logging.getLogger(__name__)

READY_S = 60.0
"""A cold engine loads in about 4 s on a laptop; a busy computer needs more."""
STOP_S = 4.0
RESTART_DELAY_S = 0.2
RESTARTS_IN_A_ROW = 5
WATCH_S = 1.0
"""The interval at which the engine is asked about its language model while that is being fetched."""
REST_S = 15.0
MODEL_LINE = "Language model"
"""The engine's lines with this beginning are shown in the terminal."""
FETCH_VARIABLE = "KAI_FETCH_MODEL"
EXIT_WEIGHTS = 3

Progress = Callable[[str], None]


class EngineProcess:
    """Supervises ``python -m kai.engine --child``. Kai's loop only."""

    def __init__(
        self, on_progress: Progress = lambda _line: None, environment: Mapping[str, str] | None = None
    ) -> None:
        """``environment`` is added to the engine's environment variables."""
        self._on_progress = on_progress
        self._environment = dict(environment or {})
        self._model_changed = asyncio.Event()
        self._address: EngineAddress | None = None
        self._is_up = asyncio.Event()
        self._gone: asyncio.Future[KaiError] | None = None
        self._tasks = Tasks("engine")
        self._child: Child | None = None
        self.fatal: KaiError | None = None
        """The reason why the engine cannot run at all, or ``None``."""
        self.is_started = False
        self.starts = 0
        self.report = EngineReport()
        """The last status report of the engine that runs now, or of the one before it."""

    def start(self) -> None:
        """Start the engine and keep it running."""
        self.is_started = True
        self._tasks.spawn(self._supervise(), "supervisor")

    @property
    def pid(self) -> int | None:
        """The process id of the running engine."""
        return None if self._child is None else self._child.pid

    @property
    def is_up(self) -> bool:
        return self._is_up.is_set()

    async def wait_up(self) -> EngineAddress:
        """Return the address of a ready engine. Raises ``fatal``, or ``EngineError`` after ``READY_S``."""
        try:
            async with asyncio.timeout(READY_S):
                while True:
                    if self.fatal is not None:
                        raise self.fatal
                    await self._is_up.wait()
                    if self._address is not None:
                        return self._address
        except TimeoutError as exc:
            raise EngineError(
                "The local engine did not start in time. Close other programs and try again.",
                code="engine-slow",
            ) from exc

    async def change_model(self, model_id: str, wish: str) -> None:
        """Have the engine ``fetch`` its language model, ``fetch-maker`` it from its maker, or ``cancel`` that; ``report``
        shows the progress. Raises ``KaiError``."""
        source = "?source=maker" if wish == "fetch-maker" else ""
        method = "DELETE" if wish == "cancel" else "POST"
        await self._change(method, f"/kai/models/{model_id}/fetch{source}")

    async def change_voice(self, file_id: str, wish: str) -> None:
        """Have the engine ``fetch``, ``pause`` or ``delete`` a file of voices; see ``report``. Raises ``KaiError``."""
        await self._change("POST", f"/kai/voices/files/{file_id}/{wish}")

    async def _change(self, method: str, path: str) -> None:
        await ask_engine(await self.wait_up(), method, path, timeout_s=STATUS_S)
        await self._read_report()

    async def _read_report(self) -> None:
        address = self._address
        if address is None:
            return
        report = await read_report(address)
        # An empty report means that a busy engine did not answer in time, not that it has no voices.
        if report != EngineReport():
            self.report = report
        self._model_changed.set()

    async def _watch_model(self) -> None:
        """Keep ``report`` fresh: every ``WATCH_S`` while a file is being fetched, else every ``REST_S``."""
        while True:
            states = {self.report.model.state, *(file.state for file in self.report.voice_files)}
            is_moving = not states.isdisjoint({"looking", "fetching"})
            self._model_changed.clear()
            try:
                async with asyncio.timeout(WATCH_S if is_moving else REST_S):
                    await self._model_changed.wait()
            except TimeoutError:
                await self._read_report()

    async def wait_gone(self) -> KaiError:
        """Return the error to report once the engine that runs now has ended."""
        if self._gone is None:
            return EngineError("The local engine stopped.", code="engine-lost")
        return await asyncio.shield(self._gone)

    async def aclose(self) -> None:
        """End the engine and its supervision, within ``STOP_S`` plus one second."""
        await self._tasks.aclose()

    async def _supervise(self) -> None:
        failures = 0
        try:
            while True:
                came_up = await self._run_once()
                failures = 0 if came_up else failures + 1
                if self.fatal is not None:
                    self._is_up.set()
                    return
                if failures > RESTARTS_IN_A_ROW:
                    self.fatal = EngineError(
                        "The local engine does not start. Run `python -m kai.engine` in a terminal to see why.",
                        code="engine-broken",
                        is_retryable=False,
                    )
                    self._is_up.set()
                    return
                await asyncio.sleep(RESTART_DELAY_S * (failures + 1))
        finally:
            await self._stop_process()

    async def _run_once(self) -> bool:
        """Run the engine once, until it ends, and return whether it was ever ready."""
        key = secrets.token_urlsafe(24)
        self._gone = asyncio.get_running_loop().create_future()
        self.starts += 1
        child = self._child = await Child.start(
            "kai.engine",
            "--child",
            "--json",
            added={"OMP_NUM_THREADS": "1"} | self._environment | self._again(),
            goes_online=True,
            on_line=self._hear_line,
        )
        watching = Tasks("engine")
        try:
            await child.tell(key)
            line = await child.read_line()
            if line:
                urls = json.loads(line)
                address = EngineAddress(str(urls["realtime"]), key)
                self.report = await read_report(address)
                self._address = address
                self._is_up.set()
                watching.spawn(self._watch_model(), "model")
                log.info("engine up", extra={"engine_pid": child.pid})
            code = await child.wait_ended()
        except (ConnectionError, json.JSONDecodeError, KeyError):
            code = await child.wait_ended()
        finally:
            await watching.aclose()
            was_up, self._address = self._address is not None, None
            self._is_up.clear()
            if not self._gone.done():
                self._gone.set_result(EngineError("The local engine stopped.", code="engine-lost"))
        if code == EXIT_WEIGHTS:
            words = child.last_words or ("A model file is missing or damaged. Run `make install` again.",)
            self.fatal = WeightsError(words[-1])
        log.warning("engine ended", extra={"exit_code": code})
        return was_up

    def _again(self) -> dict[str, str]:
        """Return the variable that makes a restarted engine continue fetching the model only if the last one was doing so."""
        was = self.report.model
        return {FETCH_VARIABLE: "1" if was.state == "fetching" else "0"} if was != ModelReport() else {}

    def _hear_line(self, line: str) -> None:
        if line.startswith(MODEL_LINE):
            print(line, file=sys.stderr, flush=True)
        self._on_progress(line)
        log.debug("engine says", extra={"line": line})

    async def _stop_process(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            await child.end(within_s=STOP_S)
