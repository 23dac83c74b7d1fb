"""Everything that can go wrong with a cloud face, with sentences for people: what happened, and what to do."""

from __future__ import annotations

from typing import Final

from kai.errors import FaceError
from kai.wire.liveavatar import CONCURRENCY_CODE, Refusal

ADVICE: Final[dict[str, tuple[str, bool]]] = {
    "avatar-wrong-key": (
        "HeyGen does not accept the key. Check LIVEAVATAR_API_KEY; keys of the old HeyGen API do not work here.",
        False,
    ),
    "avatar-no-credits": (
        "The LiveAvatar account has no credit left. Add credit there, or go on with the face on this computer.",
        False,
    ),
    "avatar-concurrency": (
        "LiveAvatar allows no further session now. Close other talks with an avatar, then switch the face on again.",
        True,
    ),
    "avatar-plan-lacks": (
        "The LiveAvatar plan does not allow this. Choose a lower picture quality, or another plan there.",
        False,
    ),
    "avatar-quality": (
        "LiveAvatar does not give this avatar in that picture quality. Choose a lower one, or another avatar.",
        False,
    ),
    "avatar-not-yours": (
        "This LiveAvatar account may not use that avatar. Choose another avatar, or the key of the account that owns it.",
        False,
    ),
    "avatar-too-long": (
        "LiveAvatar's plan allows no session of that length. Choose a shorter one, or leave it to the plan.",
        False,
    ),
    "avatar-unusable": (
        "This avatar cannot be used with these settings. Choose another avatar, or another picture quality.",
        False,
    ),
    "avatar-rate-limit": ("LiveAvatar gets too many requests. Kai tries again in a moment.", True),
    "avatar-server": ("LiveAvatar has a fault of its own. Kai tries again; the talk goes on.", True),
    "avatar-refused": (
        "LiveAvatar refused the session. Check the key, the avatar and the account, then try again.",
        False,
    ),
    "avatar-unreachable": (
        "LiveAvatar cannot be reached. Check the network and the firewall; the talk goes on without it.",
        True,
    ),
    "avatar-tls": (
        "LiveAvatar's certificate could not be checked. Install Python's certificates, or ask who runs the network.",
        False,
    ),
    "avatar-no-control": (
        "LiveAvatar gave no control channel for this avatar. Choose another avatar.",
        False,
    ),
    "avatar-not-ready": ("The avatar did not get ready in time. Kai tries again.", True),
    "avatar-no-room": (
        "The avatar's video room cannot be joined. The firewall may block it; see the help page for its ports.",
        True,
    ),
    "avatar-room-broken": ("The avatar's video room broke off. Kai fetches a fresh one.", True),
    "avatar-no-picture": ("The avatar's picture did not come. Kai tries again.", True),
    "avatar-stalled": ("The avatar's picture has stopped. Kai fetches a fresh one.", True),
    "avatar-frozen": ("The avatar's picture stands still. Kai fetches a fresh one.", True),
    "avatar-never-spoke": (
        "The avatar was given words and has not spoken at all. Kai fetches a fresh one.",
        True,
    ),
    "avatar-silent": ("The avatar was given words and said nothing. Kai fetches a fresh one.", True),
    "avatar-vanished": ("The avatar has left its room. Kai fetches a fresh one.", True),
    "avatar-control-lost": ("The line to the avatar was lost. Kai connects again.", True),
    "avatar-ended": ("LiveAvatar ended the session. Kai starts another.", True),
    "avatar-replaced": (
        "Another program joined the avatar's room in Kai's place. Close it, then switch the face on again.",
        False,
    ),
    "avatar-bug": ("Kai stumbled over a fault of its own with the avatar. The log has the details.", True),
}
"""The sentence and whether a retry can help, by code."""


def trouble(code: str, *, retry_after_s: float = 0.0, detail: str = "") -> FaceError:
    """Return the error of that code. ``retry_after_s`` is the pause that the service asked for, ``detail`` its own text."""
    message, is_retryable = ADVICE[code]
    return FaceError(
        message, code=code, is_retryable=is_retryable, retry_after_s=retry_after_s, detail=detail
    )


_SAID: Final = (
    # The subject of a refusal with 400, 403 or 422, by the words of its text; the first match counts. The order matters:
    # "maximum session duration of your plan" is about the length, and "1080p needs the ... plan" about the plan.
    ("avatar-too-long", ("maximum allowed", "max_session_duration", "session duration", "session length")),
    ("avatar-plan-lacks", ("plan", "upgrade", "subscription", "tier")),
    ("avatar-quality", ("quality", "resolution", "1080", "720")),
    (
        "avatar-not-yours",
        ("permission", "access to", "not allowed", "belong", "forbidden avatar", "own this"),
    ),
)
DETAIL_CHARS: Final = 300


def explain(refusal: Refusal) -> FaceError:
    """Return the error for a refused request. Only 401 means that the key is wrong: 403 and 400 also answer what a plan, an
    avatar or a setting does not allow, and their text, which becomes the detail, tells which."""
    return trouble(
        _code_of(refusal),
        retry_after_s=refusal.retry_after_s or 0.0 if refusal.status == 429 or refusal.status >= 500 else 0.0,
        detail=" ".join(refusal.said.split())[:DETAIL_CHARS],
    )


def _code_of(refusal: Refusal) -> str:
    said = refusal.said.lower()
    status = refusal.status
    if refusal.number == CONCURRENCY_CODE or "concurren" in said:
        return "avatar-concurrency"
    if status == 401:
        return "avatar-wrong-key"
    if status == 402 or "credit" in said:
        return "avatar-no-credits"
    if status == 429:
        return "avatar-rate-limit"
    if status >= 500:
        return "avatar-server"
    if status in (400, 403, 422):
        for code, words in _SAID:
            if any(word in said for word in words):
                return code
    if status in (404, 422) or "avatar" in said:
        return "avatar-unusable"
    return "avatar-refused"
