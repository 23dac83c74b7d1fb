"""Where pages and routes find the app: put there by the server's lifespan, taken away at its end.

A Streamlit script has no request to carry it, so one place of the process does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kai.errors import KaiError

if TYPE_CHECKING:
    from kai.app import App

COOKIE_NAME: Final = "kai_browser"
"""The cookie that knows a browser again: a random id, not readable by scripts."""


class NotServingError(KaiError):
    """There is no app. The message says why, for people; it is empty while the app starts or ends."""

    code = "starting"


_served: App | NotServingError = NotServingError("")


def serve(app: App | None, problem: str = "") -> None:
    """Make ``app`` the one that pages and routes use; ``None`` takes it away, and ``problem`` says why there is none."""
    global _served
    _served = NotServingError(problem) if app is None else app


def app() -> App:
    """The app that is served. Raises ``NotServingError``."""
    if isinstance(_served, NotServingError):
        raise NotServingError(_served.message)
    return _served
