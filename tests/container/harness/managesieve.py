"""A small ManageSieve client (RFC 5804): log in, put a script there, make it the active one."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from types import TracebackType


class SieveError(AssertionError):
    """The server said NO or BYE; the text is its whole answer."""


class ManageSieve:
    """One session on port 4190; `login` after `start_tls`."""

    def __init__(self, host: str, port: int = 4190) -> None:
        self.host = host
        self._socket = socket.create_connection((host, port), timeout=30)
        self._lines = self._socket.makefile("rb")
        self.capabilities = self._answer()

    def start_tls(self, context: ssl.SSLContext) -> ManageSieve:
        """STARTTLS (§2.2); afterwards the server tells its capabilities anew."""
        self.say(b"STARTTLS")
        self._socket = context.wrap_socket(self._socket, server_hostname=self.host)
        self._lines = self._socket.makefile("rb")
        self.capabilities = self._answer()
        return self

    def login(self, user: str, password: str) -> ManageSieve:
        """AUTHENTICATE PLAIN (§2.1)."""
        initial = base64.b64encode(f"\0{user}\0{password}".encode())
        self.say(b'AUTHENTICATE "PLAIN" "' + initial + b'"')
        return self

    def activate(self, script: str, name: str = "tests") -> None:
        """PUTSCRIPT and SETACTIVE (§2.6, §2.8)."""
        content = script.encode()
        self.say(b'PUTSCRIPT "%s" {%d+}\r\n%s' % (name.encode(), len(content), content))
        self.say(b'SETACTIVE "%s"' % name.encode())

    def say(self, command: bytes) -> str:
        """The answer to a command, if it is OK."""
        self._socket.sendall(command + b"\r\n")
        return self._answer()

    def _answer(self) -> str:
        told = b""
        while line := self._lines.readline():
            told += line
            if literal := re.search(rb"\{([0-9]+)\}\r\n\Z", line):
                told += self._lines.read(int(literal[1]))
                told += self._lines.readline()
            word = line.split(b" ", 1)[0].strip().upper()
            if word == b"OK":
                return told.decode()
            if word in (b"NO", b"BYE"):
                raise SieveError(told.decode())
        raise SieveError(f"{told.decode()}(closed)")

    def __enter__(self) -> ManageSieve:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._socket.close()
