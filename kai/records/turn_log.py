"""Past talks in one SQLite file: saving, listing, searching, reading, deleting, and expiring old talks.

Talks, their lines, turns and costs have a table each, with a column for every plain field of `TalkRecord`, `Line`, `Turn`
and `Cost`. Deleted rows are overwritten in the file (``secure_delete``). Every method may be called from any thread.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_type_hints

from kai.core.policy.budget import CREDIT_USD
from kai.errors import KaiError
from kai.records.files import set_aside
from kai.records.turns import Cost, Line, TalkRecord, Turn

SCHEMA: Final = 7
"""The ``user_version`` of the file. A newer file is not opened; an older one gets the missing columns."""
BUSY_S: Final = 5.0

T = TypeVar("T", Line, Turn, Cost)

_TYPES: Final = {str: "TEXT", float: "FLOAT", int: "INTEGER", bool: "BOOLEAN"}


def _columns(kind: type) -> dict[str, str]:
    """Return the columns for the plain fields of a dataclass, with their types and defaults in SQL."""
    hints, columns = get_type_hints(kind), dict[str, str]()
    for spec in fields(kind):
        options = get_args(hints[spec.name]) or (hints[spec.name],)
        if options[0] in _TYPES:
            default = f" DEFAULT {spec.default!r}" if isinstance(spec.default, (*_TYPES,)) else ""
            needed = "" if NoneType in options else " NOT NULL"
            columns[spec.name] = f"{_TYPES[options[0]]}{needed}{default}"
    return columns


_OF_TALK: Final = {
    "talk_id": "TEXT NOT NULL REFERENCES talks (id) ON DELETE CASCADE",
    "position": "INTEGER NOT NULL",
}
_TABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "talks": _columns(TalkRecord),
    "lines": _OF_TALK | _columns(Line),
    "turns": _OF_TALK | _columns(Turn),
    "costs": _OF_TALK | _columns(Cost),
}
_OF_OWNER: Final = "(:owner IS NULL OR owner = :owner)"
_IS_PRESENT: Final = "(:present_of IS NULL OR is_over OR owner = :present_of)"
_SUMMARIES: Final = f"""
SELECT *,
  (SELECT count(*) FROM lines WHERE talk_id = talks.id) AS line_count,
  (SELECT count(*) FROM turns WHERE talk_id = talks.id AND is_interrupted) AS interrupted,
  coalesce((SELECT text FROM lines WHERE talk_id = talks.id AND role = 'user' ORDER BY position LIMIT 1), '') AS first_words
FROM talks WHERE started_wall_s >= :since_wall_s AND {_OF_OWNER} AND {_IS_PRESENT}
"""
_HAS_WORD: Final = " AND EXISTS (SELECT 1 FROM lines WHERE talk_id = talks.id AND instr(kai_fold(text), :{}))"

sqlite3.register_converter("BOOLEAN", lambda written: written != b"0")


class RecordsError(KaiError):
    """Past talks cannot be read or written now."""

    code = "records"


@dataclass(frozen=True, slots=True)
class Summary:
    """A past talk in a list, with the person's first words and the number of lines."""

    id: str
    started_wall_s: float
    lasted_s: float
    is_over: bool
    character: str
    voice: str
    line_count: int
    first_words: str
    cost_usd: float | None
    is_cost_exact: bool
    avatar_s: float
    interrupted: int
    avatar_credits: int = 0

    @property
    def total_usd(self) -> float:
        """What the talk has cost in all: the brain, and the credits of paid faces."""
        return (self.cost_usd or 0.0) + self.avatar_credits * CREDIT_USD


class TurnLog:
    """The file of past talks. Every method may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Open or create the file. A file that is not a sound database is moved to ``aside``. Raises ``RecordsError``."""
        self.path = path
        self.aside: Path | None = None
        self._lock = threading.Lock()
        try:
            if path.exists() and not _is_sound(path):
                self.aside = set_aside(path)
            path.touch(mode=0o600)
            path.chmod(0o600)
            self._connection = _connect(path)
            self._prepare()
        except (OSError, sqlite3.Error) as exc:
            raise RecordsError(
                f"Past talks cannot be kept in {path.parent}. Look at that folder's rights and free space, then start Kai "
                "again.",
                code="records-open",
            ) from exc

    def _prepare(self) -> None:
        with self._connection as connection:
            connection.execute("BEGIN")
            version = int(connection.execute("PRAGMA user_version").fetchone()[0])
            if version > SCHEMA:
                raise RecordsError(
                    "Past talks were written by a newer Kai. Update this one to read them.",
                    code="records-newer",
                )
            for table, columns in _TABLES.items():
                key = "id" if table == "talks" else ", ".join(_OF_TALK)
                defined = ", ".join(f"{name} {kind}" for name, kind in columns.items())
                connection.execute(f"CREATE TABLE IF NOT EXISTS {table} ({defined}, PRIMARY KEY ({key}))")
                there = {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}
                for name in columns.keys() - there:
                    connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {columns[name]}")
            connection.execute("CREATE INDEX IF NOT EXISTS ix_talks_started_wall_s ON talks (started_wall_s)")
            connection.execute(f"PRAGMA user_version = {SCHEMA}")

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def _begin(self) -> Generator[sqlite3.Connection]:
        try:
            with self._lock, self._connection as connection:
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as exc:
            raise RecordsError(
                f"Past talks cannot be read or written in {self.path.parent} now. Look at the disk's free space.",
            ) from exc

    def save(self, record: TalkRecord, before: TalkRecord | None = None) -> None:
        """Write a talk. ``before`` is its last saved record, so that only changes are written. Raises ``RecordsError``."""
        talk = {name: getattr(record, name) for name in _TABLES["talks"]}
        changes = ", ".join(f"{name} = :{name}" for name in talk)
        with self._begin() as connection:
            if not connection.execute(f"UPDATE talks SET {changes} WHERE id = :id", talk).rowcount:
                before = None
                connection.execute(_insertion("talks"), talk)
            _replace_tail(connection, "lines", record.id, record.lines, before.lines if before else ())
            _replace_tail(connection, "turns", record.id, record.turns, before.turns if before else ())
            _replace_tail(connection, "costs", record.id, record.costs, before.costs if before else ())

    def _delete(self, condition: str, **values: Any) -> int:
        with self._begin() as connection:
            return connection.execute(f"DELETE FROM talks WHERE {condition}", values).rowcount

    def delete(self, talk_id: str, owner: str | None = None) -> bool:
        """Delete one talk and return whether there was one. Raises ``RecordsError``."""
        return bool(self._delete(f"id = :talk_id AND {_OF_OWNER}", talk_id=talk_id, owner=owner))

    def delete_all(self, owner: str | None = None) -> int:
        """Delete every talk and return how many. Raises ``RecordsError``."""
        return self._delete(_OF_OWNER, owner=owner)

    def forget_older(self, than_wall_s: float) -> int:
        """Delete the talks that began before ``than_wall_s`` and return how many. Raises ``RecordsError``."""
        return self._delete("started_wall_s < :than_wall_s", than_wall_s=than_wall_s)

    def end_all(self) -> None:
        """Mark every talk as over, including those of an app that was killed. Raises ``RecordsError``."""
        with self._begin() as connection:
            connection.execute("UPDATE talks SET is_over = 1 WHERE NOT is_over")

    def talks(
        self,
        *,
        search: str = "",
        owner: str | None = None,
        limit: int = 500,
        since_wall_s: float = 0.0,
        present_of: str | None = None,
    ) -> list[Summary]:
        """Return the talks since ``since_wall_s`` that contain every word of ``search``, newest first, at most ``limit``.
        If ``present_of`` is given, only its own running talks are included. Raises ``RecordsError``."""
        words = {f"word{number}": word.casefold() for number, word in enumerate(search.split())}
        query = (
            _SUMMARIES + "".join(map(_HAS_WORD.format, words)) + " ORDER BY started_wall_s DESC LIMIT :limit"
        )
        values = {"owner": owner, "present_of": present_of, "since_wall_s": since_wall_s, "limit": limit}
        names = [spec.name for spec in fields(Summary)]
        with self._begin() as connection:
            rows = connection.execute(query, values | words).fetchall()
        return [Summary(**{name: row[name] for name in names}) for row in rows]

    def ids(self, owner: str | None = None) -> list[str]:
        """Return the id of every talk. Raises ``RecordsError``."""
        with self._begin() as connection:
            return [
                row["id"]
                for row in connection.execute(f"SELECT id FROM talks WHERE {_OF_OWNER}", {"owner": owner})
            ]

    def read(
        self, talk_id: str, owner: str | None = None, *, present_of: str | None = None
    ) -> TalkRecord | None:
        """Return one talk. If ``present_of`` is given, a running talk must be its own. Raises ``RecordsError``."""
        query = f"SELECT * FROM talks WHERE id = :talk_id AND {_OF_OWNER} AND {_IS_PRESENT}"
        values = {"talk_id": talk_id, "owner": owner, "present_of": present_of}
        with self._begin() as connection:
            row = connection.execute(query, values).fetchone()
            if row is None:
                return None
            lines = _parts(connection, "lines", talk_id, Line)
            turns = _parts(connection, "turns", talk_id, Turn)
            costs = _parts(connection, "costs", talk_id, Cost)
        plain = {name: row[name] for name in _TABLES["talks"]}
        return TalkRecord(**plain, lines=lines, turns=turns, costs=costs)

    def turns(self, *, since_wall_s: float = 0.0, owner: str | None = None) -> list[tuple[str, Turn]]:
        """Return every turn since ``since_wall_s`` with its talk's id, oldest first. Raises ``RecordsError``."""
        query = (
            "SELECT turns.* FROM turns JOIN talks ON talk_id = talks.id "
            f"WHERE at_wall_s >= :since_wall_s AND {_OF_OWNER} ORDER BY at_wall_s"
        )
        with self._begin() as connection:
            rows = connection.execute(query, {"since_wall_s": since_wall_s, "owner": owner}).fetchall()
        return [(row["talk_id"], _made(Turn, row)) for row in rows]


def _insertion(table: str) -> str:
    names = _TABLES[table]
    return f"INSERT INTO {table} ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})"


def _replace_tail(
    connection: sqlite3.Connection,
    table: str,
    talk_id: str,
    now: tuple[Line | Turn | Cost, ...],
    before: tuple[Line | Turn | Cost, ...],
) -> None:
    """Write the rows beginning with the first one that changed."""
    start = 0
    while start < min(len(now), len(before)) and now[start] == before[start]:
        start += 1
    if start == len(now) == len(before):
        return
    connection.execute(f"DELETE FROM {table} WHERE talk_id = ? AND position >= ?", (talk_id, start))
    rows = [
        {"talk_id": talk_id, "position": start + i, **asdict(value)} for i, value in enumerate(now[start:])
    ]
    connection.executemany(_insertion(table), rows)


def _parts(connection: sqlite3.Connection, table: str, talk_id: str, kind: type[T]) -> tuple[T, ...]:
    rows = connection.execute(f"SELECT * FROM {table} WHERE talk_id = ? ORDER BY position", (talk_id,))
    return tuple(_made(kind, row) for row in rows)


def _made(kind: type[T], row: sqlite3.Row) -> T:
    make: Callable[..., T] = kind
    return make(**{spec.name: row[spec.name] for spec in fields(kind)})


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        path,
        timeout=BUSY_S,
        detect_types=sqlite3.PARSE_DECLTYPES,
        isolation_level=None,
        check_same_thread=False,
    )
    connection.row_factory = sqlite3.Row
    connection.create_function("kai_fold", 1, str.casefold, deterministic=True)
    for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _is_sound(path: Path) -> bool:
    """Return whether SQLite finds the file intact."""
    if path.stat().st_size == 0:
        return True
    try:
        with closing(sqlite3.connect(path, timeout=BUSY_S)) as connection:
            return connection.execute("PRAGMA quick_check(1)").fetchone()[0] == "ok"
    except sqlite3.DatabaseError:
        return False
