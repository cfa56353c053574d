"""An IMAP client that adds nothing to what it is told to say, over TLS on loopback.

imaplib asks for capabilities on its own, which would be timed with the rest.
"""

from __future__ import annotations

import socket
import ssl
import time
from types import TracebackType
from typing import Self

TIMEOUT = 60.0  # seconds for an answer

_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_context.check_hostname, _context.verify_mode = False, ssl.CERT_NONE


class Imap:
    """One session. Raises RuntimeError for an answer that is not OK."""

    def __init__(self, port: int) -> None:
        connection = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _context.wrap_socket(connection)
        self._stream = self._socket.makefile("rb")
        if not (greeting := self._stream.readline()).startswith(b"* OK"):
            raise RuntimeError(f"IMAP: the greeting is {greeting!r}")

    @classmethod
    def as_user(cls, port: int, login: str, password: str) -> Self:
        """A new session that has logged in."""
        session = cls(port)
        session.say(f'LOGIN {login} "{password}"')
        return session

    def say(self, command: str, literal: bytes | None = None) -> list[bytes]:
        """The untagged lines. `literal` follows a command that ends in its size (RFC 9051, 4.3)."""
        self._socket.sendall(b"a " + command.encode("ascii") + b"\r\n")
        if literal is not None:
            self.wait_for(b"+")
            self._socket.sendall(literal + b"\r\n")
        return self._answer()

    def timed(self, command: str, literal: bytes | None = None) -> float:
        """Seconds that it took."""
        start = time.perf_counter()
        self.say(command, literal)
        return time.perf_counter() - start

    def idle(self) -> None:
        """From now on the server says what happens (RFC 2177); `done` ends it."""
        self._socket.sendall(b"a IDLE\r\n")
        self.wait_for(b"+")

    def done(self) -> None:
        """End of IDLE."""
        self._socket.sendall(b"DONE\r\n")
        self._answer()

    def wait_for(self, mark: bytes) -> None:
        """Read until a line has the mark. Raises TimeoutError."""
        while mark not in (line := self._line()):
            if line.startswith(b"a "):
                raise RuntimeError(f"IMAP: {line!r} and not {mark!r}")

    def _answer(self) -> list[bytes]:
        lines = []
        while not (line := self._line()).startswith(b"a "):
            lines.append(line)
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"IMAP: {line!r}")
        return lines

    def _line(self) -> bytes:
        line = self._stream.readline()
        if not line:
            raise RuntimeError("IMAP: the server has closed the connection")
        return line

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.say("LOGOUT")
        self._stream.close()
        self._socket.close()
