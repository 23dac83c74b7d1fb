"""Fault switches, one for each problem that users report, and scripts of faults, written by hand or drawn from a seed."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Annotated, Any, Final, Literal, cast, get_args

from pydantic import ConfigDict, Strict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from kai.errors import ConfigError

Connected = Literal["each", "once", "never"]
Shapes = Literal["usual", "loose"]
Events = Literal["both", "speak", "state", "none"]
Act = Literal[
    "close_control",
    "break_control",
    "half_open",
    "say_closed",
    "drop_signal",
    "refuse_resume",
    "republish",
    "kill_media",
    "stall_video",
    "freeze_video",
    "mute_sound",
    "heal",
    "vanish",
    "end_room",
    "no_credits",
    "complain",
]
ACTS: Final[tuple[Act, ...]] = get_args(Act)
"""The faults that can be caused in the running sessions at a moment; see `Session.act`."""


@dataclass(frozen=True, slots=True, config=ConfigDict(strict=True, extra="forbid"))
class Faults:
    """The switches; by default there are no faults. Times are in seconds.

    ``refuse_*`` refuse the next ``times`` calls of that name with ``status`` and ``number``. ``events`` chooses which of the
    two families of speaking events a session sends. ``has_old_ids`` puts the command's id into ``event_id``.
    """

    refuse: str = ""
    """Which call is refused: ``token``, ``start``, ``stop``, ``keep-alive``, ``list``, ``credits`` or empty."""
    refuse_status: int = 500
    refuse_number: int = 0
    refuse_message: str = "Internal error"
    refuse_retry_after_s: float | None = None
    refuse_times: int = 1
    reply_delay_s: float = 0.0
    has_no_ws_url: bool = False
    max_session_s: int = 600
    idle_timeout_s: float = 120.0
    max_concurrent: int = 100
    credits: float = 100.0
    """What the account has left at the moment at which the switches are set."""
    connected_after_s: float = 0.2
    connected: Connected = "each"
    """The control sockets of a session that get ``connected``: each, only the first, or none. Commands are accepted on all of
    them, ``connected_after_s`` after the session's first socket opened."""
    picture_after_s: float = 0.0
    """The time from a session's start to its first picture; together with ``connected_after_s`` a slow start."""
    is_deaf: bool = False
    """The control socket accepts everything and answers nothing."""
    is_speechless: bool = False
    """The avatar accepts sound but stays silent, as some custom avatars do."""
    shapes: Shapes = "usual"
    """``loose``: whole floats for integers, strings for objects, ``state`` for ``new_state``, a start without its id."""
    has_no_pongs: bool = False
    """The control socket does not answer pings, as the service under load; a client that relies on them disconnects."""
    events: Events = "both"
    has_double_starts: bool = False
    has_old_ids: bool = False
    speak_after_s: float = 0.5
    """The time from the arrival of an utterance's first sound to its playout."""
    picture_delay_s: float = 0.9
    """How much later than its sound a picture is sent."""
    has_no_v1: bool = False
    has_no_tracks: bool = False
    has_plain_picture: bool = False
    """A plain drawing that costs almost nothing in place of the rendered face, for tests."""
    has_test_marks: bool = False

    def with_changes(self, changes: dict[str, Any]) -> Faults:
        """Return these switches with changes. Raises `ConfigError` for an unknown switch or a value of a wrong type."""
        try:
            return replace(self, **changes)
        except ValidationError as exc:
            wrong = exc.errors()[0]
            name = str(wrong["loc"][0])
            if wrong["type"] == "unexpected_keyword_argument":
                raise ConfigError(f"There is no fault switch {name!r}.", code="unknown_fault") from exc
            message = f"The fault switch {name!r} cannot be {changes[name]!r}."
            raise ConfigError(message, code="bad_fault") from exc


@dataclass(frozen=True, slots=True)
class Step:
    """One act of a script, ``after_s`` seconds after the previous one."""

    act: Act
    after_s: Annotated[float, Strict()]


_STEPS: Final = TypeAdapter(tuple[Step, ...])


def script_of(value: object) -> tuple[Step, ...]:
    """Return the script in a parsed JSON body: ``{"steps": [{"act", "after_s"}]}`` or ``{"seed", "count", "within_s"}``.

    Raises `ConfigError`.
    """
    match value:
        case {"steps": list(steps)}:
            try:
                return _STEPS.validate_python(steps)
            except ValidationError as exc:
                raise ConfigError("A step has an act that there is, and after_s.", code="bad_script") from exc
        case {"seed": int(seed), **rest}:
            options = cast("dict[str, Any]", rest)
            return drawn(seed, int(options.get("count", 3)), float(options.get("within_s", 20.0)))
        case _:
            raise ConfigError("A script has steps, or a seed.", code="bad_script")


def drawn(seed: int, count: int, within_s: float) -> tuple[Step, ...]:
    """Return a script of ``count`` random acts within about ``within_s``; the same seed gives the same script."""
    chance = random.Random(seed)
    return tuple(Step(chance.choice(ACTS), chance.uniform(0, 2 * within_s / count)) for _ in range(count))
