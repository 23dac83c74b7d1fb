"""The words of the door, where a password is asked for."""

from __future__ import annotations

from typing import Final

DOOR_TITLE: Final = "Kai"
DOOR_LEAD: Final = "Enter the password to open this Kai."
DOOR_PASSWORD: Final = "Password"
DOOR_OPEN: Final = "Sign in"
DOOR_WRONG: Final = "Wrong password."
DOOR_BUSY: Final = "Too many people are signing in. Try again in a moment."
DOOR_WAIT: Final = "Wait {duration} before the next try."
DOOR_ASKS: Final = "Open the page and enter the password first."
DOOR_NO_HASH: Final = (
    "KAI_PASSWORD_HASH is not a hash that Kai made. Make one with `python -m kai.ui.password`."
)
DOOR_REFUSES: Final = (
    "Kai does not open itself to other computers without a password. Make one with `python -m kai.ui.password`, put the "
    "line that it prints into .env, and start Kai again; or start it without --server.address, for this computer alone."
)
