"""What stands behind Kai: the engine, its model files, and the providers whose keys are set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, cast

from kai.checks.run import Finding, Level
from kai.compat import http
from kai.errors import KaiError

CALL_S = 5.0
SHUTDOWN_WARNING_DAYS = 60
FAR_MS = 400.0
"""A provider farther away than this makes a talk feel slow."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """How the local engine is: used at all, up, the newest line of its start, why it cannot run."""

    is_used: bool
    is_up: bool
    progress: str
    problem: str
    stand_ins: tuple[str, ...] = ()
    """What is different because a part of it cannot be had, in words."""


def check_engine(status: Callable[[], EngineStatus]) -> Finding:
    """Whether the local engine is up."""
    now = status()
    if now.problem:
        return Finding("engine", Level.RED, "broken", {"problem": now.problem})
    if not now.is_used:
        return Finding("engine", Level.UNUSED, "unused")
    if not now.is_up:
        return Finding("engine", Level.AMBER, "starting", {"progress": now.progress})
    if now.stand_ins:
        return Finding("engine", Level.AMBER, "stand_in", {"problem": " ".join(now.stand_ins)})
    return Finding("engine", Level.GREEN, "up")


def check_weights(load_all: Callable[[], int], engine: Callable[[], EngineStatus]) -> Finding:
    """Whether every model file is there and is the one that we know. ``load_all`` gives their number or raises
    ``KaiError``. What an engine that is up makes do without is no reason to stop."""
    try:
        count = load_all()
    except KaiError as error:
        now = engine()
        does_without = not now.problem and (now.is_up or not now.is_used)
        return Finding(
            "weights", Level.AMBER if does_without else Level.RED, "wrong", {"problem": error.message}
        )
    return Finding("weights", Level.GREEN, "right", {"count": str(count)})


@dataclass(frozen=True, slots=True)
class ModelStatus:
    """How the local engine's language model is, as the engine tells it; ``check_whole`` hashes it and raises ``KaiError``."""

    state: str
    name: str
    bytes: int
    done_bytes: int
    problem: str
    is_own: bool
    check_whole: Callable[[], None]


def check_model(status: Callable[[], ModelStatus]) -> Finding:
    """Whether the language model is here and every byte of it is right. Kai talks without one, so nothing is red."""
    now = status()
    facts = {"name": now.name, "size": f"{now.bytes / 1e9:.1f}", "problem": now.problem}
    match now.state:
        case "" | "off":
            return Finding("model", Level.UNUSED, "unused" if not now.state else "off")
        case "ready" if now.is_own:
            return Finding("model", Level.GREEN, "own", facts)
        case "ready":
            try:
                now.check_whole()
            except KaiError as error:
                return Finding("model", Level.AMBER, "wrong", {**facts, "problem": error.message})
            return Finding(
                "model", *((Level.AMBER, "smaller") if now.problem else (Level.GREEN, "right")), facts
            )
        case "fetching" | "looking":
            percent = 100 * now.done_bytes // max(1, now.bytes)
            return Finding("model", Level.AMBER, "coming", {**facts, "percent": str(percent)})
        case "none":
            return Finding("model", Level.AMBER, "missing", facts)
        case _:
            return Finding("model", Level.AMBER, "broken", facts)


def check_servers(find: Callable[[], Sequence[str]]) -> Finding:
    """Which model servers run on this computer, by their names. Kai needs none."""
    names = find()
    if not names:
        return Finding("servers", Level.UNUSED, "none")
    return Finding("servers", Level.GREEN, "found", {"names": ", ".join(names)})


_TROUBLES: Final[Mapping[str, tuple[Level, str]]] = {
    "wrong-key": (Level.RED, "key"),
    "avatar-wrong-key": (Level.RED, "key"),
    "no-model": (Level.RED, "missing"),
    "rate-limit": (Level.AMBER, "limit"),
    "avatar-rate-limit": (Level.AMBER, "limit"),
    "timeout": (Level.RED, "slow"),
    "unreachable": (Level.RED, "unreachable"),
    "avatar-unreachable": (Level.RED, "unreachable"),
    "avatar-tls": (Level.RED, "unreachable"),
    "proxy": (Level.RED, "proxy"),
    "address": (Level.RED, "address"),
}
"""What the errors of providers mean to a check, by their codes; any other is trouble of the provider's own."""


def check_provider(name: str, url: str, ask: Callable[[], Mapping[str, str]]) -> Finding:
    """Whether the key is good, what was asked for is there, and how far away the provider at ``url`` is.

    ``ask`` makes one free request by the adapter's own client and gives facts for the words; it may raise ``KaiError``.
    """
    begun_s = time.monotonic()
    try:
        told = ask()
    except KaiError as error:
        level, code = _TROUBLES.get(error.code, (Level.AMBER, "trouble"))
        if code == "unreachable" and http.advice_on_proxy(url):
            code = "proxy"
        return Finding(name, level, code, {"status": error.detail or error.code})
    took_ms = (time.monotonic() - begun_s) * 1000
    facts = {**told, "ms": f"{took_ms:.0f}"}
    return Finding(name, *((Level.AMBER, "far") if took_ms > FAR_MS else (Level.GREEN, "good")), facts)


def with_credits(found: Finding, needed: float) -> Finding:
    """The same finding, or a warning where the credits left are fewer than the ``needed`` ones. A minute costs one."""
    left = found.facts.get("credits")
    if found.level is not Level.GREEN or left is None or float(left) >= needed:
        return found
    return Finding(found.name, Level.AMBER, "few", {**found.facts, "minutes": f"{needed:g}"})


def check_avatar(
    list_avatars: Callable[[], Sequence[tuple[str, str, bool]]],
    wanted: str,
    plan_of: Callable[[str], str] = lambda _avatar_id: "",
) -> Finding:
    """Whether the avatar can be used: ``wanted``, an id, or where that is empty any. ``list_avatars`` gives id, name and
    usability of each, ``plan_of`` how long a session with that avatar may last, in words, empty where that is not known; both
    may raise ``KaiError``."""
    try:
        avatars = list_avatars()
    except KaiError:
        return Finding("avatar", Level.AMBER, "unknown")
    if not wanted:
        first = next((avatar for avatar in avatars if avatar[2]), None)
        if first is None:
            return Finding("avatar", Level.RED, "none")
        return _usable(first[0], first[1], plan_of)
    found = next(((name, is_usable) for id_, name, is_usable in avatars if id_ == wanted), None)
    if found is None:
        return Finding("avatar", Level.RED, "missing", {"id": wanted})
    if not found[1]:
        return Finding("avatar", Level.RED, "unusable", {"name": found[0]})
    return _usable(wanted, found[0], plan_of)


def _usable(avatar_id: str, name: str, plan_of: Callable[[str], str]) -> Finding:
    try:
        plan = plan_of(avatar_id)
    except KaiError:
        plan = ""
    if plan:
        return Finding("avatar", Level.GREEN, "plan", {"name": name, "plan": plan})
    return Finding("avatar", Level.GREEN, "usable", {"name": name})


def unused(name: str) -> Finding:
    """A provider that is not set."""
    return Finding(name, Level.UNUSED, "unused")


def read_shutdown(body: object) -> dict[str, str]:
    """The day on which an OpenAI model is shut down, as ``YYYY-MM-DD``, where the service names one: a date, or seconds since
    the epoch, at the model or inside a ``deprecation``. A form that is new to us says nothing."""
    if not isinstance(body, dict):
        return {}
    model = cast("dict[str, object]", body)
    inner = model.get("deprecation")
    said = model.get("shutdown_date")
    if said is None and isinstance(inner, dict):
        said = cast("dict[str, object]", inner).get("shutdown_date")
    match said:
        case str() if (day := _day_of(said)) is not None:
            return {"shutdown": day.isoformat()}
        case int() | float() if not isinstance(said, bool):
            return {"shutdown": datetime.fromtimestamp(said, UTC).date().isoformat()}
        case _:
            return {}


def _day_of(said: str) -> date | None:
    try:
        return date.fromisoformat(said[:10])
    except ValueError:
        return None


def with_shutdown(found: Finding, today: date) -> Finding:
    """The same finding, or a warning where the model is shut down within `SHUTDOWN_WARNING_DAYS`."""
    day = _day_of(found.facts.get("shutdown", ""))
    if day is None or found.level is not Level.GREEN:
        return found
    left = (day - today).days
    if left > SHUTDOWN_WARNING_DAYS:
        return found
    return Finding(found.name, Level.AMBER, "retiring", {**found.facts, "days": str(max(0, left))})


def check_orphans(count: Callable[[], int]) -> Finding:
    """Whether paid sessions of an app that is gone still wait to be stopped."""
    left = count()
    if left:
        return Finding("orphans", Level.AMBER, "left", {"count": str(left)})
    return Finding("orphans", Level.GREEN, "none")
