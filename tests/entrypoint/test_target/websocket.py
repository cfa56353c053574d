"""A websocket client that waits for what it wants to see."""

import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    CloseConnection,
    RejectConnection,
    Request,
    TextMessage,
)


class WebSocketClient:
    """refused: the status, where the server has not accepted."""

    def __init__(self, port: int, headers: Mapping[str, str]) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=10)
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._text = ""
        self.refused = 0
        extra = [(name.encode(), value.encode()) for name, value in headers.items()]
        host = dict(headers).get("Host", f"127.0.0.1:{port}")
        request = Request(
            host=host,
            target="/api/events",
            extra_headers=[pair for pair in extra if pair[0] != b"Host"],
        )
        self._socket.sendall(self._protocol.send(request))
        for event in self._events():
            if isinstance(event, AcceptConnection):
                return
            if isinstance(event, RejectConnection):
                self.refused = event.status_code
                return

    def next(self, kind: str) -> Any:
        """The data of the next event of that type."""
        for event in self._events():
            assert not isinstance(event, CloseConnection), event
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    value, self._text = json.loads(self._text), ""
                    if value["Type"] == kind:
                        return value["Data"]
        raise AssertionError(f"no {kind!r}")

    def close(self) -> None:
        self._socket.close()

    def _events(self) -> Iterator[Any]:
        while True:
            yield from self._protocol.events()
            data = self._socket.recv(65536)
            if not data:
                return
            self._protocol.receive_data(data)


@contextmanager
def websocket(port: int, headers: Mapping[str, str] | None = None) -> Iterator[WebSocketClient]:
    client = WebSocketClient(port, headers or {})
    try:
        yield client
    finally:
        client.close()
