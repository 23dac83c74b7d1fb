"""What this computer must have: room on the disk, memory, UDP to itself, a network interface."""

from __future__ import annotations

import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from kai.checks.run import Finding, Level

ROOM_LEAST_BYTES = 200_000_000
ROOM_GOOD_BYTES = 1_000_000_000
MEMORY_LEAST_BYTES = 400_000_000
MEMORY_GOOD_BYTES = 1_200_000_000
"""App, engine, face and browser together take about this."""
UDP_S = 1.0


def check_disk(
    folder: Path, free_bytes: Callable[[Path], int] = lambda f: shutil.disk_usage(f).free
) -> Finding:
    """Whether there is room where Kai keeps things, and whether it may write there."""
    try:
        free = free_bytes(folder)
        probe = folder / f".kai-{secrets.token_hex(4)}"
        probe.write_bytes(b"kai")
        probe.unlink()
    except OSError:
        return Finding("disk", Level.RED, "no-write", {"folder": str(folder)})
    facts = {"free": f"{free / 1e9:.1f}"}
    if free < ROOM_LEAST_BYTES:
        return Finding("disk", Level.RED, "full", facts)
    return Finding("disk", Level.GREEN if free >= ROOM_GOOD_BYTES else Level.AMBER, "room", facts)


def check_memory(available_bytes: Callable[[], int] = lambda: psutil.virtual_memory().available) -> Finding:
    """Whether there is memory left."""
    free = available_bytes()
    facts = {"free": f"{free / 1e9:.1f}"}
    if free < MEMORY_LEAST_BYTES:
        return Finding("memory", Level.RED, "little", facts)
    if free < MEMORY_GOOD_BYTES:
        return Finding("memory", Level.AMBER, "little", facts)
    return Finding("memory", Level.GREEN, "enough", facts)


def check_network(addresses: Callable[[], Sequence[str]], *, is_needed: bool) -> Finding:
    """Whether this computer is in a network at all, and what that means here: ``is_needed`` where a provider is set."""
    if addresses():
        return Finding("network", Level.GREEN, "needed" if is_needed else "not-needed")
    if is_needed:
        return Finding("network", Level.RED, "gone-needed")
    return Finding("network", Level.AMBER, "gone")


def check_udp(addresses: Callable[[], Sequence[str]]) -> Finding:
    """Whether a packet comes back: to this computer over the loopback, and over the interface that browsers use."""
    if not _echoes("127.0.0.1"):
        return Finding("udp", Level.RED, "loopback-blocked")
    found = [a for a in addresses() if ":" not in a]
    if not found:
        return Finding("udp", Level.AMBER, "no-interface")
    if not any(_echoes(address) for address in found):
        return Finding("udp", Level.RED, "interface-blocked")
    return Finding("udp", Level.GREEN, "open")


def _echoes(address: str) -> bool:
    """Whether a packet that we send to ourselves at that address arrives."""
    try:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as here,
        ):
            there.bind((address, 0))
            there.settimeout(UDP_S)
            word = secrets.token_bytes(16)
            here.sendto(word, there.getsockname())
            return there.recv(64) == word
    except OSError:
        return False
