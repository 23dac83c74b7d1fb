"""The parts of a session that a talk can do without, when the service refuses them.

The documentation and the clients disagree about which transcribers a talk may use, which fields each takes, and which models
reason. One refused field voids the whole session, and with it the call. So the part that a refusal names is left out, and the
call is made once more: first without the hints for the transcriber, then with the usual transcriber in place of the chosen
one, then without transcription; or without reasoning. Each part is left out at most once in a talk.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Final

from kai.adapters.openai_realtime.endpoint import Endpoint
from kai.adapters.openai_realtime.faults import Fault
from kai.core.config import BrainConfig

HINTS: Final = "hints"
TRANSCRIBER: Final = "transcriber"
TRANSCRIPTION: Final = "transcription"
REASONING: Final = "reasoning"

TOLD: Final = {
    HINTS: Fault(
        "hints-refused",
        "The service's transcription took no language or rare words. Kai goes on without them.",
        True,
    ),
    TRANSCRIBER: Fault(
        "transcriber-refused",
        "The service does not take that transcription model in a talk. Kai uses the usual one.",
        True,
    ),
    TRANSCRIPTION: Fault(
        "transcription-refused",
        "The service took no transcription. Kai hears you, but your words are not written down; choose another "
        "transcription model.",
        True,
    ),
    REASONING: Fault(
        "reasoning-refused", "This model does not think before it speaks. Kai goes on without that.", True
    ),
}
_HINT_WORDS: Final = ("keyword", "language", "prompt", "delay")
_TRANSCRIPTION_WORDS: Final = ("transcri", "whisper")
_REFUSALS: Final = frozenset({400, 403, 404, 422})


def refused_part(
    status: int, said: str, config: BrainConfig, endpoint: Endpoint, without: Set[str]
) -> str | None:
    """Return the optional part that a refusal is about; ``None`` if there is none.

    ``said`` is the refusal's ``param`` and ``message``; it is read here and not passed on. ``without`` holds the parts that
    were left out already.
    """
    if status not in _REFUSALS:
        return None
    text = said.lower()
    if "reasoning" in text:
        return None if REASONING in without else REASONING
    if not any(word in text for word in _TRANSCRIPTION_WORDS) or TRANSCRIPTION in without:
        return None
    has_hints = bool(config.transcription_language or config.transcription_prompt) and HINTS not in without
    if has_hints and any(word in text for word in _HINT_WORDS):
        return HINTS
    is_chosen = config.transcription_model not in ("", endpoint.transcription_model)
    return TRANSCRIBER if is_chosen and TRANSCRIBER not in without else TRANSCRIPTION
