"""The sentences for problems that have only a code; the other problems bring their own message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kai.core.policy.rungs import STAND_IN
from kai.core.state import Leg, Problem, Why

WORDS: Final[Mapping[str, str]] = {
    Why.COMING: "The avatar takes a moment longer. Until then you see the face of this computer.",
    Why.SILENCE_SOON: (
        "Nobody has spoken for a while. In 30 s the avatar rests, to save credits; say or type something."
    ),
    Why.RESTING: "The avatar rests to save credits. It comes back when you speak or type.",
    Why.SANDBOX_OVER: "The avatar's free minute is over. The face of this computer goes on.",
    Why.TIME_UP: "The avatar's session came to its end. A fresh one is on its way.",
    Why.LIMIT: "The avatar was on for as long as you allow. Choose it again to go on with it.",
    Why.FAILED_STARTS: (
        "The avatar failed twice in a row, and each start costs a credit. Kai does not try again by itself: choose the "
        "avatar again when you want to."
    ),
    Why.MUTE: (
        "This avatar was given words twice and never spoke. Some custom avatars do not speak in live talks: choose "
        "another avatar."
    ),
    Why.ROTATING: "The avatar is exchanged for a fresh one; it is back in a moment.",
    STAND_IN: (
        "Meanwhile, this computer answers with another voice and mind. Kai switches back once OpenAI can be reached."
    ),
    Why.BUDGET: "The budget is spent. The face of this computer goes on.",
    Why.CREDITS: "The avatar's account has no credit left. The face of this computer goes on.",
    "budget-near": "Four fifths of the budget are spent. When all of it is, this computer goes on for free.",
    "budget-reached": "The budget is spent. This computer goes on for free, with another voice.",
    "browser-timeout": (
        "The picture and the microphone could not be connected to this page. You can type below."
    ),
    "no-answer": "Kai did not answer. Say it again, or type it below.",
    "response-failed": "Kai's answer could not be made. Ask again.",
    "face": "No face could be opened.",
}

CALLING_AGAIN: Final = "Kai is calling again."
GAVE_UP: Final = "Kai has tried three times and waits for you now."


def words(told: Problem | Leg) -> str:
    """Return a sentence about a problem, what happened and what to do; for a leg, why it is not up, if so."""
    if isinstance(told, Problem) and told.code == STAND_IN:
        return f"{told.detail} {WORDS[STAND_IN]}".strip()
    return told.message or WORDS.get(told.code, "")
