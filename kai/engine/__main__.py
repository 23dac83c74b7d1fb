"""``python -m kai.engine``: the local engine as a process.

Prints one line of JSON on standard output when it can be used: ``{"realtime": "http://127.0.0.1:N/v1", "liveavatar":
"http://127.0.0.1:M"}``. What it is doing until then, and errors, go to standard error. Ends with 0 on SIGTERM and Ctrl+C;
with 2 when the port is taken, with 3 when a model is missing or is not the one that we know, and with 4 when
``KAI_MIND_BASE_URL`` (with ``KAI_MIND_MODEL`` and ``KAI_MIND_API_KEY``: a mind in place of Kai's own) is no address.

``--child``: the first line of standard input is the key that every request must bring, and the engine ends when
standard input closes, which it does when the parent is gone, however that died.

``--liveavatar`` and ``--no-liveavatar``: whether the local LiveAvatar is served too, in a process of its own so that neither
disturbs the other's sound. Standalone it is, as a child only when asked for.
"""

from __future__ import annotations

import os

# One thread for each model: more made them slower, and idle ones spin. Before numpy is imported anywhere.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import contextlib
import gc
import json
import logging
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Generator
from types import FrameType
from typing import Final

from kai.compat.child import end_blocking, start_blocking

HOST: Final = "127.0.0.1"
EXIT_PORT_TAKEN: Final = 2
EXIT_WEIGHTS: Final = 3
EXIT_SETTING: Final = 4
GRACEFUL_S: Final = 3
LAST_S: Final = 10.0


def main() -> int:
    """Runs the engine until it is told to end; the exit code."""
    options = _parse()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    run_key = _read_run_key() if options.child else None
    logging.basicConfig(
        level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        listener = _listen(options.port)
    except OSError as exc:
        _say(f"Port {options.port} cannot be used ({exc.strerror}). Give another with --port, or none.")
        return EXIT_PORT_TAKEN
    with contextlib.closing(listener), _avatar(options.liveavatar, run_key) as avatar:
        return _serve(
            listener, avatar, run_key=run_key, is_quiet=options.json, is_fetching=options.fetch_model
        )


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m kai.engine", description="Kai's local speech engine.")
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; a free one if not given")
    parser.add_argument(
        "--json", action="store_true", help="for programs: no hints for people on standard error"
    )
    parser.add_argument(
        "--child", action="store_true", help="read the key from standard input, end when that is closed"
    )
    parser.add_argument(
        "--liveavatar",
        action=argparse.BooleanOptionalAction,
        help="whether to serve the local LiveAvatar too (yes, but not as a child)",
    )
    parser.add_argument(
        "--fetch-model",
        action="store_true",
        help="fetch the language model if it is missing; so does KAI_FETCH_MODEL=1",
    )
    options = parser.parse_args()
    if options.liveavatar is None:
        options.liveavatar = not options.child
    return options


@contextlib.contextmanager
def _avatar(is_wanted: bool, run_key: str | None) -> Generator[subprocess.Popen[bytes] | None]:
    """The local LiveAvatar's process, which loads while we do and ends with us, however we end."""
    if not is_wanted:
        yield None
        return
    process = start_blocking("kai.engine.liveavatar", "--child")
    assert process.stdin is not None
    try:
        process.stdin.write((run_key or "").encode() + b"\n")
        process.stdin.flush()
        yield process
    finally:
        end_blocking(process, within_s=LAST_S)


def _leave(number: int, frame: FrameType | None) -> None:
    """Ends a process that is still loading."""
    del number, frame
    raise SystemExit(0)


def _stay(number: int, frame: FrameType | None) -> None:
    """uvicorn raises the signal again once it has closed everything; by then it has done its work."""
    del number, frame


def _read_run_key() -> str:
    key = sys.stdin.readline().strip()
    if not key:
        raise SystemExit("The engine was started with --child, but no key came on standard input.")
    threading.Thread(target=_end_with_parent, name="parent-watch", daemon=True).start()
    return key


def _end_with_parent() -> None:
    """Waits for the end of standard input, then ends this process; hard, if it does not end by itself."""
    while sys.stdin.read(1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(LAST_S)
    os._exit(1)


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "posix":  # elsewhere the option would let two engines share one port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(64)
    except OSError:
        listener.close()
        raise
    return listener


def _serve(
    listener: socket.socket,
    avatar: subprocess.Popen[bytes] | None,
    *,
    run_key: str | None,
    is_quiet: bool,
    is_fetching: bool,
) -> int:
    _say("Loading Kai's ears, voice and mind...")
    import uvicorn

    from kai.engine.models.keeper import FETCH_VARIABLE, ModelKeeper
    from kai.engine.others.routes import endpoint_of_environment
    from kai.engine.server import MAX_WEBSOCKET_BYTES, Engine
    from kai.engine.speech.kit import SpeechKit
    from kai.errors import WeightsError
    from kai.wire.realtime import ClientMistake

    try:
        speech = SpeechKit.load(lambda stage: _say(f"  {stage.name}: {stage.seconds:.1f} s"))
    except WeightsError as exc:
        _say(exc.message)
        return EXIT_WEIGHTS
    for problem in speech.problems:
        _say(problem)
    try:
        chosen = endpoint_of_environment()
    except ClientMistake as mistake:
        _say(mistake.message)
        return EXIT_SETTING
    models = ModelKeeper(say=_say, is_fetching=is_fetching or os.environ.get(FETCH_VARIABLE) == "1")
    # The largest hiccup left is a garbage collection; what was loaded stays anyway.
    gc.collect()
    gc.freeze()

    port: int = listener.getsockname()[1]
    addresses: dict[str, str] = {"realtime": f"http://{HOST}:{port}/v1"}
    if avatar is not None and avatar.stdout is not None:
        # It began before us and has less to load; of one that died there is no line.
        addresses |= json.loads(avatar.stdout.readline() or b"{}")

    class AnnouncingServer(uvicorn.Server):
        """Says where it is once it listens."""

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                print(json.dumps(addresses), flush=True)
                if not is_quiet:
                    _say(f"Ready: {addresses['realtime']} (any key). Ctrl+C ends it.")

    config = uvicorn.Config(
        Engine(speech, run_key=run_key, models=models, chosen=chosen).application(),
        log_config=None,
        access_log=False,
        server_header=False,
        ws_max_size=MAX_WEBSOCKET_BYTES,
        timeout_graceful_shutdown=GRACEFUL_S,
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stay)
    AnnouncingServer(config).run(sockets=[listener])
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
