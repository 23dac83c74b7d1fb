"""Starts the face's process, and reports a missing package in words when the process cannot even be imported."""

from __future__ import annotations

import os
import socket
import sys

from kai.adapters.local_face import messages as m


def main(arguments: list[str]) -> int:
    """Run `kai.adapters.local_face.process.main`; return 1 when a package is missing, after telling the app."""
    try:
        from kai.adapters.local_face import process
    except ImportError as exc:
        connection = socket.socket(fileno=int(arguments[arguments.index("--socket") + 1]))
        connection.sendall(m.encode(m.missing(exc)))
        return 1
    return process.main(arguments)


if __name__ == "__main__":
    code = main(sys.argv[1:])
    # The loader may be in the middle of a bake, so exit without waiting for it.
    os._exit(code)
