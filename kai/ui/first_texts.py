"""The words of the look at the services that the Check page begins."""

from __future__ import annotations

from typing import Final

FIRST_HEADING: Final = "The services themselves"
FIRST_LEAD: Final = (
    "Before the first paid talk: Kai begins short sessions with the services whose keys are set, and compares what they do "
    "with what Kai expects of them. It takes about three minutes."
)
FIRST_OWN_AVATAR: Final = "With your own avatar, which costs credits, in place of the free one"
FIRST_BEGIN: Final = "Look at the services"
FIRST_RUNNING: Final = "Looking at the services"
FIRST_RECORDING: Final = "Download the recording"
FIRST_LEVELS: Final = {"green": "As assumed", "amber": "Differs", "unused": "Not seen"}


def first_over(spent_usd: float, different: int) -> str:
    """What a look at the services has cost, and how many rows differ."""
    found = (
        "Everything is as Kai assumes."
        if not different
        else f"{different} of the rows differ from what Kai assumes."
    )
    return f"{found} It cost ${spent_usd:.2f}. The recording holds no key, no address and no sound."


def first_fix(assumed: str, code: str) -> str:
    """What Kai assumed in place of what was seen, and which code leans on it."""
    return f"Kai assumes: {assumed}. The code that relies on it: {code}."
