"""Checks of this computer: free processor time, disk space and memory, UDP to itself, a network interface and relays."""

from __future__ import annotations

import contextlib
import re
import secrets
import shutil
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from aioice import stun

from kai.checks.run import Finding, Level

ROOM_LEAST_BYTES = 200_000_000
ROOM_GOOD_BYTES = 1_000_000_000
MEMORY_LEAST_BYTES = 400_000_000
MEMORY_GOOD_BYTES = 1_200_000_000
"""About what the app, the engine, the face and the browser use together."""
CORES_GOOD = 1.0
"""About what a talk takes of a processor, the browser not counted."""
PROCESSOR_S = 1.5
UDP_S = 1.0
RELAY_S = 5.0
_RELAY = re.compile(r"(?:stun|turn):(?P<host>\[[0-9a-fA-F:]+\]|[^:?\[\]]+)(?::(?P<port>\d{1,5}))?(?:\?.*)?")


def check_disk(
    folder: Path, free_bytes: Callable[[Path], int] = lambda f: shutil.disk_usage(f).free
) -> Finding:
    """Check that Kai's data folder is writable and has free space."""
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
    """Check that enough memory is available."""
    free = available_bytes()
    facts = {"free": f"{free / 1e9:.1f}"}
    if free < MEMORY_LEAST_BYTES:
        return Finding("memory", Level.RED, "little", facts)
    if free < MEMORY_GOOD_BYTES:
        return Finding("memory", Level.AMBER, "little", facts)
    return Finding("memory", Level.GREEN, "enough", facts)


def check_processor(
    busy_percent: Callable[[], float] = lambda: psutil.cpu_percent(PROCESSOR_S),
    cores: int = psutil.cpu_count() or 1,
) -> Finding:
    """Check that a talk has enough of the processor, by what everything else on this computer takes now."""
    free = cores * (1 - busy_percent() / 100)
    facts = {"free": f"{max(0.0, free):.1f}", "cores": str(cores)}
    return Finding(
        "processor", *((Level.GREEN, "free") if free >= CORES_GOOD else (Level.AMBER, "busy")), facts
    )


def check_network(addresses: Callable[[], Sequence[str]], *, is_needed: bool) -> Finding:
    """Check that this computer has a network interface. ``is_needed`` is true if a cloud provider is configured."""
    if addresses():
        return Finding("network", Level.GREEN, "needed" if is_needed else "not-needed")
    if is_needed:
        return Finding("network", Level.RED, "gone-needed")
    return Finding("network", Level.AMBER, "gone")


def check_udp(addresses: Callable[[], Sequence[str]]) -> Finding:
    """Check that UDP packets to this computer arrive, over the loopback and over the interfaces that browsers use."""
    if not _echoes("127.0.0.1"):
        return Finding("udp", Level.RED, "loopback-blocked")
    found = [a for a in addresses() if ":" not in a]
    if not found:
        return Finding("udp", Level.AMBER, "no-interface")
    if not any(_echoes(address) for address in found):
        return Finding("udp", Level.RED, "interface-blocked")
    return Finding("udp", Level.GREEN, "open")


def check_relays(urls: Sequence[str], limit_s: float = RELAY_S) -> Finding:
    """Check that the configured STUN and TURN servers, which remote browsers need, answer over UDP. They are asked one after
    the other."""
    servers = [found for url in urls if (found := _RELAY.fullmatch(url)) and "transport=tcp" not in url]
    if not servers:
        return Finding("relays", Level.UNUSED, "unused")
    silent = [
        f"{server['host']}:{server['port'] or 3478}"
        for server in servers
        if not _answers_stun(server["host"].strip("[]"), int(server["port"] or 3478), limit_s / len(servers))
    ]
    if not silent:
        return Finding("relays", Level.GREEN, "answer", {"count": str(len(servers))})
    level = Level.RED if len(silent) == len(servers) else Level.AMBER
    return Finding("relays", level, "silent", {"servers": ", ".join(silent)})


def _answers_stun(host: str, port: int, limit_s: float) -> bool:
    """Return whether a STUN server answers a binding request (RFC 8489, 6.3.1). Tries three times, as packets get lost."""
    request = stun.Message(
        message_method=stun.Method.BINDING,
        message_class=stun.Class.REQUEST,
        transaction_id=secrets.token_bytes(12),
    )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as here:
            here.settimeout(limit_s / 3)
            for _ in range(3):
                here.sendto(bytes(request), address)
                with contextlib.suppress(TimeoutError, ValueError):
                    answer = stun.parse_message(here.recv(2048))
                    if answer.transaction_id == request.transaction_id:
                        return True
    except OSError:
        return False
    return False


def _echoes(address: str) -> bool:
    """Return whether a packet that we send to ourselves at that address arrives."""
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
