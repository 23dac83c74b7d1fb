"""Names in words that a person reads: whoever is on the stage, and whose line it is. Pure."""

from __future__ import annotations

import re
from typing import Final

from kai.ui import texts

_KAI: Final = re.compile(rf"\b{texts.KAI}\b")


def of_character(words: str, name: str) -> str:
    """Return words about whoever is on the stage, which are written for Kai, with the name of the character that is there."""
    return words if name == texts.KAI else _KAI.sub(name, words)


def speaker(role: str, name: str = "") -> str:
    """Return whose line it is, in the chat, in History and in exports. ``name`` is the character that said it, if known."""
    return name if role == "assistant" and name else texts.ROLE_NAMES.get(role, role)
