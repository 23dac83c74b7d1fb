"""Checks of the services that Kai uses: the engine, its model files, and the configured providers."""

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
"""A provider with a longer response time makes a talk feel slow."""


@dataclass(frozen=True, slots=True)
class EngineStatus:
    """The state of the local engine: used or not, up or not, its newest progress line, and why it cannot run."""

    is_used: bool
    is_up: bool
    progress: str
    problem: str
    stand_ins: tuple[str, ...] = ()
    """What is different because parts of the engine are not available, in words."""


def check_engine(status: Callable[[], EngineStatus]) -> Finding:
    """Check that the local engine is up."""
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
    """Check that every model file exists and has the expected checksum. ``load_all`` returns their number or raises
    ``KaiError``. The finding is only a warning if the engine works without the file or is not used."""
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
class ModelFacts:
    """The engine's report on its language model. ``check_whole`` verifies the file's hash and raises ``KaiError``."""

    state: str
    name: str
    bytes: int
    done_bytes: int
    problem: str
    is_own: bool
    check_whole: Callable[[], None]


def check_model(status: Callable[[], ModelFacts]) -> Finding:
    """Check that the language model exists and is intact. Kai can talk without one, so no finding is red."""
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
    """Find the names of the model servers that run on this computer. Kai needs none."""
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
"""The findings for errors of providers, by their codes. Any other error is a problem at the provider."""


def check_provider(name: str, url: str, ask: Callable[[], Mapping[str, str]]) -> Finding:
    """Check that the key is valid, that the requested resource exists, and how fast the provider at ``url`` responds.

    ``ask`` makes one free request with the adapter's own client and returns facts for the text; it may raise ``KaiError``.
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
    """Return the finding, or a warning if fewer credits are left than ``needed``. A minute costs one credit."""
    left = found.facts.get("credits")
    if left is None or float(left) >= needed:
        return found
    return Finding(found.name, Level.AMBER, "few", {**found.facts, "minutes": f"{needed:g}"})


def check_avatar(
    list_avatars: Callable[[], Sequence[tuple[str, str, bool]]],
    wanted: str,
    plan_of: Callable[[str], str] = lambda _avatar_id: "",
) -> Finding:
    """Check that the avatar with the id ``wanted`` can be used, or any avatar if that is empty.

    ``list_avatars`` returns the id, name and usability of each avatar. ``plan_of`` returns in words how long a session with
    that avatar may last, or an empty string if that is not known. Both may raise ``KaiError``."""
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
    """Return the finding for a provider that is not configured."""
    return Finding(name, Level.UNUSED, "unused")


def read_shutdown(body: object) -> dict[str, str]:
    """Return the day on which an OpenAI model is shut down, as ``YYYY-MM-DD``, if the service gives one. It may be a date or
    seconds since the epoch, in the model or inside ``deprecation``; unknown forms are ignored."""
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
    """Return the finding, or a warning if the model is shut down within `SHUTDOWN_WARNING_DAYS`."""
    day = _day_of(found.facts.get("shutdown", ""))
    if day is None:
        return found
    left = (day - today).days
    if left > SHUTDOWN_WARNING_DAYS:
        return found
    return Finding(found.name, Level.AMBER, "retiring", {**found.facts, "days": str(max(0, left))})


def check_orphans(count: Callable[[], int]) -> Finding:
    """Check that no paid sessions of an earlier run of the app still wait to be stopped."""
    left = count()
    if left:
        return Finding("orphans", Level.AMBER, "left", {"count": str(left)})
    return Finding("orphans", Level.GREEN, "none")
