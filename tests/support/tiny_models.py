"""Model files of a few hundred kilobytes, in wheels that a real pip takes, and a server that is slow or short at will."""

from __future__ import annotations

import hashlib
import random
import threading
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from kai.engine.models.catalogue import LanguageModel, WheelPart

PART_BYTES = 200_000
COUNT = 2


def make_model(wheels: Path, *, seed: int = 1, part_bytes: int = PART_BYTES) -> tuple[LanguageModel, bytes]:
    """A model in ``COUNT`` wheels in that folder, and its bytes."""
    wheels.mkdir(parents=True, exist_ok=True)
    whole = b"GGUF" + random.Random(seed).randbytes(part_bytes * COUNT - 4)
    parts: list[WheelPart] = []
    for number in range(1, COUNT + 1):
        content = whole[(number - 1) * part_bytes : number * part_bytes]
        parts.append(make_part(wheels, f"kai-tiny{seed}-part{number}", content))
    model = LanguageModel(
        id=f"tiny{seed}",
        name=f"Tiny {seed}",
        bytes=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        measured_bytes=1_000_000,
        licence="Apache-2.0",
        copyright="Copyright Nobody",
        repository="Nobody/Tiny-GGUF",
        file=f"tiny{seed}.gguf",
        revision="0123456789abcdef",
        parts=tuple(parts),
    )
    return model, whole


def make_part(wheels: Path, distribution: str, content: bytes) -> WheelPart:
    """A wheel with ``content`` in it, as data alone."""
    package, version = distribution.replace("-", "_"), "0.1.0"
    path = wheels / f"{package}-{version}-py3-none-any.whl"
    info, member = f"{package}-{version}.dist-info", f"{package}/data/part.bin"
    pieces: dict[str, str | bytes] = {
        f"{package}/__init__.py": "",
        member: content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: kai\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": "",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, piece in pieces.items():
            # Without a time of its own, so that the same content is the same wheel.
            wheel.writestr(zipfile.ZipInfo(name), piece)
    data = path.read_bytes()
    return WheelPart(distribution, version, hashlib.sha256(data).hexdigest(), len(data), member, len(content))


def other_wheel(model: LanguageModel, index: int, wheels: Path) -> LanguageModel:
    """The same model, its wheel of that index replaced by a well-hashed one whose member is shorter."""
    old = model.parts[index]
    fresh = make_part(wheels, old.distribution, b"short")
    parts = list(model.parts)
    parts[index] = replace(fresh, member_bytes=old.member_bytes)
    return replace(model, parts=tuple(parts))


@dataclass
class FileServer:
    """Serves ``files`` by path; ``asked`` counts the requests. A path in ``stalled`` sends half and then waits for
    ``release``; one in ``cut`` sends half and closes."""

    url: str
    files: dict[str, bytes]
    asked: Counter[str] = field(default_factory=Counter)
    ranges: list[str] = field(default_factory=list)
    stalled: set[str] = field(default_factory=set)
    cut: set[str] = field(default_factory=set)
    is_stalling: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """A server on this computer that knows ranges, and lists its files at ``/`` as pip's ``--find-links`` wants it."""
    state = FileServer("", files)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_GET(self) -> None:
            path = unquote(self.path)
            state.asked[path] += 1
            if path == "/":
                links = "".join(f'<a href="{name}">{name[1:]}</a>' for name in state.files)
                self._send(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")
                return
            content = state.files.get(path)
            if content is None:
                self._send(404, b"", "text/plain")
                return
            wanted = self.headers.get("Range")
            status = 200
            if wanted is not None:
                state.ranges.append(wanted)
                content, status = content[int(wanted.removeprefix("bytes=").rstrip("-")) :], 206
            self._send(status, content, "application/octet-stream", path)

        def _send(self, status: int, content: bytes, kind: str, path: str = "") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            half = len(content) // 2
            try:
                self.wfile.write(content[:half])
                self.wfile.flush()
                if path in state.cut:
                    return
                if path in state.stalled:
                    state.is_stalling.set()
                    state.release.wait(30)
                self.wfile.write(content[half:])
            except OSError:
                return  # the client has gone, which is what some tests want

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="tiny-models", daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        state.release.set()
        server.shutdown()
        server.server_close()
        thread.join()


def files_of(folder: Path) -> dict[str, bytes]:
    """The wheels of a folder, as a ``FileServer`` serves them."""
    return {f"/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.whl"))}
