"""Notices within seconds that the other side of a connection no longer answers.

The problem. A network that goes away without a word (a cable, a VPN that is switched, a laptop that slept) breaks no
connection: what is sent is lost, and nothing comes. ICE gives up after 30 s, a WebSocket's keepalive after 40 s, TCP after
minutes. Nobody talks to a silent page for that long.

The method. Whatever arrives is a sign of life. After `QUIET_S` without one, the other side is *asked*, in a way that every
implementation answers at once: by ICE's consent check (RFC 7675), or a WebSocket's ping. After `QUESTIONS` unanswered
questions in a row it counts as gone. Only arrivals are counted, never time alone, so that a process of our own that stood
still asks first.

Example, with questions that wait 0.5 s: the last packet arrives at 0 s. The questions at 1.0, 1.5, 2.0 and 2.5 s stay without
an answer. At 3.0 s the connection is given up.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

QUIET_S: Final = 1.0
STEP_S: Final = 0.25
QUESTIONS: Final = 4
ANSWER_S: Final = 0.5
"""How long a question waits for its answer. A round trip to another continent takes 0.3 s."""


async def wait_gone(
    arrived: Callable[[], int], ask: Callable[[], Awaitable[bool]], questions: int = QUESTIONS
) -> None:
    """Return once the other side no longer answers. ``arrived`` counts what has arrived; ``ask`` asks once, waits
    `ANSWER_S` at most, and returns whether there was an answer."""
    count, heard_at_s, unanswered = arrived(), time.monotonic(), 0
    while unanswered < questions:
        if not unanswered:
            await asyncio.sleep(STEP_S)
        if (now := arrived()) != count:
            count, heard_at_s, unanswered = now, time.monotonic(), 0
        elif time.monotonic() - heard_at_s < QUIET_S:
            continue
        elif await ask():
            heard_at_s, unanswered = time.monotonic(), 0
        else:
            unanswered += 1
