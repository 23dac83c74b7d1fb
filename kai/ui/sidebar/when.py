"""The sidebar's group for turn taking: how the end of a person's turn is found."""

from __future__ import annotations

from kai.ui import texts
from kai.ui.sidebar.panel import Panel, group


def draw(panel: Panel) -> None:
    """Draw the choice of how a turn ends."""
    group(texts.SIDEBAR_WHEN)
    panel.pick("turn_taking", is_label_hidden=True)
