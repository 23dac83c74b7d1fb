"""The strip about the language model: it is offered, being fetched or ready, or the strip says why there is none.

A small component that asks ``GET /api/model`` for its content, every second while that changes, and posts the buttons that a
person presses. It needs no Streamlit run, so the page does not flicker while 1.1 GB arrive.
"""

from __future__ import annotations

from typing import Final

import streamlit as st

from kai.adapters.engine_status import ModelReport
from kai.ui import address, model_texts, texts
from kai.ui.component import component_of

CONTAINER: Final = "kai-model"
WISHES: Final = frozenset({"fetch", "fetch-maker", "cancel"})

Json = dict[str, object]


def strip(model: ModelReport, *, is_home: bool) -> Json:
    """Return what the strip shows, as values for JSON; ``message`` is empty if there is nothing to say.

    ``is_home`` means that the page is open on this computer, so that its buttons may be pressed.
    """
    size = model_texts.megabytes(model.bytes)
    match model.state:
        case "none":
            told = model_texts.MODEL_OFFER.format(name=model.name, size=size, licence=model.licence)
            if model.done_bytes:
                told += " " + model_texts.MODEL_HALF.format(done=model_texts.megabytes(model.done_bytes))
            label = model_texts.MODEL_GO_ON if model.done_bytes else model_texts.MODEL_FETCH
            shown = _shown("offer", told, model_texts.MODEL_OFFER_SHORT.format(size=size), ("fetch", label))
        case "fetching":
            percent = 100 * model.done_bytes // max(1, model.bytes)
            facts = {"percent": percent, "done": model_texts.megabytes(model.done_bytes), "size": size}
            is_whole = model.done_bytes >= model.bytes
            told = model_texts.MODEL_CHECKING if is_whole else model_texts.MODEL_COMING.format(**facts)
            short = model_texts.MODEL_CHECKING if is_whole else model_texts.MODEL_COMING_SHORT.format(**facts)
            shown = {
                **_shown("coming", told, short, ("cancel", model_texts.MODEL_CANCEL)),
                "percent": percent,
            }
        case "failed":
            buttons = (
                (("fetch", texts.TRY_AGAIN), ("fetch-maker", model_texts.MODEL_FROM_MAKER))
                if model.id
                else ()
            )
            shown = _shown("failed", model.problem, model_texts.MODEL_FAILED_SHORT, *buttons)
        case "unsupported":
            shown = _shown("unsupported", model.problem, model_texts.MODEL_UNSUPPORTED_SHORT)
        case _:
            shown = _shown(model.state, "", "")
    return shown if is_home else {**shown, "buttons": []}


def _shown(kind: str, message: str, short: str, *buttons: tuple[str, str]) -> Json:
    return {
        "kind": kind,
        "message": message,
        "short": short,
        "percent": None,
        "buttons": [{"wish": wish, "label": label} for wish, label in buttons],
        "isMoving": kind in ("coming", "looking"),
    }


def draw(*, is_live: bool) -> None:
    """Draw the strip; in one short line if a talk is under way (``is_live``)."""
    with st.container(key=CONTAINER):
        html = '<div class="model" role="status" hidden></div>'
        component_of("kai_model", "model.css", "model.js", html=html)(
            key="model",
            data={
                "isShort": is_live,
                "url": address.at("/api/model"),
                "words": {
                    "label": model_texts.MODEL_LABEL,
                    "later": model_texts.MODEL_LATER,
                    "ready": model_texts.MODEL_READY,
                    "error": model_texts.MODEL_ERROR,
                },
            },
        )
