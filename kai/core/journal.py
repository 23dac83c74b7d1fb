"""A talk's journal as plain values, and back: what a report file holds, and what replays it.

A value of the core is made of frozen dataclasses, enums, tuples and plain values; here a dataclass becomes an object with its
name in ``is`` and every field that is not as it is by default. A file outlives a version of Kai: a field that is new has its
default, one that is gone is passed over, and a kind of event that is gone is a `ProtocolError`.
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
"""What JSON can hold."""

Hide = Callable[[str, str], str]
"""What is written for a text, by the name of its field and the text."""


def as_written(_name: str, text: str) -> str:
    """Hides nothing."""
    return text


def to_plain(value: object, hide: Hide = as_written, name: str = "") -> Plain:
    """``value`` as JSON can hold it; ``hide`` decides on each text that is no word of an enum."""
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
    """A part of a tuple. Of a tuple within a tuple each place has a name of its own (``sessions.0``)."""
    if not isinstance(part, tuple):
        return to_plain(part, hide, name)
    return [to_plain(inner, hide, f"{name}.{n}") for n, inner in enumerate(cast("tuple[object, ...]", part))]


def to_event(plain: Plain) -> Event:
    """The event that was written. Raises `ProtocolError` for what is none."""
    return cast(Event, _made(Event, plain))


def to_state(plain: Plain) -> SessionState:
    """The state that was written. Raises `ProtocolError` for what is none."""
    return cast(SessionState, _made(SessionState, plain))


def steps(
    journal: Iterable[tuple[float, Event]], state: SessionState
) -> Iterable[tuple[float, Event, SessionState, tuple[Command, ...]]]:
    """Each event of a journal with its time, the state after it, and what the machine asked for."""
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
