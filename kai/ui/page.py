"""What a page asks for: the talk of the tab that is being drawn."""

from __future__ import annotations

from kai.runtime.hub import Talk
from kai.ui import bridge, host


def this_talk() -> Talk:
    """This tab's talk. ``main.py`` has found it before any page is drawn."""
    return bridge.current_talk(host.app().hub)
