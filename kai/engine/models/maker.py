"""Downloads a model file from its maker's repository: a HEAD request first, then the missing bytes.

The address names a revision, so it always means the same bytes. Still, the answer may be from a mirror, a proxy, a network's
login page, or a server in trouble. So a HEAD request is sent first: a hash, size or revision other than the known ones ends
the attempt before anything is fetched. A body is accepted only if its length and its position in the file are right, and if
it begins like a model file. A connection that broke or stalled is resumed with a Range request. The caller
(`kai.engine.models.fetching`) hashes the complete file before it is used.

An example: 1,000,000,000 of 2,497,281,120 bytes are here. The HEAD response has the model's ``X-Linked-ETag`` and
``X-Linked-Size``. GET with ``Range: bytes=1000000000-`` gives 206 and ``Content-Range: bytes
1000000000-2497281119/2497281120``, and the body is appended. The connection breaks at 1.9 GB, and the next GET asks for the
rest. After five attempts in a row without a byte the error is reported, and the fetched bytes are kept.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from kai.compat import http
from kai.engine.models import places
from kai.engine.models.catalogue import MAKER_URL, MOVING, LanguageModel
from kai.engine.models.places import Cancelled, Progress
from kai.errors import ConfigError, WeightsError

CONNECT_S: Final = 10.0
STALL_S: Final = 2.0
"""The maker's server is asked again after this long without a byte; it also bounds the wait for a pause."""
TRIES: Final = 5
"""The number of attempts in a row without a byte after which the download fails."""
RETRY_S: Final = 1.0
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_RANGE: Final = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class _Broken(Exception):
    """The connection broke or stalled; another attempt may succeed."""


def fetch_from_maker(
    model: LanguageModel,
    part_file: Path,
    progress: Progress,
    cancel: threading.Event,
    check_room: Callable[[], None],
) -> None:
    """Append the missing bytes to the file; ``HF_ENDPOINT`` names a mirror. ``check_room`` is called before the download.

    Raises ``WeightsError``, ``Cancelled``, and ``OSError`` for a problem of the disk. Blocks.
    """
    url = (os.environ.get("HF_ENDPOINT") or MAKER_URL).rstrip("/") + model.maker_path
    failures = 0
    try:
        with http.client(
            url, timeout=httpx.Timeout(STALL_S, connect=CONNECT_S), follows_redirects=True
        ) as client:
            is_asked = False
            while not is_asked or places.size_bytes(part_file) < model.bytes:
                before_bytes = places.size_bytes(part_file)
                try:
                    if not is_asked:
                        _ask_about(client, url, model)
                        check_room()
                        is_asked = True
                    if places.size_bytes(part_file) < model.bytes:
                        _take(client, url, model, part_file, progress, cancel)
                except (httpx.TransportError, _Broken) as error:
                    failures = 0 if places.size_bytes(part_file) > before_bytes else failures + 1
                    if failures >= TRIES:
                        raise _unreachable(url) from error
                    if cancel.wait(RETRY_S * failures):
                        raise Cancelled from error
    except (httpx.HTTPError, httpx.InvalidURL, ConfigError) as error:
        raise _unreachable(url) from error


def _ask_about(client: httpx.Client, url: str, model: LanguageModel) -> None:
    """Check by a HEAD request that the maker has our file. Raises ``WeightsError`` where it is another one."""
    answer = client.head(url, headers={"Accept-Encoding": "identity"})
    if answer.status_code in (405, 501):
        return  # a mirror without HEAD; the body is checked just as closely
    _check_status(answer)
    for told in (*answer.history, answer):
        linked_hash = told.headers.get("x-linked-etag", "").removeprefix("W/").strip('"').lower()
        linked_size = told.headers.get("x-linked-size", "")
        revision = told.headers.get("x-repo-commit", "")
        is_other = (
            (_SHA256.fullmatch(linked_hash) and linked_hash != model.sha256)
            or (linked_size.isdigit() and int(linked_size) != model.bytes)
            or (revision and revision != model.revision != MOVING)
        )
        if is_other:
            raise _other_file()
    length = answer.headers.get("content-length", "")
    if length.isdigit() and int(length) not in (0, model.bytes):
        raise _other_file()


def _take(
    client: httpx.Client,
    url: str,
    model: LanguageModel,
    part_file: Path,
    progress: Progress,
    cancel: threading.Event,
) -> None:
    """Request the missing bytes once. Raises ``_Broken`` and ``httpx.TransportError`` where another request may resume."""
    have_bytes = places.size_bytes(part_file)
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have_bytes}-"} if have_bytes else {})
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == 416:
            # The server has no byte at that position, so our bytes are not the beginning of its file.
            part_file.unlink(missing_ok=True)
            raise _Broken
        _check_status(answer)
        start_bytes = _start_of(answer, have_bytes)
        length = answer.headers.get("content-length", "")
        if start_bytes is None or (length.isdigit() and start_bytes + int(length) != model.bytes):
            raise _other_file()
        with part_file.open("r+b" if part_file.exists() else "wb") as out:
            out.truncate(start_bytes)
            out.seek(start_bytes)
            for block in answer.iter_raw():
                if out.tell() == 0 and not block.startswith(model.magic[: len(block)]):
                    raise _login_page()
                if out.tell() + len(block) > model.bytes:
                    out.truncate(0)
                    raise _other_file()
                out.write(block)
                progress(out.tell(), model.bytes)
                if cancel.is_set():
                    raise Cancelled
            out.flush()
            os.fsync(out.fileno())
    if places.size_bytes(part_file) < model.bytes:
        raise _Broken


def _start_of(answer: httpx.Response, have_bytes: int) -> int | None:
    """Return the file position of the body: 0 from a server without ranges; ``None`` where it is not the requested one."""
    if answer.status_code == 200:
        return 0
    found = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    return have_bytes if found is not None and int(found[1]) == have_bytes else None


def _check_status(answer: httpx.Response) -> None:
    """Check the status. Raises ``WeightsError``, or ``_Broken`` where another attempt may succeed."""
    status = answer.status_code
    if status in (401, 403):
        raise WeightsError(
            "The maker of the language model asks for an account before it gives the file out. Choose another model.",
            code="model_gated",
        )
    if status in (404, 410):
        raise WeightsError(
            "The maker of the language model does not have the file any more (HTTP 404). Choose another model.",
            code="model_gone",
        )
    if status in (408, 425, 429) or status >= 500:
        raise _Broken
    if status not in (200, 206):
        raise WeightsError(
            f"The maker of the language model does not give it out now (HTTP {status}). Try again later.",
            code="model_maker",
        )
    if answer.headers.get("content-type", "").partition(";")[0].strip().lower() == "text/html":
        raise _login_page()


def _login_page() -> WeightsError:
    return WeightsError(
        "A page came in place of the language model. If this network wants you to log in, do that in your browser, then try "
        "again: what was fetched is kept.",
        code="model_page",
    )


def _other_file() -> WeightsError:
    return WeightsError(
        "What the maker gives out under this name is not the language model that Kai knows. Nothing of it is used. Update "
        "Kai, or choose another model.",
        code="model_wrong",
    )


def _unreachable(url: str) -> WeightsError:
    return WeightsError(
        "The maker of the language model cannot be reached, or the connection is cut again and again. Look at the network "
        f"connection and try again: what was fetched is kept. {http.advice_on_proxy(url)}".rstrip(),
        code="model_no_network",
        is_retryable=True,
    )
