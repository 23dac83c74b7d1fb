"""What a page asks for: the talk of the tab that is being drawn."""

from __future__ import annotations

from kai.ui import bridge, host
from kai.ui.host import Talk


def this_talk() -> Talk:
    """This tab's talk. ``main.py`` has found it before any page is drawn."""
    hub = host.current_hub()
    assert hub is not None, "main.py stops the run when there is no hub"
    return bridge.current_talk(hub)
