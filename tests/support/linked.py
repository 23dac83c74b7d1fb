"""A child process for tests: says "here" over the socket that it inherits, and ends when that does."""

from __future__ import annotations

import socket
import sys

if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[sys.argv.index("--socket") + 1])) as link:
        link.sendall(b"here")
        link.recv(1)
