"""Holds the app for pages and routes; the server's lifespan sets it at the start and clears it at the end.

A Streamlit script has no request that could carry the app, so it is held in one module global.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from kai.errors import KaiError

if TYPE_CHECKING:
    from kai.app import App

COOKIE_NAME: Final = "kai_browser"
"""The cookie that identifies a browser: a random id that scripts cannot read."""


class NotServingError(KaiError):
    """No app is served. The message tells people why; it is empty while the app starts or ends."""

    code = "starting"


_served: App | NotServingError = NotServingError("")


def serve(app: App | None, problem: str = "") -> None:
    """Make pages and routes use ``app``; with ``None`` there is no app, and ``problem`` says why."""
    global _served
    _served = NotServingError(problem) if app is None else app


def app() -> App:
    """Return the app that is served. Raises ``NotServingError``."""
    if isinstance(_served, NotServingError):
        raise NotServingError(_served.message)
    return _served
