"""Converts a talk's journal to plain JSON values and back, for report files and their replay.

Values of the core are frozen dataclasses, enums, tuples and plain values. A dataclass becomes an object with its name in
``is`` and every field that differs from its default. A report may be read by another version of Kai: an unknown field is
ignored, a missing one gets its default, and an unknown kind of event raises `ProtocolError`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, cast, get_args, get_origin, get_type_hints

from kai.core.events import Command, Event
from kai.core.reducer import step
from kai.core.state import SessionState
from kai.errors import ProtocolError

Plain = Any
"""A value that JSON can represent."""

Hide = Callable[[str, str], str]
"""Takes the name of a field and its text, and returns the text to write instead."""


def as_written(_name: str, text: str) -> str:
    """Return the text unchanged: a `Hide` that hides nothing."""
    return text


def to_plain(value: object, hide: Hide = as_written, name: str = "") -> Plain:
    """Return ``value`` as a plain JSON value. Every string but those of enums is passed through ``hide``."""
    match value:
        case Enum():
            return value.value
        case str():
            return hide(name, value)
        case None | bool() | int() | float():
            return value
        case tuple():
            return [_part_to_plain(part, hide, name) for part in cast("tuple[object, ...]", value)]
        case _ if is_dataclass(value) and not isinstance(value, type):
            plain: dict[str, Plain] = {"is": type(value).__name__}
            for f in fields(value):
                part = getattr(value, f.name)
                if part != _default(f):
                    plain[f.name] = to_plain(part, hide, f.name)
            return plain
        case _:
            raise TypeError(f"{type(value).__name__} is no value of the core")


def _part_to_plain(part: object, hide: Hide, name: str) -> Plain:
    """Convert a part of a tuple. In a nested tuple each position has its own name (``sessions.0``)."""
    if not isinstance(part, tuple):
        return to_plain(part, hide, name)
    return [to_plain(inner, hide, f"{name}.{n}") for n, inner in enumerate(cast("tuple[object, ...]", part))]


def to_event(plain: Plain) -> Event:
    """Return the event that ``plain`` describes. Raises `ProtocolError` if it is not an event."""
    return cast(Event, _made(Event, plain))


def to_state(plain: Plain) -> SessionState:
    """Return the state that ``plain`` describes. Raises `ProtocolError` if it is not a state."""
    return cast(SessionState, _made(SessionState, plain))


def steps(
    journal: Iterable[tuple[float, Event]], state: SessionState
) -> Iterable[tuple[float, Event, SessionState, tuple[Command, ...]]]:
    """Yield each event of a journal with its time, the state after it, and the commands that followed."""
    for at, event in journal:
        state, commands = step(state, event, at)
        yield at, event, state, commands


def _default(f: Any) -> object:
    if f.default is not MISSING:
        return f.default
    return f.default_factory() if f.default_factory is not MISSING else MISSING


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _made(hint: Any, plain: Plain) -> object:
    origin = get_origin(hint)
    if origin in (types.UnionType, Union):
        return _made_one_of(get_args(hint), plain)
    if origin is tuple:
        return _made_tuple(get_args(hint), plain)
    if is_dataclass(hint) and isinstance(hint, type):
        return _made_object(hint, plain)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _checked(lambda: hint(plain), plain)
    if hint is float and isinstance(plain, int | float) and not isinstance(plain, bool):
        return plain
    if isinstance(hint, type) and isinstance(plain, hint) and isinstance(plain, bool) is (hint is bool):
        return plain
    raise _refused(plain)


def _made_one_of(hints: tuple[Any, ...], plain: Plain) -> object:
    if plain is None and type(None) in hints:
        return None
    if isinstance(plain, dict):
        name = cast("dict[str, Plain]", plain).get("is")
        hints = tuple(hint for hint in hints if getattr(hint, "__name__", "") == name)
    for hint in hints:
        try:
            return _made(hint, plain)
        except ProtocolError:
            continue
    raise _refused(plain)


def _made_tuple(hints: tuple[Any, ...], plain: Plain) -> object:
    if not isinstance(plain, list):
        raise _refused(plain)
    parts = cast("list[Plain]", plain)
    if len(hints) == 2 and hints[1] is Ellipsis:
        return tuple(_made(hints[0], part) for part in parts)
    if len(hints) != len(parts):
        raise _refused(plain)
    return tuple(_made(hint, part) for hint, part in zip(hints, parts, strict=True))


def _made_object(kind: Any, plain: Plain) -> object:
    if not isinstance(plain, dict) or plain.get("is") != kind.__name__:  # pyright: ignore[reportUnknownMemberType]
        raise _refused(plain)
    hints = _hints(kind)
    parts = {
        name: _made(hints[name], part)
        for name, part in cast("dict[str, Plain]", plain).items()
        if name in hints
    }
    return _checked(lambda: kind(**parts), plain)


def _checked(make: Callable[[], object], plain: Plain) -> object:
    try:
        return make()
    except (TypeError, ValueError) as exc:
        raise _refused(plain) from exc


def _refused(plain: Plain) -> ProtocolError:
    kind = plain.get("is", "an object") if isinstance(plain, dict) else type(plain).__name__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    return ProtocolError(f"This version of Kai cannot read {kind} here.", code="bad_recording")
