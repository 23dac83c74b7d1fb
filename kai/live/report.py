"""The results of testing a provider's service: rows of what was assumed and seen, one recording, and the cost."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, cast

from kai.wire import recorded

KIND: Final = "service"
FILE_NAME: Final = "kai-first-session.jsonl"
NOT_LOOKED_AT: Final = "not looked at: the budget is used up"
_OPENS: Final = re.compile(r"(token|url|key|secret|password|credential)$|^audio$", re.IGNORECASE)
"""The names of fields whose text gives access to a session or is sound."""
_SIGNED: Final = re.compile(r"eyJ[A-Za-z0-9_-]{8,}[A-Za-z0-9_.-]*")
_SOUND_EVENT: Final = "response.output_audio.delta"


@dataclass(frozen=True, slots=True)
class Row:
    """One observation. ``assumed`` are the results that Kai's code expects; ``code`` names the code that depends on them."""

    name: str
    assumed: tuple[str, ...]
    seen: str
    code: str

    @property
    def was_looked_at(self) -> bool:
        return self.seen != NOT_LOOKED_AT

    @property
    def is_as_assumed(self) -> bool:
        return self.seen in self.assumed

    @property
    def is_different(self) -> bool:
        return self.was_looked_at and not self.is_as_assumed


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table for a terminal; rows that differ name the code to look at."""
    lines: list[str] = []
    for row in rows:
        if row.is_as_assumed:
            lines.append(f"as assumed  {row.name}: {row.seen}")
        elif row.was_looked_at:
            assumed = " or ".join(row.assumed)
            lines.append(f"DIFFERS     {row.name}: assumed {assumed}; seen {row.seen}; look at {row.code}")
        else:
            lines.append(f"not seen    {row.name}: {row.seen}")
    return "\n".join(lines)


class Budget:
    """The limit of a run's cost, in US dollars. Before a step, its highest possible cost is checked."""

    def __init__(self, limit_usd: float) -> None:
        self.limit_usd = limit_usd
        self.spent_usd = 0.0

    def allows(self, most_usd: float) -> bool:
        """Return whether a step of at most that cost still fits."""
        return self.spent_usd + most_usd <= self.limit_usd + 1e-9

    def spend(self, usd: float) -> None:
        self.spent_usd += usd


@dataclass(slots=True)
class Recording:
    """All messages in order, as JSON lines, without sound and without texts that give access to a session.

    ``secrets`` are texts that are never written. The format is that of `kai.wire.recorded`.
    """

    secrets: tuple[str, ...] = ()
    entries: list[dict[str, object]] = field(default_factory=list[dict[str, object]])
    began_s: float = field(default_factory=time.monotonic)

    def note(self, where: str, what: object) -> None:
        at_ms = round((time.monotonic() - self.began_s) * 1000)
        self.entries.append({"at_ms": at_ms, "where": where, "what": without_secrets(what, self.secrets)})

    def text(self) -> str:
        """Return the text of the whole file."""
        return recorded.to_text(self.entries, {"kind": KIND})

    def write(self, path: Path) -> None:
        """Write one file that only its owner can read."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(self.text())


def without_secrets(value: object, secrets: tuple[str, ...] = ()) -> object:
    """Return a copy with every text that gives access to a session, or is sound, replaced by its length."""
    match value:
        case dict():
            event = cast("Mapping[str, object]", value)
            is_sound = event.get("type") == _SOUND_EVENT
            return {
                name: recorded.hide(part)
                if isinstance(part, str) and (_OPENS.search(name) or (is_sound and name == "delta"))
                else without_secrets(part, secrets)
                for name, part in event.items()
            }
        case list():
            return [without_secrets(part, secrets) for part in cast("list[object]", value)]
        case str():
            for secret in secrets:
                if secret:
                    value = value.replace(secret, recorded.hide(secret))
            return _SIGNED.sub(lambda found: recorded.hide(found[0]), value)
        case _:
            return value
