"""Process functions shared by both programs of the engine: a local port, a line with their addresses, and a clean exit.

Heavy modules are imported late, so that a program reads its key and takes its port first.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, Final

HOST: Final = "127.0.0.1"
EXIT_PORT_TAKEN: Final = 2
GRACEFUL_S: Final = 3
LAST_S: Final = 10.0
"""A program that has not ended this long after it was told to is killed."""


def prepare_to_leave() -> None:
    """Let SIGTERM and Ctrl+C end a process that is still loading, with exit code 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)


def read_run_key(*, may_be_empty: bool) -> str:
    """Return the key on the first line of standard input; from then on the process ends when standard input is closed.

    Standard input closes however the parent dies. Raises ``SystemExit`` with a message where a needed key is missing.
    """
    key = sys.stdin.readline().strip()
    if not key and not may_be_empty:
        raise SystemExit("The engine was started with --child, but no key came on standard input.")
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    return key


def listen(port: int) -> socket.socket | None:
    """Return a socket that listens on the port, or on a free one for 0; ``None``, after a message, where it is taken."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would let two engines share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(64)
    except OSError as exc:
        listener.close()
        say(f"Port {port} cannot be used ({exc.strerror}). Give another with --port, or none.")
        return None
    return listener


def serve(
    application: Any,
    listener: socket.socket,
    addresses: dict[str, str],
    on_ready: Callable[[], None] = lambda: None,
    **options: Any,
) -> None:
    """Serve until told to end. ``addresses`` are printed on standard output once it listens; ``options`` are uvicorn's."""
    import uvicorn

    class AnnouncingServer(uvicorn.Server):
        """A server that prints its addresses once it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(json.dumps(addresses), flush=True)
                on_ready()

    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACEFUL_S,
        **options,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stay)
    AnnouncingServer(config).run(sockets=[listener])


def say(line: str) -> None:
    """Print a line on standard error, for the person or the parent process."""
    print(line, file=sys.stderr, flush=True)


def _leave(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise SystemExit(0)


def _stay(number: int, frame: FrameType | None) -> None:
    """Ignore the signal that uvicorn raises again after it has shut down cleanly."""
    del number, frame


def _end_with_parent() -> None:
    while sys.stdin.read(1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(LAST_S)
    os._exit(1)
