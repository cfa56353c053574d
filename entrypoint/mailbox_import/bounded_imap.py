"""imaplib's connections with bounds: how long an answer may take, and how much it may hold.

imaplib reads whatever length a server names, and waits for each piece of an answer anew. The
deadline is a timer of the process, which therefore has one thread.
"""

from __future__ import annotations

import imaplib
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from imapclient import IMAPClient
from imapclient.imap4 import IMAP4WithTimeout
from imapclient.tls import IMAP4_TLS

# A message that is larger comes over no server that people use (Exchange Online: 150 MB).
LARGEST_MESSAGE = 256 << 20
_ANSWER = 64 << 20  # bytes of an answer without a message: the list of 100,000 folders


class _Bounded(imaplib.IMAP4):
    left = _ANSWER

    def read(self, size: int) -> bytes:
        self._take(size)
        return bytes(self.file.read(size))  # type: ignore[arg-type]  # it is of bytes

    def readline(self) -> bytes:
        line: bytes = super().readline()
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise self.abort(f"its answer is longer than it may be: {size} bytes more")


class _Tls(_Bounded, IMAP4_TLS):  # type: ignore[misc]
    pass


class _Bare(_Bounded, IMAP4WithTimeout):  # type: ignore[misc]
    pass


class _OverSocket(_Bounded):
    """The other end of a pair of sockets, in the place of a host."""

    def __init__(self, sock: socket.socket) -> None:
        self._given = sock
        super().__init__()

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._given


class BoundedClient(IMAPClient):  # type: ignore[misc]
    """An IMAPClient with bounds. sock: a connection that there is already."""

    def __init__(
        self,
        host: str = "",
        port: int | None = None,
        *,
        context: ssl.SSLContext | None = None,
        seconds: float,
        sock: socket.socket | None = None,
    ) -> None:
        self._given = sock
        super().__init__(host, port, ssl=context is not None, ssl_context=context, timeout=seconds)
        # It would make text of every message, for a log that nobody reads.
        self._imap.debug = 0

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 -- IMAPClient's
        if self._given is not None:
            return _OverSocket(self._given)
        arguments: list[Any] = [self.ssl_context] if self.ssl else []
        kind: Any = _Tls if self.ssl else _Bare
        found: imaplib.IMAP4 = kind(self.host, self.port, *arguments, self._timeout.connect)
        # imaplib sends a command in two pieces; the second would wait 40 ms.
        found.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    @property
    def imap(self) -> imaplib.IMAP4:
        """What imaplib has below, for what IMAPClient does not offer."""
        found: imaplib.IMAP4 = self._imap
        return found

    def allow(self, size: int) -> None:
        """How many bytes the next answer may have, beside an answer's own."""
        self._imap.left = _ANSWER + size


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raises TimeoutError inside, when the time is over: whatever is waited for by then."""

    def over(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"no whole answer within {seconds:.0f} seconds")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
