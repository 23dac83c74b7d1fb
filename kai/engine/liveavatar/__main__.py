"""``python -m kai.engine.liveavatar``: the local LiveAvatar as a separate process.

Prints one line of JSON on standard output when it is ready: ``{"liveavatar": "http://127.0.0.1:M"}``. Exit codes: 0 on
SIGTERM and Ctrl+C, 2 when the port is taken. ``--child``: the first line of standard input is the key that every request
must carry (empty: any key), and the process ends when standard input closes.
"""

from __future__ import annotations

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import contextlib
import gc
import json
import socket
import sys
from pathlib import Path
from typing import Any, Final

from kai.compat.logs import print_log
from kai.engine import serving

PICTURE_BPS: Final = 1_500_000


def main() -> int:
    """Run until told to end; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m kai.engine.liveavatar", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="the port on 127.0.0.1; a free one if not given")
    parser.add_argument("--faults", default="{}", help="fault switches as a JSON object")
    parser.add_argument("--replay", type=Path, help="a recording of python -m kai.live to answer with")
    parser.add_argument("--child", action="store_true", help="key from standard input, end when that closes")
    options = parser.parse_args()
    serving.prepare_to_leave()
    run_key = serving.read_run_key(may_be_empty=True) or None if options.child else None
    print_log("WARNING", "")
    listener = serving.listen(options.port)
    if listener is None:
        return serving.EXIT_PORT_TAKEN
    with contextlib.closing(listener):
        return _serve(listener, run_key, json.loads(options.faults), options.replay)


def _serve(
    listener: socket.socket, run_key: str | None, switches: dict[str, Any], recording: Path | None
) -> int:
    from kai.compat import rtc
    from kai.engine.liveavatar.faults import Faults
    from kai.engine.liveavatar.pongs import protocol_with_pongs
    from kai.engine.liveavatar.replaying import Replay
    from kai.engine.liveavatar.server import LiveAvatarServer
    from kai.errors import ConfigError, ProtocolError

    try:
        replay = None if recording is None else Replay(recording.read_text("utf-8"))
        told = {} if replay is None else replay.switches
        faults = Faults().with_changes(told).with_changes(switches)
        server = LiveAvatarServer(run_key=run_key, faults=faults, replay=replay)
    except OSError as exc:
        print(f"{recording} cannot be read ({exc.strerror}).", file=sys.stderr)
        return 1
    except (ConfigError, ProtocolError) as exc:
        print(exc.message, file=sys.stderr)
        return 1
    rtc.set_vp8_bitrate(PICTURE_BPS)
    rtc.set_vp8_for_rendered_pictures()
    gc.collect()
    gc.freeze()
    address = {"liveavatar": f"http://{serving.HOST}:{listener.getsockname()[1]}"}

    serving.serve(
        server.application(),
        listener,
        address,
        ws=protocol_with_pongs(lambda: not server.faults.has_no_pongs),
        ws_max_size=4 << 20,
        timeout_keep_alive=2,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
