"""Session updates: `merge_session` applies an update to a session, and `diff_session` finds the update between two."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, cast

from kai.wire.realtime import (
    UNSET,
    AudioConfig,
    AudioInputConfig,
    AudioOutputConfig,
    SessionConfig,
    TranscriptionConfig,
    TurnDetection,
)

_AUDIO = (AudioConfig, AudioInputConfig, AudioOutputConfig)
_MERGED = (*_AUDIO, TranscriptionConfig, TurnDetection)


def merge_session(base: SessionConfig, update: SessionConfig) -> SessionConfig:
    """Return `base` with every field that `update` sets. A turn detection of another type replaces the old one entirely."""
    return cast("SessionConfig", _merge(base, update))


def _merge(base: Any, update: Any) -> Any:
    changes: dict[str, object] = {}
    for spec in fields(update):
        new = getattr(update, spec.name)
        old = getattr(base, spec.name)
        if new is UNSET:
            continue
        is_same_kind = isinstance(new, _MERGED) and type(new) is type(old)
        if is_same_kind and not (isinstance(new, TurnDetection) and new.type != old.type):
            changes[spec.name] = _merge(old, new)
        else:
            changes[spec.name] = new
    return replace(base, **changes)


def diff_session(base: SessionConfig, wanted: SessionConfig) -> SessionConfig:
    """Return the smallest update that turns `base` into `wanted`, the inverse of `merge_session`.

    It holds the fields that differ, with a transcription or turn detection always whole. A field that `wanted` leaves unset
    keeps its value of `base`, since no update can remove a field."""
    return cast("SessionConfig", _diff(base, wanted))


def _diff(base: Any, wanted: Any) -> Any:
    changes: dict[str, Any] = {"type": wanted.type} if isinstance(wanted, SessionConfig) else {}
    for spec in fields(wanted):
        old, new = getattr(base, spec.name), getattr(wanted, spec.name)
        if new != old and new is not UNSET:
            changes[spec.name] = _diff(old, new) if isinstance(new, _AUDIO) and old is not UNSET else new
    return type(wanted)(**changes)
