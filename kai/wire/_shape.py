"""Converts frozen dataclasses to JSON objects and back by their annotations, for the codecs of this package.

Supported types are ``str``, ``int``, ``float``, ``bool``, ``None``, dataclasses, ``tuple[X, ...]``, raw JSON objects, and
unions of these that differ in their JSON kind. A field without a default is required. Unknown fields are dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from enum import Enum
from functools import cache
from types import NoneType, UnionType
from typing import (
    Any,
    ClassVar,
    Final,
    TypeAlias,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from kai.errors import ProtocolError

#: A parsed JSON object whose content we do not interpret.
JsonObject: TypeAlias = Mapping[str, object]
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WireMessage:
    """A message that is known by its ``type`` on the wire, which its class has as `TYPE`."""

    TYPE: ClassVar[str]
    event_id: str | None = None


M = TypeVar("M", bound=WireMessage)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def message(kind: str) -> Callable[[type[M]], type[M]]:
    """Return a decorator that makes a frozen dataclass of a `WireMessage` whose ``type`` on the wire is ``kind``."""

    def decorate(cls: type[M]) -> type[M]:
        cls.TYPE = kind
        return dataclass(frozen=True, slots=True, kw_only=True)(cls)

    return decorate


class Unset(Enum):
    """The type of `UNSET`: a field that is absent on the wire, where ``null`` means something else."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET

#: Metadata of a field whose ``None`` is written as ``null`` (other fields are omitted).
AS_NULL: Final = {"as_null": True}


def as_null_in(*kinds: str) -> dict[str, object]:
    """Return metadata like `AS_NULL` that applies only to records of these ``type``s."""
    return {"as_null": frozenset(kinds)}


class ShapeError(ProtocolError):
    """A JSON value has the wrong type; `param` is the path of the field (``session.audio.input``)."""

    def __init__(self, message: str, *, code: str, param: str) -> None:
        super().__init__(message, code=code)
        self.param = param


def parse(text: str | bytes) -> JsonObject:
    """Return the JSON object in `text`. Raises `ProtocolError`."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as exc:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        raise ProtocolError("The message is not valid JSON.", code="invalid_json") from exc
    if not isinstance(value, dict):
        raise ProtocolError("The message is not a JSON object.", code="invalid_json")
    return cast("JsonObject", value)


def encode(message: WireMessage) -> str:
    """Return the message as one line of JSON."""
    return json.dumps({"type": message.TYPE, **to_json(message)}, separators=(",", ":"))


def to_json(record: object) -> dict[str, object]:
    """Return the JSON object of a dataclass, without unset fields and without ``None`` in fields that are not `AS_NULL`."""
    out: dict[str, object] = {}
    for spec in fields(cast("Any", record)):
        value = getattr(record, spec.name)
        if value is UNSET or (
            value is None
            and spec.default is not UNSET
            and not _stands_as_null(record, spec.metadata.get("as_null"))
        ):
            continue
        out[spec.name] = _value_to_json(value)
    return out


def _stands_as_null(record: Any, as_null: bool | frozenset[str] | None) -> bool:
    return record.type in as_null if isinstance(as_null, frozenset) else bool(as_null)


def _value_to_json(value: Any) -> object:
    if is_dataclass(value):
        return to_json(value)
    if isinstance(value, tuple):
        return [_value_to_json(part) for part in cast("tuple[Any, ...]", value)]
    return value


def from_json(cls: type[T], value: object, *, path: str = "", is_lenient: bool = False) -> T:
    """Return the `cls` in a parsed JSON object. Raises `ShapeError`, which names the field.

    ``is_lenient`` is for a peer whose messages vary between versions: a whole float counts as an integer, a string may
    replace a record whose class names the field for it (``FROM_TEXT``), and a field with a default keeps it if its value
    has the wrong type. A required field that is missing or has the wrong type is always an error.
    """
    text_field = getattr(cls, "FROM_TEXT", None)
    if is_lenient and isinstance(value, str) and text_field is not None:
        value = {text_field: value}
    if not isinstance(value, dict):
        raise ShapeError(f"Invalid type for '{path}': expected an object.", code="invalid_type", param=path)
    given = cast("dict[str, object]", value)
    hints = _hints(cls)
    values: dict[str, object] = {}
    for spec in fields(cast("Any", cls)):
        where = f"{path}.{spec.name}" if path else spec.name
        is_required = spec.default is MISSING
        if given.get(spec.name) is None and not is_required and NoneType not in _options(hints[spec.name]):
            continue  # peers write null for "absent" even where the reference does not allow it
        if spec.name in given:
            try:
                values[spec.name] = _value_from_json(
                    hints[spec.name], given[spec.name], where, is_lenient=is_lenient
                )
            except ShapeError:
                if is_required or not is_lenient:
                    raise
        elif is_required:
            raise ShapeError(
                f"Missing required parameter: '{where}'.", code="missing_required_parameter", param=where
            )
    return cls(**values)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


@cache
def _options(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if isinstance(hint, UnionType) else (hint,)


def _value_from_json(hint: Any, value: object, path: str, *, is_lenient: bool = False) -> object:
    for option in _options(hint):
        if option is NoneType:
            if value is None:
                return None
        elif option is Unset:
            continue
        elif option is bool or option is str:
            if isinstance(value, option):
                return value
        elif option is int:
            if isinstance(value, int) and not isinstance(value, bool):
                return value
            if is_lenient and isinstance(value, float) and value.is_integer():
                return int(value)
        elif option is float:
            if isinstance(value, int | float) and not isinstance(value, bool):
                return float(value)
        elif get_origin(option) is tuple:
            if isinstance(value, list):
                part = get_args(option)[0]
                return tuple(
                    _value_from_json(part, v, f"{path}[{i}]", is_lenient=is_lenient)
                    for i, v in enumerate(cast("list[object]", value))
                )
        elif is_dataclass(option):
            if isinstance(value, dict) or (is_lenient and isinstance(value, str)):
                return from_json(
                    cast("type[object]", option), cast("object", value), path=path, is_lenient=is_lenient
                )
        elif isinstance(value, dict):  # a raw JSON object
            return cast("object", value)
    raise ShapeError(
        f"Invalid type for '{path}': {_kind(value)} does not fit.", code="invalid_type", param=path
    )


def _kind(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case int() | float():
            return "a number"
        case str():
            return "a string"
        case list():
            return "an array"
        case _:
            return "an object"
