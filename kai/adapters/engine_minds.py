"""Gives the local engine its documents and time zone over a private route, so that none of it shows in a command line."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass, field
from pathlib import Path

from kai.adapters.engine_client import EngineAddress, ask_engine
from kai.compat.text_files import read_text_file
from kai.errors import BrainError, ConfigError, EngineError

log = logging.getLogger(__name__)

PUT_S = 30.0
"""The engine reads the documents before it answers, which takes 6 ms for each passage."""
MAX_FILE_BYTES = 1 << 20
MAX_FILES = 200
MAX_TOTAL_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class EngineMind:
    """Files to answer from, and where the person is."""

    documents: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    time_zone: str = ""
    """The IANA name of the person's time zone; empty means the zone of the computer that the engine runs on."""


def read_documents(folder: Path) -> tuple[tuple[str, str], ...]:
    """Return the text and Markdown files of `folder` as (name, text), in the order of their names. Blocks.

    Files that are too large, that are not text, or that link out of the folder are left out.
    """
    found: list[tuple[str, str]] = []
    total_bytes = 0
    root = folder.resolve()
    for path in sorted(folder.rglob("*")):
        is_ours = path.suffix.lower() in (".md", ".txt", ".markdown") and path.resolve().is_relative_to(root)
        if not is_ours or not path.is_file() or path.stat().st_size > MAX_FILE_BYTES:
            continue
        total_bytes += path.stat().st_size
        if total_bytes > MAX_TOTAL_BYTES or len(found) >= MAX_FILES:
            log.warning("not all documents were read", extra={"documents": len(found)})
            break
        try:
            found.append((path.relative_to(folder).as_posix(), read_text_file(path)))
        except ConfigError as exc:
            log.warning("a document could not be read: %s", exc.message)
    return tuple(found)


def _id_of(mind: EngineMind) -> str:
    """Return an id made from the mind's content: talks may have different minds at once, and equal minds share one."""
    told = "\n".join((mind.time_zone, *(name for name, _ in mind.documents)))
    return f"mind-{hashlib.sha256(told.encode()).hexdigest()[:12]}"


async def give_mind(address: EngineAddress, mind: EngineMind) -> str:
    """Send `mind` to the engine, which forgets its minds when it restarts, and return the model name that calls ask for it
    by. Raises `BrainError`."""
    mind_id = _id_of(mind)
    body = {
        "documents": [{"name": name, "text": text} for name, text in mind.documents],
        "time_zone": mind.time_zone,
    }
    try:
        await ask_engine(address, "PUT", f"/kai/minds/{mind_id}", body=body, timeout_s=PUT_S)
    except EngineError as exc:
        raise BrainError(exc.message, code=exc.code) from exc
    return f"kai-{mind_id}"
