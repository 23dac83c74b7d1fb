"""``python -m kai.engine.liveavatar``: the local LiveAvatar as a process of its own.

Prints one line of JSON on standard output when it can be used: ``{"liveavatar": "http://127.0.0.1:M"}``. Ends with 0 on
SIGTERM and Ctrl+C, with 2 when the port is taken. ``--child``: the first line of standard input is the key that every
request must bring (empty: any key), and the process ends when standard input closes.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import contextlib
import gc
import json
import logging
import signal
import socket
import sys
import threading
from typing import Any, Final

HOST: Final = "127.0.0.1"
EXIT_PORT_TAKEN: Final = 2
GRACEFUL_S: Final = 3
LAST_S: Final = 10.0
PICTURE_BPS: Final = 1_500_000


def main() -> int:
    """Runs until it is told to end; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kai.engine.liveavatar", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; a free one if not given")
    parser.add_argument("--faults", default="{}", help="fault switches as a JSON object")
    parser.add_argument("--child", action="store_true", help="key from standard input, end when that closes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    run_key = sys.stdin.readline().strip() or None if options.child else None
    if options.child:
        threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with contextlib.closing(listener):
        try:
            if os.name == "posix":
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((HOST, options.port))
            listener.listen(64)
        except OSError as exc:
            print(
                f"Port {options.port} cannot be used ({exc.strerror}). Give another with --port, or none.",
                file=sys.stderr,
            )
            return EXIT_PORT_TAKEN
        return _serve(listener, run_key, json.loads(options.faults))


def _serve(listener: socket.socket, run_key: str | None, switches: dict[str, Any]) -> int:
    import uvicorn

    from kai.compat import rtc
    from kai.engine.liveavatar.faults import Faults
    from kai.engine.liveavatar.pongs import protocol_with_pongs
    from kai.engine.liveavatar.server import LiveAvatarServer
    from kai.errors import ConfigError

    try:
        server = LiveAvatarServer(run_key=run_key, faults=Faults().with_changes(switches))
    except ConfigError as exc:
        print(exc.message, file=sys.stderr)
        return 1
    rtc.set_vp8_bitrate(PICTURE_BPS)
    gc.collect()
    gc.freeze()
    address = {"liveavatar": f"http://{HOST}:{listener.getsockname()[1]}"}

    class AnnouncingServer(uvicorn.Server):
        """Says where it is once it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(json.dumps(address), flush=True)

    config = uvicorn.Config(
        server.application(),
        log_config=None,
        access_log=False,
        server_header=False,
        ws=protocol_with_pongs(lambda: not server.faults.has_no_pongs),
        ws_max_size=4 << 20,
        timeout_keep_alive=2,
        timeout_graceful_shutdown=GRACEFUL_S,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: None)  # uvicorn's own handler does the work
    AnnouncingServer(config).run(sockets=[listener])
    return 0


def _end_with_parent() -> None:
    while sys.stdin.read(1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(LAST_S)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
