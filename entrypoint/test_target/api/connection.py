"""uvicorn's connection, with bounds for a client that does not say all of its request.

uvicorn waits without end for a head and for a body, and counts who is silent as if it had asked.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

PATIENCE = 15.0  # seconds for a head, and for each next piece of a body
MOST_IDLE = 4_000  # connections without a request; one more closes the one that is so the longest


class ConnectionConfig(uvicorn.Config):
    """uvicorn's, and what its connections share."""

    def __init__(self, app: ASGIApp, patience: float, **settings: Any) -> None:
        super().__init__(app, http=HttpConnection, **settings)
        self.patience = patience
        self.idle: dict[HttpConnection, None] = {}


class HttpConnection(H11Protocol):
    """Closed where the client owes something for too long."""

    def __init__(
        self,
        config: ConnectionConfig,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._patience, self._idle = config.patience, config.idle
        self._timer: asyncio.TimerHandle | None = None
        self._times_head = False
        self._is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A head is owed from now on."""
        super().connection_made(transport)
        self._look()

    def data_received(self, data: bytes) -> None:
        """Some of a head or a body."""
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """Some of the next head may be here already."""
        super().on_response_complete()
        self._look()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on the connection is another protocol's."""
        self._is_websocket = True
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is owed any more."""
        self._forget()
        super().connection_lost(exc)

    def _look(self) -> None:
        if self._is_websocket or self.transport.is_closing():
            self._forget()
            return
        state = self.conn.their_state
        if state is not h11.IDLE:
            self._idle.pop(self, None)
        elif self not in self._idle:
            self._idle[self] = None
            if len(self._idle) > MOST_IDLE:
                next(iter(self._idle)).cut()
        # Between two requests uvicorn's own time to keep alive holds.
        owes_head = state is h11.IDLE and (self.cycle is None or bool(self.conn.trailing_data[0]))
        if state is h11.SEND_BODY or (owes_head and not self._times_head):
            self._start()
        elif not owes_head:
            self._stop()
        self._times_head = owes_head

    def _start(self) -> None:
        self._stop()
        self._timer = self.loop.call_later(self._patience, self._late)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _late(self) -> None:
        # It may be the server that does not read on.
        waits_for_us = self.flow.read_paused or self.conn.they_are_waiting_for_100_continue
        if self.conn.their_state is h11.SEND_BODY and waits_for_us:
            self._start()
        else:
            self.cut()

    def cut(self) -> None:
        """Close it at once."""
        self._forget()
        self.transport.abort()

    def _forget(self) -> None:
        self._stop()
        self._idle.pop(self, None)
