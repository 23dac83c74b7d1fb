"""The words about the language model and its download."""

from __future__ import annotations

from typing import Final

MODEL_LABEL: Final = "Language model"
MODEL_OFFER: Final = (
    "With a language model, Kai can talk about anything, on this computer alone. {name}: {size}, downloaded once; licence "
    "{licence}."
)
MODEL_OFFER_SHORT: Final = (
    "Kai answers with its small mind. With a language model ({size}), it can talk about anything."
)
MODEL_HALF: Final = "{done} of it are already here."
MODEL_COMING: Final = (
    "The language model is on its way: {percent}%, {done} of {size}. Until it is here, Kai answers with its small "
    "mind."
)
MODEL_COMING_SHORT: Final = "Language model: {percent}%, {done} of {size}"
MODEL_CHECKING: Final = "The language model is here and is being checked."
MODEL_READY: Final = "The language model is here. From now on, Kai can talk about anything."
MODEL_UNSUPPORTED_SHORT: Final = "Kai answers with its small mind on this computer."
MODEL_FAILED_SHORT: Final = "The language model is not here. Kai answers with its small mind."
MODEL_FETCH: Final = "Download it"
MODEL_GO_ON: Final = "Resume"
MODEL_CANCEL: Final = "Cancel"
MODEL_FROM_MAKER: Final = "Download it from its maker"
MODEL_LATER: Final = "Not now"
MODEL_ERROR: Final = "That did not work. Try again in a moment."
ERROR_MODEL_HOME: Final = "Only the person at Kai's own computer can download its language model."


def percent(done: int, whole: int) -> str:
    """How far something is: ``42%``."""
    return f"{100 * done // max(1, whole)}%"


def megabytes(count: int) -> str:
    """A size in megabytes: ``1,117 MB``."""
    return f"{count / 1e6:,.0f} MB"
