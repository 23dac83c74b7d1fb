"""Past talks in one SQLite file: saving, listing, searching, reading, deleting, and expiring old talks.

Deleted rows are overwritten in the file (``secure_delete``). Every method may be called from any thread.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, TypeVar

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from kai.core.policy.budget import CREDIT_USD
from kai.errors import KaiError
from kai.records.files import set_aside
from kai.records.turns import Cost, Line, TalkRecord, Turn

SCHEMA: Final = 7
"""The ``user_version`` of the file. A newer file is not opened; an older one gets the missing columns."""
BUSY_S: Final = 5.0

_meta = sa.MetaData()


def _parent() -> sa.Column[str]:
    return sa.Column(
        "talk_id", sa.String(16), sa.ForeignKey("talks.id", ondelete="CASCADE"), primary_key=True
    )


_talks = sa.Table(
    "talks",
    _meta,
    sa.Column("id", sa.String(16), primary_key=True),
    sa.Column("owner", sa.String(64), nullable=False, index=True),
    sa.Column("started_wall_s", sa.Float, nullable=False, index=True),
    sa.Column("lasted_s", sa.Float, nullable=False),
    sa.Column("is_over", sa.Boolean, nullable=False),
    sa.Column("character", sa.String(64), nullable=False),
    sa.Column("voice", sa.String(64), nullable=False),
    sa.Column("cost_usd", sa.Float),
    sa.Column("is_cost_exact", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("avatar_s", sa.Float, nullable=False, server_default="0"),
    sa.Column("avatar_credits", sa.Integer, nullable=False, server_default="0"),
)
_lines = sa.Table(
    "lines",
    _meta,
    _parent(),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("id", sa.String(128), nullable=False),
    sa.Column("role", sa.String(16), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("at_wall_s", sa.Float, nullable=False),
    sa.Column("start_ms", sa.Integer, nullable=False),
    sa.Column("end_ms", sa.Integer, nullable=False),
    sa.Column("is_interrupted", sa.Boolean, nullable=False),
    sa.Column("response_id", sa.String(128), nullable=False),
    sa.Column("speaker", sa.String(64), nullable=False, server_default=""),
)
_turns = sa.Table(
    "turns",
    _meta,
    _parent(),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("response_id", sa.String(128), nullable=False),
    sa.Column("at_wall_s", sa.Float, nullable=False),
    sa.Column("is_typed", sa.Boolean, nullable=False),
    sa.Column("think_ms", sa.Integer),
    sa.Column("voice_ms", sa.Integer),
    sa.Column("face_ms", sa.Integer),
    sa.Column("wait_ms", sa.Integer),
    sa.Column("spoken_ms", sa.Integer),
    sa.Column("is_interrupted", sa.Boolean, nullable=False),
    sa.Column("cost_usd", sa.Float),
    sa.Column("sent_fps", sa.Float),
    sa.Column("shown_fps", sa.Float),
    sa.Column("dropped_pictures", sa.Integer),
    sa.Column("picture_late_ms", sa.Integer),
    sa.Column("dropped_sound_ms", sa.Integer),
    sa.Column("mind", sa.String(64)),
    sa.Column("tokens_per_s", sa.Float),
    sa.Column("end_ms", sa.Integer),
)

_costs = sa.Table(
    "costs",
    _meta,
    _parent(),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("leg", sa.String(16), nullable=False),
    sa.Column("why", sa.String(16), nullable=False),
    sa.Column("usd", sa.Float, nullable=False),
    sa.Column("credits", sa.Integer, nullable=False),
    sa.Column("response_id", sa.String(128), nullable=False),
)

T = TypeVar("T", Line, Turn, Cost)


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
        try:
            if path.exists() and not _is_sound(path):
                self.aside = set_aside(path)
            path.touch(mode=0o600)
            path.chmod(0o600)
            self._engine = _make_engine(path)
            self._prepare()
        except (OSError, SQLAlchemyError) as exc:
            raise RecordsError(
                f"Past talks cannot be kept in {path.parent}. Look at that folder's rights and free space, then start Kai "
                "again.",
                code="records-open",
            ) from exc

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            version = int(connection.exec_driver_sql("PRAGMA user_version").scalar_one())
            if version > SCHEMA:
                raise RecordsError(
                    "Past talks were written by a newer Kai. Update this one to read them.",
                    code="records-newer",
                )
            _meta.create_all(connection)
            for table in _meta.sorted_tables if version < SCHEMA else ():
                _add_missing_columns(connection, table)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")

    def close(self) -> None:
        """Close the file."""
        self._engine.dispose()

    @contextmanager
    def _begin(self) -> Generator[sa.Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as exc:
            raise RecordsError(
                f"Past talks cannot be read or written in {self.path.parent} now. Look at the disk's free space.",
            ) from exc

    def save(self, record: TalkRecord, before: TalkRecord | None = None) -> None:
        """Write a talk. ``before`` is its last saved record, so that only changes are written. Raises ``RecordsError``."""
        talk = {
            "id": record.id,
            "owner": record.owner,
            "started_wall_s": record.started_wall_s,
            "lasted_s": record.lasted_s,
            "is_over": record.is_over,
            "character": record.character,
            "voice": record.voice,
            "cost_usd": record.cost_usd,
            "is_cost_exact": record.is_cost_exact,
            "avatar_s": record.avatar_s,
            "avatar_credits": record.avatar_credits,
        }
        with self._begin() as connection:
            there = connection.execute(
                sa.update(_talks).where(_talks.c.id == record.id).values(talk)
            ).rowcount
            if not there:
                before = None
                connection.execute(sa.insert(_talks).values(talk))
            _replace_tail(connection, _lines, record.id, record.lines, before.lines if before else ())
            _replace_tail(connection, _turns, record.id, record.turns, before.turns if before else ())
            _replace_tail(connection, _costs, record.id, record.costs, before.costs if before else ())

    def delete(self, talk_id: str, owner: str | None = None) -> bool:
        """Delete one talk and return whether there was one. Raises ``RecordsError``."""
        with self._begin() as connection:
            gone = connection.execute(sa.delete(_talks).where(_talks.c.id == talk_id, *_of(owner))).rowcount
        return bool(gone)

    def delete_all(self, owner: str | None = None) -> int:
        """Delete every talk and return how many. Raises ``RecordsError``."""
        with self._begin() as connection:
            return connection.execute(sa.delete(_talks).where(*_of(owner))).rowcount

    def forget_older(self, than_wall_s: float) -> int:
        """Delete the talks that began before ``than_wall_s`` and return how many. Raises ``RecordsError``."""
        with self._begin() as connection:
            return connection.execute(sa.delete(_talks).where(_talks.c.started_wall_s < than_wall_s)).rowcount

    def end_all(self) -> None:
        """Mark every talk as over, including those of an app that was killed. Raises ``RecordsError``."""
        with self._begin() as connection:
            connection.execute(sa.update(_talks).where(_talks.c.is_over.is_(False)).values(is_over=True))

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
        of_talk = _lines.c.talk_id == _talks.c.id
        first = (
            sa.select(_lines.c.text)
            .where(of_talk, _lines.c.role == "user")
            .order_by(_lines.c.position)
            .limit(1)
            .scalar_subquery()
        )
        count = sa.select(sa.func.count()).select_from(_lines).where(of_talk).scalar_subquery()
        cut = sa.select(sa.func.count()).select_from(_turns)
        cut = cut.where(_turns.c.talk_id == _talks.c.id, _turns.c.is_interrupted).scalar_subquery()
        query = sa.select(
            _talks, count.label("line_count"), first.label("first_words"), cut.label("interrupted")
        ).where(_talks.c.started_wall_s >= since_wall_s, *_of(owner), *_present(present_of))
        for word in search.split():
            holds = sa.func.kai_fold(_lines.c.text).contains(word.casefold(), autoescape=True)
            query = query.where(sa.exists(sa.select(_lines.c.talk_id).where(of_talk, holds)))
        query = query.order_by(_talks.c.started_wall_s.desc()).limit(limit)
        with self._begin() as connection:
            rows = connection.execute(query).all()
        return [
            Summary(
                row.id,
                row.started_wall_s,
                row.lasted_s,
                row.is_over,
                row.character,
                row.voice,
                row.line_count,
                row.first_words or "",
                row.cost_usd,
                row.is_cost_exact,
                row.avatar_s,
                row.interrupted,
                row.avatar_credits,
            )
            for row in rows
        ]

    def ids(self, owner: str | None = None) -> list[str]:
        """Return the id of every talk. Raises ``RecordsError``."""
        with self._begin() as connection:
            return list(connection.execute(sa.select(_talks.c.id).where(*_of(owner))).scalars())

    def read(
        self, talk_id: str, owner: str | None = None, *, present_of: str | None = None
    ) -> TalkRecord | None:
        """Return one talk. If ``present_of`` is given, a running talk must be its own. Raises ``RecordsError``."""
        query = sa.select(_talks).where(_talks.c.id == talk_id, *_of(owner), *_present(present_of))
        with self._begin() as connection:
            row = connection.execute(query).first()
            if row is None:
                return None
            lines = _rows(connection, _lines, talk_id, Line)
            turns = _rows(connection, _turns, talk_id, Turn)
            costs = _rows(connection, _costs, talk_id, Cost)
        return TalkRecord(
            row.id,
            row.owner,
            row.started_wall_s,
            row.lasted_s,
            row.is_over,
            row.character,
            row.voice,
            lines,
            turns,
            row.cost_usd,
            row.is_cost_exact,
            row.avatar_s,
            row.avatar_credits,
            costs,
        )

    def turns(self, *, since_wall_s: float = 0.0, owner: str | None = None) -> list[tuple[str, Turn]]:
        """Return every turn since ``since_wall_s`` with its talk's id, oldest first. Raises ``RecordsError``."""
        names = [f.name for f in fields(Turn)]
        query = (
            sa.select(_turns)
            .join(_talks, _turns.c.talk_id == _talks.c.id)
            .where(_turns.c.at_wall_s >= since_wall_s, *_of(owner))
            .order_by(_turns.c.at_wall_s)
        )
        with self._begin() as connection:
            rows = connection.execute(query).mappings().all()
        return [(str(row["talk_id"]), Turn(**{name: row[name] for name in names})) for row in rows]


def _add_missing_columns(connection: sa.Connection, table: sa.Table) -> None:
    there = {str(column["name"]) for column in sa.inspect(connection).get_columns(table.name)}
    for column in table.columns:
        if column.name not in there:
            words = sa.schema.CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {words}")


def _present(owner: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if owner is None else [sa.or_(_talks.c.is_over, _talks.c.owner == owner)]


def _of(owner: str | None) -> list[sa.ColumnElement[bool]]:
    return [] if owner is None else [_talks.c.owner == owner]


def _replace_tail(
    connection: sa.Connection,
    table: sa.Table,
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
    connection.execute(sa.delete(table).where(table.c.talk_id == talk_id, table.c.position >= start))
    rows = [
        {"talk_id": talk_id, "position": start + i, **{f.name: getattr(value, f.name) for f in fields(value)}}
        for i, value in enumerate(now[start:])
    ]
    if rows:
        connection.execute(sa.insert(table), rows)


def _rows(connection: sa.Connection, table: sa.Table, talk_id: str, kind: type[T]) -> tuple[T, ...]:
    query = sa.select(table).where(table.c.talk_id == talk_id).order_by(table.c.position)
    make: Callable[..., T] = kind
    names = [f.name for f in fields(kind)]
    return tuple(make(**{n: row[n] for n in names}) for row in connection.execute(query).mappings())


def _make_engine(path: Path) -> sa.Engine:
    # A URL built by hand would be cut at a percent or question mark in a folder's name.
    address = sa.URL.create("sqlite+pysqlite", database=str(path))
    engine = sa.create_engine(address, connect_args={"timeout": BUSY_S})

    def prepare(connection: Any, _record: Any) -> None:
        connection.create_function("kai_fold", 1, _fold, deterministic=True)
        for pragma in ("foreign_keys = ON", "secure_delete = ON", "synchronous = NORMAL"):
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", prepare)
    return engine


def _fold(text: str | None) -> str:
    return (text or "").casefold()


def _is_sound(path: Path) -> bool:
    """Return whether SQLite finds the file intact."""
    if path.stat().st_size == 0:
        return True
    engine = _make_engine(path)
    try:
        with engine.connect() as connection:
            return connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one() == "ok"
    except (DatabaseError, sqlite3.DatabaseError):
        return False
    finally:
        engine.dispose()
