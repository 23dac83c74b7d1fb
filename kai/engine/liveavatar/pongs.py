"""WebSockets whose pongs can be held back, as the real service does under load."""

from __future__ import annotations

from collections.abc import Callable

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


def protocol_with_pongs(has_pongs: Callable[[], bool]) -> type[WebSocketsSansIOProtocol]:
    """Return uvicorn's WebSocket protocol, changed to answer pings only while ``has_pongs`` returns true."""

    class Protocol(WebSocketsSansIOProtocol):
        def handle_ping(self) -> None:
            pong = self.conn.data_to_send()
            if has_pongs():
                self.transport.write(b"".join(pong))

    return Protocol
