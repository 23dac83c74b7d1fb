"""Our child processes: their environment, how they start, and how they end.

A child runs a module of this project. The language model's process, the engine, the face and the avatar's room are `Child`;
the face's baker and the engine's avatar, whose parents have no event loop, are a ``Popen``. Both kinds end in the same steps,
each with a deadline: the child is asked to end and its standard input is closed, then it is terminated, then it is killed.

A child gets only the variables on an allow list. Our environment holds the keys of providers, and on a developer's computer
also tokens and passwords that the shell has collected. A child needs none of them, and each copy is readable in
``/proc/<pid>/environ``. A deny list would never be complete. The allow list has what the interpreter, its libraries and the
operating system need to start and to find their folders, the language and the time zone.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from kai.compat.tasks import Tasks

PROJECT: Final = Path(__file__).parents[2]
"""The working folder of children, so that ``-m kai.engine`` finds our module wherever the app was started."""
TERMINATED_S: Final = 1.0
"""The time between terminating a child and killing it."""
LAST_WORDS: Final = 20
"""How many lines of a child's standard error are kept."""
ENDED_S: Final = 0.5
"""How long standard error is read after a child's end. It is limited because a grandchild may hold the pipe open."""

_OF_THE_SYSTEM: Final = """
PATH HOME USER LOGNAME SHELL LANG LANGUAGE TZ TMPDIR TMP TEMP LD_LIBRARY_PATH DYLD_LIBRARY_PATH DYLD_FALLBACK_LIBRARY_PATH
SSL_CERT_FILE SSL_CERT_DIR REQUESTS_CA_BUNDLE CURL_CA_BUNDLE
"""
# Without SystemRoot, Windows cannot open sockets.
_OF_WINDOWS: Final = """
SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT APPDATA LOCALAPPDATA PROGRAMDATA USERPROFILE USERNAME HOMEDRIVE HOMEPATH
NUMBER_OF_PROCESSORS PROCESSOR_ARCHITECTURE
"""
_OF_PYTHON: Final = """
PYTHONPATH PYTHONHOME PYTHONUTF8 PYTHONIOENCODING PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX PYTHONUNBUFFERED PYTHONSAFEPATH
PYTHONFAULTHANDLER PYTHONHASHSEED PYTHONWARNINGS PYTHONASYNCIODEBUG PYTHONNOUSERSITE PYTHONUSERBASE VIRTUAL_ENV CONDA_PREFIX
OMP_NUM_THREADS OPENBLAS_NUM_THREADS MKL_NUM_THREADS
"""
# These say which language model to use, whether to download it, and where other programs store models.
_OF_THE_MODEL: Final = """
KAI_MIND KAI_MIND_TEMPERATURE KAI_MIND_SEED KAI_FETCH_MODEL OLLAMA_MODELS HF_HOME HF_HUB_CACHE HUGGINGFACE_HUB_CACHE
"""
_PASSED_ON: Final = frozenset(f"{_OF_THE_SYSTEM} {_OF_WINDOWS} {_OF_PYTHON} {_OF_THE_MODEL}".split())
_PASSED_ON_KINDS: Final = re.compile(r"LC_\w+|XDG_\w+|NUMBA_\w+|KAI_\w+_DIR")
PROXIES: Final = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
"""The variables that name a proxy. They are also read in lower case."""
_SOURCES: Final = re.compile(r"PIP_\w+|HF_ENDPOINT")
"""Variables that redirect pip and the download of the language model, to a mirror for instance."""


def child_environment(added: Mapping[str, str] | None = None, *, goes_online: bool = False) -> dict[str, str]:
    """Return the environment of a child process: the allowed variables of ours, and ``added``, which takes precedence.

    ``goes_online`` is for a child that contacts other computers. It also gets the addresses of the proxy and of mirrors,
    which may contain passwords.
    """
    passed = {name: value for name, value in os.environ.items() if _may_pass(name.upper(), goes_online)}
    return passed | dict(added or {})


def _may_pass(name: str, goes_online: bool) -> bool:
    if name in _PASSED_ON or _PASSED_ON_KINDS.fullmatch(name) is not None:
        return True
    return goes_online and (name in PROXIES or _SOURCES.fullmatch(name) is not None)


def _nothing() -> None: ...


class Child:
    """A process that runs a module of this project. One event loop only.

    Its owner must end it in a ``finally``. If its standard error is a pipe, each line is passed to ``on_line``, and the last
    lines are kept.
    """

    def __init__(self, process: asyncio.subprocess.Process, on_line: Callable[[str], None] | None) -> None:
        """Use `start` or `start_linked`."""
        self._process = process
        self._on_line = on_line
        self._tasks = Tasks(f"child {process.pid}")
        self.last_words: deque[str] = deque(maxlen=LAST_WORDS)
        if process.stderr is not None:
            self._tasks.spawn(self._listen(process.stderr), "standard error")

    @classmethod
    async def start(
        cls,
        module: str,
        *arguments: str,
        added: Mapping[str, str] | None = None,
        goes_online: bool = False,
        on_line: Callable[[str], None] | None = None,
    ) -> Child:
        """Start a child that exchanges lines with us: its standard input, output and error are pipes.

        ``added`` and ``goes_online`` are those of `child_environment`. Raises ``OSError``.
        """
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *_command(module, *arguments),
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            cwd=PROJECT,
            env=child_environment(added, goes_online=goes_online),
        )
        return cls(process, on_line)

    @classmethod
    async def start_linked(
        cls,
        module: str,
        *arguments: str,
        descriptors: tuple[int, ...] = (),
        added: Mapping[str, str] | None = None,
        goes_online: bool = False,
    ) -> tuple[Child, socket.socket]:
        """Start a child that inherits one end of a socket pair (``--socket FD``). Return the child and our end.

        It also inherits ``descriptors``, and has no standard input or output. Raises ``OSError``.
        """
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *_command(module, "--socket", str(theirs.fileno()), *arguments),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), *descriptors),
                cwd=PROJECT,
                env=child_environment(added, goes_online=goes_online),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, None), ours

    @property
    def pid(self) -> int | None:
        """The process id while the child runs, or ``None``."""
        return self._process.pid if self._process.returncode is None else None

    async def tell(self, line: str) -> None:
        """Write a line to the child's standard input. Raises ``ConnectionError`` when the child is gone."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(line.encode() + b"\n")
        await stdin.drain()

    async def read_line(self) -> str:
        """Return the next line of the child's standard output, or an empty string at its end."""
        assert self._process.stdout is not None
        return (await self._process.stdout.readline()).decode(errors="replace").strip()

    async def wait_ended(self) -> int:
        """Wait until the child has ended and its standard error is read. Return the exit code."""
        code = await self._process.wait()
        try:
            async with asyncio.timeout(ENDED_S):
                await self._tasks.wait_ended()
        except TimeoutError:
            pass
        await self._tasks.aclose()
        return code

    async def end(self, ask: Callable[[], None] = _nothing, *, within_s: float) -> int:
        """End the child and return its exit code.

        Call ``ask`` and close its standard input, terminate it after ``within_s``, and kill it `TERMINATED_S` later. The
        child is killed even if this call is cancelled.
        """
        process = self._process
        try:
            if process.returncode is None:
                ask()
                if process.stdin is not None:
                    process.stdin.close()
                if not await self._has_ended(within_s):
                    process.terminate()
                    await self._has_ended(TERMINATED_S)
        finally:
            if process.returncode is None:
                process.kill()
        return await self.wait_ended()

    async def _has_ended(self, within_s: float) -> bool:
        try:
            async with asyncio.timeout(within_s):
                await self._process.wait()
        except TimeoutError:
            return False
        return True

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                continue  # drop a line beyond the stream's limit, and read on, since a full pipe would block the child
            if not line:
                return
            if text := line.decode(errors="replace").strip():
                self.last_words.append(text)
                if self._on_line is not None:
                    self._on_line(text)


def start_blocking(module: str, *arguments: str, is_silent: bool = False) -> subprocess.Popen[bytes]:
    """Start a child with pipes as standard input and output, for a parent without an event loop. Raises ``OSError``.

    It shares our standard error, which is discarded if it ``is_silent``. End it with `end_blocking`.
    """
    return subprocess.Popen(
        _command(module, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL if is_silent else None,
        cwd=PROJECT,
        env=child_environment(),
    )


def end_blocking(process: subprocess.Popen[bytes], *, within_s: float) -> None:
    """End a child of `start_blocking` in the steps of `Child.end`; closing its standard input asks it to end."""
    if process.stdin is not None:
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass  # the child is gone, and buffered data could not be written
    for push, wait_s in ((_nothing, within_s), (process.terminate, TERMINATED_S), (process.kill, None)):
        push()
        try:
            process.wait(wait_s)
            break
        except subprocess.TimeoutExpired:
            continue
    if process.stdout is not None:
        process.stdout.close()


def _command(module: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", module, *arguments)
