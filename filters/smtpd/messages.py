"""Messages in hand: data lines in, one `bytes` with CRLF line ends, data lines out.

Knows nothing of sockets or handlers. A message in progress belongs to (session, token): one
process that stands twice in a chain gets every line twice, under two tokens. What is large waits
on disk, in files without a name: nobody else can open them, and they end with the process.
"""

from __future__ import annotations

import re
import tempfile
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from filters.smtpd.verdict import Reject
from filters.smtpd.wire import END_OF_MESSAGE, DataLines, Version, longest_payload

# Bytes of a message that are kept in memory while it arrives; beyond it, it goes to disk.
SPOOL_ABOVE = 256 * 1024
# Bytes of a message that become data lines in one go.
BLOCK = 64 * 1024

# Stands in for a message that smtpd could not take back; it is refused at commit anyway.
PLACEHOLDER = b"Subject: refused\r\n\r\nThis message could not be passed on.\r\n"

_BARE_LF = re.compile(rb"(?<!\r)\n")


class IncomingMessage:
    """One message as it arrives: in memory first, on disk when it has grown large."""

    __slots__ = ("_directory", "_file", "_tail", "failure", "size")

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._tail = bytearray()
        self._file: IO[bytes] | None = None
        self.size = 0
        self.failure: OSError | None = None

    def add(self, payloads: list[bytes]) -> None:
        """Lines as they stand on the wire, dot-stuffed and without their line ends."""
        # No payload holds a LF, so CRLF and a dot is a stuffed line's beginning and nothing else.
        lines = b"\r\n".join(payloads)
        if lines.startswith(b"."):
            lines = lines[1:]
        if b"\r\n." in lines:
            lines = lines.replace(b"\r\n.", b"\r\n")
        self._tail += lines
        self._tail += b"\r\n"
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

    def complete(self) -> None:
        """The last line has come; `size` is the message's from now on."""
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
        if self._file is None:
            return bytes(self._tail)
        self._file.seek(0)
        return self._file.read(self.size)

    def close(self) -> None:
        """Free the disk space."""
        if self._file is not None:
            self._file.close()
            self._file = None


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
        message.complete()
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


def sendable(message: bytes, version: Version) -> tuple[bytes, Reject | None]:
    """The message as smtpd can take it back, and the refusal where it cannot.

    A bare LF in `message` would be a line of the filter protocol of its own; it becomes a line
    end. A NUL would cut its line (smtpd's strings end there): ValueError.
    """
    if b"\0" in message:
        raise ValueError("a NUL in the message would cut its line")
    if message.count(b"\n") != message.count(b"\r\n"):
        message = _BARE_LF.sub(b"\r\n", message)
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    limit = longest_payload(version)
    if len(message) > limit and _has_longer_line(message, limit):
        text = f"5.6.0 a line of the message is longer than the {limit} bytes that can be passed on"
        return PLACEHOLDER, Reject(554, text)
    return message, None


def _has_longer_line(message: bytes, limit: int) -> bool:
    """Whether a dot-stuffed line is longer than `limit` bytes; linear, and copies nothing."""
    start, size = 0, len(message)
    while size - start > limit:
        # The last line end that still is within reach; if there is none, the line is too long.
        reach = start + limit - (message[start] == 0x2E)
        end = message.rfind(b"\r\n", start, reach + 2)
        if end < 0:
            return True
        start = end + 2
    return False


def data_lines(message: bytes, prefix: bytes) -> Iterator[bytes]:
    """What goes out for a sendable message, in blocks: each line stuffed, behind the prefix."""
    separator = b"\n" + prefix
    start, size = 0, len(message)
    while start < size:
        end = message.find(b"\r\n", start + BLOCK)
        end = size if end < 0 else end + 2
        block = message[start : end - 2]
        if b"\r\n." in block:
            block = block.replace(b"\r\n.", b"\r\n..")
        first = prefix + b"." if block.startswith(b".") else prefix
        yield first + block.replace(b"\r\n", separator) + b"\n"
        start = end
    yield prefix + END_OF_MESSAGE + b"\n"
