"""imaplib's connections with bounds: how long an answer may take, and how much it may hold.

imaplib reads whatever length a server names, and waits for each piece of an answer anew. The
deadline is a timer of the process, which therefore has one thread.
"""

from __future__ import annotations

import imaplib
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from imapclient import IMAPClient

# A message that is larger comes over no usual server (Exchange Online: 150 MB).
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


class _OverSocket(_Bounded):
    def __init__(self, sock: socket.socket, host: str) -> None:
        self._given = sock
        super().__init__(host)

    def _create_socket(self, timeout: float | None) -> socket.socket:
        return self._given


class BoundedClient(IMAPClient):  # type: ignore[misc]
    """An IMAPClient with bounds, over a connection that there is already, which is its own then.

    host: whose certificate STARTTLS has to show. seconds: without a byte.
    """

    def __init__(self, sock: socket.socket, host: str = "", *, seconds: float) -> None:
        self._given = sock
        super().__init__(host, ssl=False, timeout=seconds)
        # It would make text of every message, for a log that nobody reads.
        self._imap.debug = 0

    def _create_IMAP4(self) -> imaplib.IMAP4:  # noqa: N802 -- IMAPClient's
        return _OverSocket(self._given, self.host)

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
