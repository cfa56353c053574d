"""The other end of the filter's socket, which says and does what a case wants."""

import json
import socket
import struct
from pathlib import Path
from typing import Any


class FakeTarget:
    """A context; one connection at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection: socket.socket | None = None
        self.listen()

    def listen(self) -> None:
        """From now on, or again."""
        self.path.unlink(missing_ok=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(self.path))
        self.listener.listen(5)
        self.listener.settimeout(20)

    def __enter__(self) -> "FakeTarget":
        return self

    def __exit__(self, *error: object) -> None:
        self.end()

    def end(self) -> None:
        """As a process that is killed."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None
        self.listener.close()

    def accept(self, *state: dict[str, Any]) -> None:
        """Take the filter, and tell it how things are."""
        self.connection, _ = self.listener.accept()
        self.connection.settimeout(20)
        for statement in ({"begin": True}, *state, {"complete": True}):
            self.state(statement)

    def state(self, statement: dict[str, Any]) -> None:
        """Something that holds when this returns."""
        self.send({**statement, "state": 7})
        header, _ = self.receive()
        assert header == {"state": 7}

    def send(self, header: dict[str, Any], body: bytes = b"") -> None:
        assert self.connection is not None
        text = json.dumps(header).encode()
        self.connection.sendall(struct.pack(">II", len(text), len(body)) + text + body)

    def send_bytes(self, data: bytes) -> None:
        assert self.connection is not None
        self.connection.sendall(data)

    def receive(self) -> tuple[dict[str, Any], bytes]:
        json_length, body_length = struct.unpack(">II", self._read(8))
        header = json.loads(self._read(json_length))
        return header, self._read(body_length)

    def _read(self, count: int) -> bytes:
        data = b""
        assert self.connection is not None
        while len(data) < count:
            part = self.connection.recv(count - len(data))
            if not part:
                raise EOFError
            data += part
        return data
