"""The words about the language model and its download."""

from __future__ import annotations

from typing import Final

MODEL_LABEL: Final = "Language model"
MODEL_OFFER: Final = (
    "With a language model Kai converses about anything, on this computer alone. {name}: {size}, fetched once; licence "
    "{licence}."
)
MODEL_OFFER_SHORT: Final = "Kai answers with its small mind. A language model is {size} away."
MODEL_HALF: Final = "{done} of it came earlier; the rest follows."
MODEL_COMING: Final = (
    "The language model is on its way: {percent} %, {done} of {size}. Until it is here, Kai answers with its small "
    "mind."
)
MODEL_COMING_SHORT: Final = "Language model: {percent} %, {done} of {size}"
MODEL_CHECKING: Final = "The language model is here and is being checked."
MODEL_READY: Final = "The language model is here. Kai converses from now on."
MODEL_UNSUPPORTED_SHORT: Final = "Kai answers with its small mind on this computer."
MODEL_FAILED_SHORT: Final = "The language model is not here. Kai answers with its small mind."
MODEL_FETCH: Final = "Fetch it"
MODEL_GO_ON: Final = "Go on"
MODEL_CANCEL: Final = "Cancel"
MODEL_FROM_MAKER: Final = "Fetch it from its maker"
MODEL_LATER: Final = "Not now"
MODEL_ERROR: Final = "That did not work. Try again in a moment."
ERROR_MODEL_HOME: Final = "Only who sits at Kai's own computer can fetch its language model."


def percent(done: int, whole: int) -> str:
    """How far something is: ``42 %``."""
    return f"{100 * done // max(1, whole)} %"


def megabytes(count: int) -> str:
    """A size in megabytes: ``1,117 MB``."""
    return f"{count / 1e6:,.0f} MB"
