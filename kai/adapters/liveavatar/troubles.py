"""Everything that goes wrong with a cloud face, each with its own words: what happened, and what to do."""

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
    "avatar-unusable": (
        "This avatar cannot be used with these settings. Choose another avatar, or another picture quality.",
        False,
    ),
    "avatar-rate-limit": ("LiveAvatar gets too many requests. Kai tries again in a moment.", True),
    "avatar-server": ("LiveAvatar has a fault of its own. Kai tries again; the talk goes on.", True),
    "avatar-refused": (
        "LiveAvatar refused the session. Check the avatar and the account, then try again.",
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
"""Words, and whether trying once more can help, by code."""


def trouble(code: str, *, retry_after_s: float = 0.0) -> FaceError:
    """The error of that code. ``retry_after_s``: how long the service asked to be left alone."""
    message, is_retryable = ADVICE[code]
    return FaceError(message, code=code, is_retryable=is_retryable, retry_after_s=retry_after_s)


def explain(refusal: Refusal) -> FaceError:
    """The error that a refused request means. The service's own text is read here, and not passed on."""
    said = refusal.said.lower()
    match refusal.status:
        case _ if refusal.number == CONCURRENCY_CODE or "concurren" in said:
            return trouble("avatar-concurrency")
        case _ if refusal.status == 402 or "credit" in said:
            return trouble("avatar-no-credits")
        case 401 | 403:
            return trouble("avatar-wrong-key")
        case 429:
            return trouble("avatar-rate-limit", retry_after_s=refusal.retry_after_s or 0.0)
        case 404 | 422:
            return trouble("avatar-unusable")
        case status if status >= 500:
            return trouble("avatar-server", retry_after_s=refusal.retry_after_s or 0.0)
        case _:
            return trouble("avatar-refused")
