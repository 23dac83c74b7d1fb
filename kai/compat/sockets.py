"""Kai's only dependency on a private part of the official client: the WebSocket inside a Realtime connection."""

# This module exists to access private parts.
# pyright: reportPrivateUsage=false

from __future__ import annotations

import asyncio
from typing import Any, cast

from openai.resources.realtime.realtime import AsyncRealtimeConnection
from websockets.exceptions import ConnectionClosed

from kai.compat.liveness import ANSWER_S


async def is_answering(connection: AsyncRealtimeConnection) -> bool:
    """Return whether the server answers a ping (RFC 6455, 5.5.2) in time."""
    socket: Any = cast("Any", connection)._connection
    try:
        async with asyncio.timeout(ANSWER_S):
            await (await socket.ping())
    except (TimeoutError, ConnectionClosed):
        return False
    return True
