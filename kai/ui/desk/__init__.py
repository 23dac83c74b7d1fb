"""The desk: one small component that shows a live talk and takes the person's wishes, without Streamlit runs.

It receives the talk's event stream and sends wishes as POST requests (``kai/ui/routes.py``). It asks for a Streamlit run only
when the page must be rebuilt.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any, Final

import streamlit as st

from kai.core.characters import name_of
from kai.core.state import SessionState
from kai.runtime.hub import Talk
from kai.ui import address, bridge, host, names, texts
from kai.ui.component import component_of
from kai.ui.view import TEXT_LIMIT_CHARS, structure

CONTAINER: Final = "kai-desk"

SCRIPTS: Final = ("component.js", "choices.js", "devices.js", "captions.js", "desk.js")
"""The parts of one script, in order."""

_WORDS: Final = {
    "you": texts.YOU,
    "aiLine": texts.AI_LINE,
    "typeHere": texts.TYPE_HERE,
    "emptyLine": texts.EMPTY_LINE,
    "tooLong": texts.LINE_TOO_LONG.format(limit=TEXT_LIMIT_CHARS),
    "interrupted": texts.INTERRUPTED,
    "chat": texts.CHAT_LABEL,
    "devices": texts.DEVICES,
    "slowPicture": texts.SLOW_PICTURE,
    "busy": texts.BUSY,
    "starters": texts.STARTERS,
    "newest": texts.NEWEST,
    "microphone": texts.CHOOSE_MICROPHONE,
    "loudspeaker": texts.CHOOSE_LOUDSPEAKER,
    "defaultDevice": texts.DEFAULT_DEVICE,
    "dismiss": texts.DISMISS,
    "microphoneLost": texts.MICROPHONE_LOST,
    "microphoneTaken": texts.MICROPHONE_TAKEN,
    "microphoneBack": texts.MICROPHONE_BACK,
    "microphoneNow": texts.MICROPHONE_NOW,
    "speakerLost": texts.LOUDSPEAKER_LOST,
    "speakerMissing": texts.LOUDSPEAKER_MISSING,
    "speakerBack": texts.LOUDSPEAKER_BACK,
    "speakerNow": texts.LOUDSPEAKER_NOW,
    "pageLost": texts.PAGE_LOST,
    "soundBlocked": texts.SOUND_BLOCKED,
    "send": texts.SEND,
    "present": texts.PRESENT,
    "presentHint": texts.CAPTION_HINT_PRESENTING,
    "pressAgain": texts.PRESS_AGAIN,
    "presenting": texts.PRESENTING,
    "recording": texts.RECORDING,
    "recordingOver": texts.RECORDING_OVER,
    "keys": texts.KEYS,
    "keysTitle": texts.KEYS_TITLE,
    "close": texts.CLOSE,
    "timeLeft": texts.TIME_LEFT,
    "cardClose": texts.CARD_CLOSE,
}


def draw(talk: Talk, state: SessionState, *, is_on_stage: bool) -> None:
    """Draw the desk of a talk that is under way; otherwise an empty container."""
    with st.container(key=CONTAINER):
        if not state.is_active:
            return
        component_of("kai_desk", "desk.html", "choices.css", "desk.css", *SCRIPTS)(
            # Streamlit refuses a key with two underscores in a row, and one random id in 200 has them.
            key=f"desk-{talk.id.replace('_', '.')}",
            data={
                "talkId": talk.id,
                "base": address.base_path(),
                "structure": structure(state),
                "isOnStage": is_on_stage,
                "hasAvatars": host.app().desk is not None,
                "textLimit": TEXT_LIMIT_CHARS,
                "starters": _starters(talk),
                "words": _words(name_of(state.look)),
            },
            on_structure_change=_nothing,
            on_face_change=partial(bridge.recall_face, talk),
        )


@cache
def _words(name: str) -> dict[str, Any]:
    """The desk's words, with the name of the character that is on the stage."""
    words: dict[str, Any] = {
        key: names.of_character(value, name) if isinstance(value, str) else value
        for key, value in _WORDS.items()
    }
    keys = [(key, names.of_character(does, name)) for key, does in texts.KEY_LIST]
    return {**words, "keyList": keys}


def _starters(talk: Talk) -> tuple[str, ...]:
    """Lines to begin a talk with, which the mind that is on can answer."""
    is_small = host.app().is_small_mind_alone(bridge.look(talk))
    return texts.STARTERS_SMALL_MIND if is_small else texts.STARTERS_MODEL


def _nothing() -> None:
    """Do nothing: the component only needs the run that a change starts."""
