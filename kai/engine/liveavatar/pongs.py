"""WebSockets whose pongs can be held back: one of the troubles that the real service has under load."""

from __future__ import annotations

from collections.abc import Callable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


def protocol_with_pongs(has_pongs: Callable[[], bool]) -> type[WebSocketsSansIOProtocol]:
    """uvicorn's own WebSocket protocol, which answers pings only while ``has_pongs``."""

    class Protocol(WebSocketsSansIOProtocol):
        def handle_ping(self) -> None:
            pong = self.conn.data_to_send()
            if has_pongs():
                self.transport.write(b"".join(pong))

    return Protocol
