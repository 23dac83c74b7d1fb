"""A talk over real sockets without a browser: a session on scripted services, and a page that keeps what it is played."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any, Final

from kai.adapters.browser import PageLink
from kai.adapters.voice_only import VoiceOnly
from kai.bench.page_ear import PageEar
from kai.core.events import StartRequested
from kai.core.state import Look, Role, SessionState
from kai.runtime.session import BrainFactory, Session

WITHIN_S: Final = 60.0
STEP_S: Final = 0.05


@contextlib.asynccontextmanager
async def live_talk(
    make_brain: BrainFactory, look: Look | None = None, **more: Any
) -> AsyncGenerator[tuple[Session, PageEar]]:
    """Start a talk with the brains that ``make_brain`` makes, for the block. ``more`` are further arguments of `Session`;
    without a paid face, Kai is a voice."""
    link = PageLink()
    session = Session(make_brain=make_brain, make_face=VoiceOnly, make_voice=VoiceOnly, browser=link, **more)
    await session.open()
    ear = PageEar(link)
    try:
        session.dispatch(StartRequested(time.time(), look or Look()))
        yield session, ear
    finally:
        await session.aclose()
        await ear.aclose()


async def until(
    session: Session, is_so: Callable[[SessionState], object], within_s: float = WITHIN_S
) -> SessionState:
    """Return the session's state once that is so; it is looked at after each change, and now and then. Raises
    ``TimeoutError``."""
    news = asyncio.Event()
    unsubscribe = session.subscribe(lambda _state: news.set())
    try:
        async with asyncio.timeout(within_s):
            while not is_so(state := session.snapshot()):
                news.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), STEP_S)
    finally:
        unsubscribe()
    return state


def answers(state: SessionState) -> list[str]:
    """Return Kai's finished lines in the chat."""
    return [m.text.strip() for m in state.messages if m.role is Role.ASSISTANT and m.is_final]


def questions(state: SessionState) -> list[str]:
    """Return the person's lines in the chat."""
    return [m.text for m in state.messages if m.role is Role.USER]
