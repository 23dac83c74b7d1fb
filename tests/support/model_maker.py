"""The maker's repository of a model file, on a real port: it redirects to where the bytes lie, and has bad days."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from kai.engine.models.catalogue import LanguageModel

PAGE = b"<!DOCTYPE html><html><body>Welcome to the hotel's network. Please log in.</body></html>"
STORE = "/store/"


@dataclass
class ModelMaker:
    """Gives out ``content`` at the path of ``model``, by way of a redirect as the real one does.

    ``days`` are taken one for each GET of the bytes: ``cut`` sends half of what was asked for and closes, ``stall`` sends
    half and waits for ``release``, ``busy`` is a 503, ``whole`` knows no ranges, ``elsewhere`` answers another range,
    ``longer`` and ``shorter`` tell another length than they send, ``endless`` tells none and sends more, ``page`` is a login
    page with status 200, ``raw page`` is one that says it is bytes, ``gone`` a 404. After the last one all is well.
    ``head`` is such a day for every HEAD, or ``none``: it knows no HEAD.
    """

    model: LanguageModel
    content: bytes
    url: str = ""
    days: list[str] = field(default_factory=list[str])
    head: str = ""
    linked: dict[str, str] = field(default_factory=dict[str, str])
    asked: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Method and range of each request, redirects left out."""
    is_stalling: threading.Event = field(default_factory=threading.Event)
    release: threading.Event = field(default_factory=threading.Event)

    def headers(self) -> dict[str, str]:
        """What the real one tells of a file in front of the redirect."""
        known = {
            "X-Linked-ETag": f'"{self.model.sha256}"',
            "X-Linked-Size": str(self.model.bytes),
            "X-Repo-Commit": self.model.revision,
        }
        return {name: value for name, value in (known | self.linked).items() if value}


@contextmanager
def making(model: LanguageModel, content: bytes) -> Iterator[ModelMaker]:
    """A maker that runs until the block ends."""
    maker = ModelMaker(model, content)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            if maker.head == "none":
                self._answer(501, {}, b"")
            elif not self.path.startswith(STORE):
                self._point()
            else:
                maker.asked.append(("HEAD", self.headers.get("Range", "")))
                self._day(maker.head, has_body=False)

        def do_GET(self) -> None:
            if not self.path.startswith(STORE):
                self._point()
                return
            maker.asked.append(("GET", self.headers.get("Range", "")))
            self._day(maker.days.pop(0) if maker.days else "", has_body=True)

        def _point(self) -> None:
            if self.path != model.maker_path:
                self._answer(404, {}, b"Entry not found")
                return
            self._answer(302, {**maker.headers(), "Location": f"{STORE}{model.sha256}"}, b"")

        def _day(self, day: str, *, has_body: bool) -> None:
            content, status, headers = maker.content, 200, {"Content-Type": "application/octet-stream"}
            wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if day in ("busy", "gone", "gated"):
                self._answer({"busy": 503, "gone": 404, "gated": 401}[day], {}, b"")
                return
            if day in ("page", "raw page"):
                kind = "text/html; charset=utf-8" if day == "page" else "application/octet-stream"
                body = PAGE.ljust(len(content)) if day == "raw page" else PAGE
                self._answer(200, {"Content-Type": kind}, body if has_body else b"", len(body))
                return
            if wanted is not None and day != "whole":
                start = int(wanted[1])
                if start >= len(content):
                    self._answer(416, {"Content-Range": f"bytes */{len(content)}"}, b"")
                    return
                told = start + 1 if day == "elsewhere" else start
                headers["Content-Range"] = f"bytes {told}-{len(content) - 1}/{len(content)}"
                content, status = content[start:], 206
            if day == "endless":
                self.close_connection = True
                self._answer(status, headers, content + content, -1)
                return
            told_bytes = len(content) + {"longer": 10, "shorter": -10}.get(day, 0)
            half = len(content) // 2
            sent = content[:half] if day in ("cut", "stall") else content[:told_bytes]
            self._answer(status, headers, sent if has_body else b"", told_bytes)
            if has_body and day == "stall":
                maker.is_stalling.set()
                maker.release.wait(30)
            if has_body and len(sent) != told_bytes:
                self.close_connection = True

        def _answer(
            self, status: int, headers: dict[str, str], body: bytes, told_bytes: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if told_bytes != -1:
                self.send_header("Content-Length", str(len(body) if told_bytes is None else told_bytes))
            self.end_headers()
            try:
                self.wfile.write(body)
                self.wfile.flush()
            except OSError:
                self.close_connection = True  # the client has gone, which is what some tests want

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), name="model-maker", daemon=True)
    thread.start()
    maker.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield maker
    finally:
        maker.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
