"""``python -m kai.engine``: the local engine as a process.

Prints one line of JSON on standard output when it is ready: ``{"realtime": "http://127.0.0.1:N/v1", "liveavatar":
"http://127.0.0.1:M"}``. Progress and errors are printed on standard error. Exit codes: 0 on SIGTERM and Ctrl+C; 2 when the
port is taken; 3 when a model is missing or its checksum is wrong; 4 when ``KAI_MIND_BASE_URL`` (with ``KAI_MIND_MODEL`` and
``KAI_MIND_API_KEY``: a mind in place of Kai's own) is not a valid address.

``--child``: the first line of standard input is the key that every request must carry, and the engine ends when standard
input closes, which happens however the parent dies.

``--liveavatar`` and ``--no-liveavatar``: whether to serve the local LiveAvatar too, in a separate process so that neither
disturbs the other's sound. The default is yes for a standalone engine and no for a child.
"""

from __future__ import annotations

import os

# One thread for each model: more made them slower, and idle threads spin. Set it before numpy is imported anywhere.
os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import contextlib
import gc
import json
import socket
import subprocess
import sys
from collections.abc import Generator
from typing import Final

from kai.compat.child import end_blocking, start_blocking
from kai.compat.logs import print_log
from kai.engine import serving
from kai.engine.serving import say

EXIT_WEIGHTS: Final = 3
EXIT_SETTING: Final = 4


def main() -> int:
    """Run the engine until it is told to end; return the exit code."""
    options = _parse()
    serving.prepare_to_leave()
    run_key = serving.read_run_key(may_be_empty=False) if options.child else None
    print_log("WARNING", "")
    listener = serving.listen(options.port)
    if listener is None:
        return serving.EXIT_PORT_TAKEN
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
    """Run the local LiveAvatar's process, which loads in parallel with the engine and ends with it, however it ends."""
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
        end_blocking(process, within_s=serving.LAST_S)


def _serve(
    listener: socket.socket,
    avatar: subprocess.Popen[bytes] | None,
    *,
    run_key: str | None,
    is_quiet: bool,
    is_fetching: bool,
) -> int:
    say("Loading Kai's ears, voice and mind...")
    from kai.engine.models.keeper import FETCH_VARIABLE, ModelKeeper
    from kai.engine.models.voices import VoiceShelf
    from kai.engine.others.routes import endpoint_of_environment
    from kai.engine.server import MAX_WEBSOCKET_BYTES, Engine
    from kai.engine.speech.kit import SpeechKit
    from kai.errors import WeightsError
    from kai.wire.realtime import ClientMistake

    try:
        speech = SpeechKit.load(
            lambda stage: say(f"  {stage.name}: {stage.seconds:.1f} s"), files=VoiceShelf()
        )
    except WeightsError as exc:
        say(exc.message)
        return EXIT_WEIGHTS
    for problem in speech.problems:
        say(problem)
    try:
        chosen = endpoint_of_environment()
    except ClientMistake as mistake:
        say(mistake.message)
        return EXIT_SETTING
    models = ModelKeeper(say=say, is_fetching=is_fetching or os.environ.get(FETCH_VARIABLE) == "1")
    # Garbage collection causes the largest remaining pauses, so exempt what was loaded, which stays anyway.
    gc.collect()
    gc.freeze()

    port: int = listener.getsockname()[1]
    addresses: dict[str, str] = {"realtime": f"http://{serving.HOST}:{port}/v1"}
    if avatar is not None and avatar.stdout is not None:
        # The avatar started first and has less to load, so this wait is short; a process that died gives an empty line.
        addresses |= json.loads(avatar.stdout.readline() or b"{}")

    serving.serve(
        Engine(speech, run_key=run_key, models=models, chosen=chosen).application(),
        listener,
        addresses,
        lambda: None if is_quiet else say(f"Ready: {addresses['realtime']} (any key). Ctrl+C ends it."),
        ws_max_size=MAX_WEBSOCKET_BYTES,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
