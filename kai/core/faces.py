"""Which face is on: the policy of a talk that has a paid cloud face and a local one standing by. Pure.

``step(state, event, at) -> (state, orders)``. Rules worth knowing before a change:

* At most two paid sessions are alive, and only while one takes the other's place (rotation).
* Faces change places between turns. Only a face that is lost, or out of time, is replaced in mid-sentence.
* What cannot be mended by trying again is not tried again until a person asks.
* A start is paid whether or not a face comes of it. After two paid starts in a row that failed, a person is asked. A session
  that is lost within its first minute, or never spoke, counts as a failed start; an exchange that was planned does not.
* Nobody pays for silence: after three minutes of it the local face takes over until somebody speaks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import assert_never

AGAIN_AFTER_S = (5.0, 20.0, 60.0, 180.0)
"""Waits before another try of a cloud face that was lost; a person sees the local one meanwhile."""
COVER_AFTER_S = 6.0
"""A cloud face takes 2 to 4 s to come; for a slower one the local face steps in."""
ROTATE_BEFORE_S = 30.0
"""A fresh session is opened so long before the old one's end, to find a pause for the change."""
SANDBOX_LEAVES_BEFORE_S = 10.0
"""Nothing comes after a free minute: no more of it is given away than a pause takes to come."""
DEADLINE_BEFORE_S = 3.0
"""At its time limit a session falls silent without a word, so it is left before."""
SILENCE_S = 180.0
WARN_BEFORE_S = 30.0
LIMIT_S = 1200.0
STEADY_S = 60.0
MOST_FAILED_STARTS = 2
SHORT_PLAN_S = 300.0
"""A plan whose sessions are no longer than this is told on the stage: the avatar is exchanged every few minutes."""


class Face(StrEnum):
    """The faces by name."""

    CLOUD = "liveavatar"
    LOCAL = "local"


class Next(StrEnum):
    """The paid session that is being prepared."""

    NONE = "none"
    OPENING = "opening"
    READY = "ready"


class Standby(StrEnum):
    """The local face behind the scenes."""

    OFF = "off"
    OPENING = "opening"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class Faces:
    """What is true of the faces. ``longest_s`` belongs to the session in ``next``; times are of the monotonic clock."""

    on: Face | None = None
    next: Next = Next.NONE
    local: Standby = Standby.OFF
    wants_cloud: bool = True
    is_speaking: bool = False
    is_paused: bool = False
    is_over_limit: bool = False
    leaves: str = ""
    """Why the cloud face leaves with the next pause, as a code of `WORDS`; empty when it stays."""
    next_longest_s: float | None = None
    is_sandbox: bool = False
    is_warned: bool = False
    failures: int = 0
    failed_starts: int = 0
    """Paid starts in a row that failed, or brought a session that was lost within `STEADY_S`."""
    mutes: int = 0
    """Sessions in a row that never spoke."""
    is_plan_told: bool = False
    up_since_s: float = 0.0
    limit_s: float = LIMIT_S


# ------------------------------------------------------------------ what happens


@dataclass(frozen=True, slots=True)
class Began:
    """The talk wants a face."""


@dataclass(frozen=True, slots=True)
class NextOpened:
    """The prepared session is ready to be shown. ``longest_s`` from now, where it is known."""

    longest_s: float | None
    is_sandbox: bool = False


@dataclass(frozen=True, slots=True)
class NextFailed:
    """The prepared session could not be opened, or was lost before it was shown. ``retry_after_s``: the pause that the
    provider asked for, 0 where it asked for none. ``is_billed``: it was started, and paid. ``detail``: the provider's own
    text."""

    code: str
    message: str
    is_retryable: bool
    retry_after_s: float = 0.0
    is_billed: bool = False
    detail: str = ""


@dataclass(frozen=True, slots=True)
class CloudLost:
    """The session that is shown was lost. ``is_billed``: it cost something."""

    code: str
    message: str
    is_retryable: bool
    is_billed: bool = True


@dataclass(frozen=True, slots=True)
class LocalOpened:
    """The local face stands by."""


@dataclass(frozen=True, slots=True)
class LocalLost:
    """The local face could not be opened, or was lost."""

    code: str
    message: str
    is_retryable: bool = True


@dataclass(frozen=True, slots=True)
class SpeakingChanged:
    """An answer begins to be spoken, or the last one has ended."""

    is_speaking: bool


@dataclass(frozen=True, slots=True)
class Stirred:
    """Somebody spoke or typed, or Kai did."""


@dataclass(frozen=True, slots=True)
class CloudWished:
    """A person chose the cloud face, or the local one."""

    is_wished: bool


@dataclass(frozen=True, slots=True)
class ChoiceChanged:
    """A person chose another avatar, or another quality of it."""


@dataclass(frozen=True, slots=True)
class TimeCame:
    """A timer has run out."""

    name: str


FacesEvent = (
    Began
    | NextOpened
    | NextFailed
    | CloudLost
    | LocalOpened
    | LocalLost
    | SpeakingChanged
    | Stirred
    | CloudWished
    | ChoiceChanged
    | TimeCame
)

# ------------------------------------------------------------------ what is to be done


@dataclass(frozen=True, slots=True)
class PrepareCloud:
    """Open a paid session beside what is shown; answer with ``NextOpened`` or ``NextFailed``."""


@dataclass(frozen=True, slots=True)
class DropNext:
    """Stop the prepared session, opened or not."""


@dataclass(frozen=True, slots=True)
class ShowNext:
    """Let the prepared session take over; stop the paid session that was shown, if one was."""


@dataclass(frozen=True, slots=True)
class OpenLocal:
    """Open the local face and let it rest; answer with ``LocalOpened`` or ``LocalLost``."""


@dataclass(frozen=True, slots=True)
class ShowLocal:
    """Let the local face take over; stop the paid session that was shown, if one was."""


@dataclass(frozen=True, slots=True)
class Report:
    """Tell which face is on, and why, in words for a person; without words all is well."""

    face: Face
    code: str = ""
    message: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """There is no face at all: the leg has failed, and the voice alone goes on."""

    code: str
    message: str
    is_retryable: bool = True


@dataclass(frozen=True, slots=True)
class Arm:
    """Answer with ``TimeCame(name)`` after ``delay_s``; an armed timer of that name is replaced."""

    name: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class Disarm:
    """Forget a timer."""

    name: str


Order = PrepareCloud | DropNext | ShowNext | OpenLocal | ShowLocal | Report | GiveUp | Arm | Disarm
Step = tuple[Faces, tuple[Order, ...]]

WORDS = {
    "avatar-coming": "The avatar takes a moment longer. Until then you see the face of this computer.",
    "avatar-silence-soon": "Nobody has spoken for a while. In 30 s the avatar rests, to save credits; say or type something.",
    "avatar-resting": "The avatar rests to save credits. It comes back when you speak or type.",
    "avatar-sandbox-over": "The avatar's free minute is over. The face of this computer goes on.",
    "avatar-time-up": "The avatar's session came to its end. A fresh one is on its way.",
    "avatar-limit": "The avatar was on for as long as you allow. Choose it again to go on with it.",
    "avatar-failed-starts": (
        "The avatar failed twice in a row, and each start costs a credit. Kai does not try again by itself: choose the "
        "avatar again when you want to."
    ),
    "avatar-mute": (
        "This avatar was given words twice and never spoke. Some custom avatars do not speak in live talks: choose another "
        "avatar."
    ),
    "avatar-rotating": "The avatar is exchanged for a fresh one; it is back in a moment.",
}


def step(state: Faces, event: FacesEvent, at: float) -> Step:
    """The state after ``event``, and what to do about it."""
    match event:
        case Began():
            state = replace(state, local=Standby.OPENING)
            orders = (
                OpenLocal(),
                Arm("cover", COVER_AFTER_S),
                *_armed_silence(),
                Arm("limit", state.limit_s),
            )
            if not state.wants_cloud:
                return state, (OpenLocal(),)
            return _then(_prepare(state), orders)
        case NextOpened():
            return _next_opened(state, event, at)
        case NextFailed():
            return _next_failed(state, event)
        case CloudLost():
            return _cloud_lost(state, event, at)
        case LocalOpened():
            state = replace(state, local=Standby.READY)
            is_needed = state.on is None and state.next is Next.NONE
            return _show_local(state, "", "") if is_needed else (state, ())
        case LocalLost():
            return _local_lost(state, event)
        case SpeakingChanged(is_speaking):
            return _settle(replace(state, is_speaking=is_speaking), at)
        case Stirred():
            return _stirred(state)
        case CloudWished(is_wished):
            return _wished(state, is_wished)
        case ChoiceChanged():
            return _choice_changed(state)
        case TimeCame(name):
            return _time_came(state, name, at)
        case _:
            assert_never(event)


def _then(first: Step, orders: tuple[Order, ...]) -> Step:
    return first[0], (*orders, *first[1])


def _prepare(state: Faces) -> Step:
    if state.next is not Next.NONE or _asks_person(state):
        return state, ()
    return replace(state, next=Next.OPENING), (PrepareCloud(),)


def _asks_person(state: Faces) -> str:
    """Why no further start is paid until a person asks for one, as a code of `WORDS`; empty: there is no reason."""
    if state.mutes >= MOST_FAILED_STARTS:
        return "avatar-mute"
    return "avatar-failed-starts" if state.failed_starts >= MOST_FAILED_STARTS else ""


def _armed_silence() -> tuple[Order, ...]:
    return Arm("silence-soon", SILENCE_S - WARN_BEFORE_S), Disarm("silence")


def _next_opened(state: Faces, event: NextOpened, at: float) -> Step:
    if state.next is not Next.OPENING:
        return state, ()
    state = replace(state, next=Next.READY, next_longest_s=event.longest_s, is_sandbox=event.is_sandbox)
    return _settle(state, at)


def _settle(state: Faces, at: float) -> Step:
    """Between turns faces change places; and where nothing is shown at all, at once."""
    if state.is_speaking and state.on is not None:
        return state, ()
    if state.next is Next.READY:
        return _show_next(state, at)
    if state.leaves and state.on is Face.CLOUD and state.local is Standby.READY:
        return _leave(state)
    return state, ()


def _show_next(state: Faces, at: float) -> Step:
    orders: list[Order] = [ShowNext(), Disarm("cover")]
    for name in ("rotate", "deadline"):
        orders.append(Disarm(name))
    longest_s = state.next_longest_s
    if longest_s is not None:
        lead_s = SANDBOX_LEAVES_BEFORE_S if state.is_sandbox else ROTATE_BEFORE_S
        orders.append(Arm("rotate", max(1.0, longest_s - lead_s)))
        orders.append(Arm("deadline", max(2.0, longest_s - DEADLINE_BEFORE_S)))
    orders.append(Arm("steady", STEADY_S))
    if (
        longest_s is not None
        and longest_s <= SHORT_PLAN_S
        and not state.is_sandbox
        and not state.is_plan_told
    ):
        state = replace(state, is_plan_told=True)
        orders.append(Report(Face.CLOUD, "avatar-plan", plan_words(longest_s)))
    else:
        orders.append(Report(Face.CLOUD))
    return replace(state, on=Face.CLOUD, next=Next.NONE, leaves="", up_since_s=at), tuple(orders)


def plan_words(longest_s: float) -> str:
    """How long a session of the account's plan lasts, and what Kai does about it."""
    lasts = f"{longest_s / 60:g} minutes" if longest_s >= 120 else f"{longest_s:g} seconds"
    every_s = max(1.0, longest_s - ROTATE_BEFORE_S)
    return f"Sessions of this plan last {lasts}: Kai changes over every {every_s:g} seconds without losing a word."


def _show_local(state: Faces, code: str, message: str, detail: str = "") -> Step:
    """The local face takes over now; without one there is no face."""
    if state.local is not Standby.READY:
        return replace(state, on=None), (GiveUp(code, message),)
    orders = (
        ShowLocal(),
        Disarm("rotate"),
        Disarm("deadline"),
        Disarm("steady"),
        Disarm("cover"),
        Report(Face.LOCAL, code, message, detail),
    )
    return replace(state, on=Face.LOCAL, leaves=""), orders


def _leave(state: Faces) -> Step:
    """The cloud face goes for the reason that was noted; after a rotation's a fresh one is fetched."""
    code = state.leaves
    shown = _show_local(state, code, WORDS[code])
    if code == "avatar-rotating":
        state, orders = _prepare(shown[0])
        return state, (*shown[1], *orders)
    return shown


def _next_failed(state: Faces, event: NextFailed) -> Step:
    if state.next is Next.NONE:
        return state, ()
    state = replace(state, next=Next.NONE)
    if event.is_billed:
        state = replace(state, failed_starts=state.failed_starts + 1)
        if code := _asks_person(state):
            event = replace(event, code=code, message=WORDS[code], is_retryable=False)
    if state.on is Face.CLOUD:
        # The account allows one session only: the local face covers the exchange.
        if event.code == "avatar-concurrency":
            return _settle(replace(state, leaves="avatar-rotating"), 0.0)
        return state, (
            (Arm("rotate", max(AGAIN_AFTER_S[0], event.retry_after_s)),) if event.is_retryable else ()
        )
    state, again = _try_again(state, is_retryable=event.is_retryable, not_before_s=event.retry_after_s)
    if state.on is None and state.local is not Standby.OPENING:
        return _then(_show_local(state, event.code, event.message, event.detail), again)
    return state, (*again, Report(Face.LOCAL, event.code, event.message, event.detail))


def _try_again(state: Faces, *, is_retryable: bool, not_before_s: float = 0.0) -> Step:
    if not is_retryable or not state.wants_cloud or state.is_paused or state.is_over_limit:
        return state, ()
    delay_s = AGAIN_AFTER_S[min(state.failures, len(AGAIN_AFTER_S) - 1)]
    return replace(state, failures=state.failures + 1), (Arm("again", max(delay_s, not_before_s)),)


def _cloud_lost(state: Faces, event: CloudLost, at: float) -> Step:
    if state.on is not Face.CLOUD:
        return state, ()
    mutes = state.mutes + 1 if event.code == "avatar-never-spoke" else 0
    is_steady = at - state.up_since_s > STEADY_S
    failed_starts = state.failed_starts + (event.is_billed and not is_steady)
    state = replace(state, mutes=mutes, failed_starts=failed_starts)
    if code := _asks_person(state):
        event = replace(event, code=code, message=WORDS[code], is_retryable=False)
    if state.next is Next.READY:
        return _show_next(state, at)
    shown = _show_local(state, event.code, event.message)
    if state.next is Next.OPENING:
        return shown
    again = _try_again(shown[0], is_retryable=event.is_retryable)
    return again[0], (*shown[1], *again[1])


def _local_lost(state: Faces, event: LocalLost) -> Step:
    state = replace(state, local=Standby.OFF)
    if state.on is Face.CLOUD or (state.on is None and state.next is not Next.NONE):
        return state, (Arm("local", AGAIN_AFTER_S[0]),)
    # Where the machine is taken, or a file is missing, a person decides when to try again, the paid face too.
    return replace(state, on=None), (GiveUp(event.code, event.message, event.is_retryable),)


def _stirred(state: Faces) -> Step:
    if not state.is_paused:
        taken_back = (Report(Face.CLOUD),) if state.is_warned and state.on is Face.CLOUD else ()
        return replace(state, is_warned=False), (*_armed_silence(), *taken_back)
    state = replace(state, is_paused=False)
    return _then(_prepare(state), _armed_silence()) if state.wants_cloud else (state, ())


def _wished(state: Faces, is_wished: bool) -> Step:
    if is_wished:
        state = replace(
            state,
            wants_cloud=True,
            is_paused=False,
            is_over_limit=False,
            failures=0,
            failed_starts=0,
            mutes=0,
            leaves="",
        )
        if state.on is Face.CLOUD:
            return state, ()
        return _then(_prepare(state), (*_armed_silence(), Arm("limit", state.limit_s), Disarm("again")))
    dropped = (DropNext(),) if state.next is not Next.NONE else ()
    had_cloud = state.on is Face.CLOUD
    state = replace(state, wants_cloud=False, next=Next.NONE, is_paused=False)
    off = (*dropped, Disarm("again"), Disarm("silence-soon"), Disarm("silence"), Disarm("limit"))
    if had_cloud or (state.on is None and state.local is Standby.READY):
        return _then(_show_local(state, "", ""), off)
    return state, off


def _choice_changed(state: Faces) -> Step:
    """A session with the new choice takes over between turns, as a fresh one does at the time limit."""
    if not state.wants_cloud or state.is_paused or state.is_over_limit:
        return state, ()
    dropped = (DropNext(),) if state.next is not Next.NONE else ()
    state = replace(state, next=Next.NONE, failures=0, failed_starts=0, mutes=0)
    return _then(_prepare(state), (*dropped, Disarm("again")))


def _time_came(state: Faces, name: str, at: float) -> Step:
    match name:
        case "cover" if state.on is None and state.local is Standby.READY:
            return _show_local(state, "avatar-coming", WORDS["avatar-coming"])
        case "again" if state.on is not Face.CLOUD and state.wants_cloud and not state.is_paused:
            return _prepare(state)
        case "local" if state.local is Standby.OFF:
            return replace(state, local=Standby.OPENING), (OpenLocal(),)
        case "rotate" if state.on is Face.CLOUD and not state.leaves:
            if state.is_sandbox:
                return _settle(replace(state, leaves="avatar-sandbox-over"), at)
            return _prepare(state)
        case "deadline" if state.on is Face.CLOUD:
            if state.next is Next.READY:
                return _show_next(state, at)
            code = state.leaves or _asks_person(state) or "avatar-time-up"
            shown = _show_local(state, code, WORDS[code])
            if code in ("avatar-sandbox-over", "avatar-limit"):
                return shown
            more = _prepare(shown[0])
            return more[0], (*shown[1], *more[1])
        case "steady" if state.on is Face.CLOUD:
            return replace(state, failures=0, failed_starts=0), ()
        case "silence-soon" if state.on is Face.CLOUD:
            return replace(state, is_warned=True), (
                Arm("silence", WARN_BEFORE_S),
                Report(Face.CLOUD, "avatar-silence-soon", WORDS["avatar-silence-soon"]),
            )
        case "silence" if state.on is Face.CLOUD or state.next is not Next.NONE:
            dropped = (DropNext(),) if state.next is not Next.NONE else ()
            state = replace(state, is_paused=True, is_warned=False, next=Next.NONE)
            return _then(_show_local(state, "avatar-resting", WORDS["avatar-resting"]), dropped)
        case "limit" if state.wants_cloud:
            dropped = (DropNext(),) if state.next is not Next.NONE else ()
            state = replace(state, is_over_limit=True, next=Next.NONE, wants_cloud=False)
            if state.on is not Face.CLOUD:
                return state, dropped
            return _then(_settle(replace(state, leaves="avatar-limit"), at), dropped)
        case _:
            return state, ()
