"""Messages in hand: data lines in, one `bytes` with CRLF line ends out.

Knows nothing of sockets or handlers. A message in progress belongs to (session, token): one
process that stands twice in a chain gets every line twice, under two tokens. What is large waits
on disk, in files without a name: nobody else can open them, and they end with the process.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict, deque
from pathlib import Path
from typing import IO

from filters.smtpd.verdict import Reject
from filters.smtpd.wire import END_OF_MESSAGE, DataLines

# Bytes of a message that are kept in memory while it arrives; beyond it, it goes to disk.
SPOOL_ABOVE = 256 * 1024
# Lines of a message that are kept as they came: each costs about 50 bytes beside its own.
MOST_LINES = 4_096


class IncomingMessage:
    """One message as it arrives: its lines first, in one piece when there are many, on disk when
    it has grown large.

    `lines`: as they stand on the wire, dot-stuffed and without line ends; None once they are in
    one piece. Most messages go back with them as they came.
    """

    __slots__ = ("_directory", "_file", "_tail", "failure", "lines", "size")

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._tail = bytearray()
        self._file: IO[bytes] | None = None
        self.lines: list[bytes] | None = []
        self.size = 0
        self.failure: OSError | None = None

    def add(self, payloads: list[bytes]) -> None:
        """Lines as they stand on the wire, dot-stuffed and without their line ends."""
        if self.lines is not None:
            self.lines += payloads
            self.size += sum(map(len, payloads)) + 2 * len(payloads)
            if len(self.lines) <= MOST_LINES and self.size <= SPOOL_ABOVE:
                return
            payloads, self.lines, self.size = self.lines, None, 0
        self._tail += _text(payloads)
        if len(self._tail) > SPOOL_ABOVE:
            self._spill()

    def _spill(self) -> None:
        self.size += len(self._tail)
        try:
            if self._file is None and self.failure is None:
                self._file = tempfile.TemporaryFile(  # noqa: SIM115 -- closed by `close`
                    buffering=0, dir=self._directory
                )
            if self._file is not None:
                self._file.write(self._tail)
        except OSError as error:
            # The rest must be read all the same, and the sender is told at commit.
            self.failure = error
            self.close()
        self._tail.clear()

    def end(self) -> None:
        """The last line has come; `size` is the message's from now on, stuffed dots included."""
        if self.lines is not None:
            return
        if self._file is None and self.failure is None:
            self.size = len(self._tail)
        elif self._tail:
            self._spill()

    @property
    def is_large(self) -> bool:
        """Whether it waits on disk."""
        return self._file is not None

    def read(self) -> bytes:
        """The whole message, in memory. Raises OSError where the disk failed."""
        if self.failure is not None:
            raise self.failure
        if self.lines is not None:
            return _text(self.lines)
        if self._file is None:
            return bytes(self._tail)
        self._file.seek(0)
        return self._file.read(self.size)

    def close(self) -> None:
        """Free the disk space."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _text(payloads: list[bytes]) -> bytes:
    """The lines with their line ends, and without the dots that stuff them."""
    if not payloads:
        return b""
    # No payload holds a LF, so CRLF and a dot is a stuffed line's beginning and nothing else.
    text = b"\r\n".join([*payloads, b""])
    if text.startswith(b"."):
        text = text[1:]
    return text.replace(b"\r\n.", b"\r\n") if b"." in text else text


class MessageStore:
    """Collects the data lines of all sessions, and keeps the verdicts until their commit."""

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._collecting: dict[str, dict[str, IncomingMessage]] = {}
        self._verdicts: dict[str, deque[Reject | None]] = defaultdict(deque)

    def add(self, lines: DataLines) -> IncomingMessage | None:
        """Take in lines of one message; the whole message when its last was among them."""
        tokens = self._collecting.get(lines.session)
        if tokens is None:
            tokens = self._collecting[lines.session] = {}
        message = tokens.get(lines.token)
        if message is None:
            message = tokens[lines.token] = IncomingMessage(self.directory)
        payloads = lines.payloads
        if payloads[-1] != END_OF_MESSAGE:
            message.add(payloads)
            return None
        if len(payloads) > 1:
            message.add(payloads[:-1])
        del tokens[lines.token]
        if not tokens:
            del self._collecting[lines.session]
        message.end()
        return message

    def keep_verdict(self, session: str, verdict: Reject | None) -> None:
        """Remember what the message filter decided until smtpd asks for it at commit."""
        self._verdicts[session].append(verdict)

    def take_verdict(self, session: str) -> Reject | None:
        """The oldest verdict that no commit has taken: chains commit in their own order."""
        waiting = self._verdicts.get(session)
        if not waiting:
            return None
        verdict = waiting.popleft()
        if not waiting:
            del self._verdicts[session]
        return verdict

    def end_transaction(self, session: str) -> None:
        """A reset, a rollback or a disconnect: free what was in hand."""
        for message in self._collecting.pop(session, {}).values():
            message.close()
        self._verdicts.pop(session, None)

    def __len__(self) -> int:
        """Sessions that hold memory here."""
        return len(self._collecting.keys() | self._verdicts.keys())
