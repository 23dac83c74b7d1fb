"""Gives a page the talk of the tab that is being drawn."""

from __future__ import annotations

from kai.runtime.hub import Talk
from kai.ui import bridge, host


def this_talk() -> Talk:
    """Return this tab's talk, which ``main.py`` has found before any page is drawn."""
    return bridge.current_talk(host.app().hub)
