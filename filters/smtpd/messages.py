"""Messages in hand: data lines in, one `bytes` with CRLF line ends, data lines out.

Knows nothing of sockets or handlers. A message in progress belongs to (session, token): one
process that stands twice in a chain gets every line twice, under two tokens.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque

from filters.smtpd.verdict import Reject
from filters.smtpd.wire import END_OF_MESSAGE, DataLine, longest_payload

# Stands in for a message that smtpd could not take back; it is refused at commit anyway.
PLACEHOLDER = (b"Subject: refused", b"", b"This message could not be passed on.")

_BARE_LF = re.compile(rb"(?<!\r)\n")


class MessageStore:
    """Collects the data lines of all sessions, and keeps the verdicts until their commit."""

    def __init__(self) -> None:
        self._collecting: dict[str, dict[str, bytearray]] = {}
        self._verdicts: dict[str, deque[Reject | None]] = defaultdict(deque)

    def add(self, line: DataLine) -> bytes | None:
        """Take in one line; the whole message (CRLF line ends) when it was the last."""
        payload = line.payload
        tokens = self._collecting.get(line.session)
        if tokens is None:
            tokens = self._collecting[line.session] = {}
        if payload == END_OF_MESSAGE:
            message = tokens.pop(line.token, None)
            if not tokens:
                del self._collecting[line.session]
            return bytes(message or b"")
        collected = tokens.get(line.token)
        if collected is None:
            collected = tokens[line.token] = bytearray()
        collected += payload[1:] if payload.startswith(b".") else payload
        collected += b"\r\n"
        return None

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
        self._collecting.pop(session, None)
        self._verdicts.pop(session, None)

    def __len__(self) -> int:
        """Sessions that hold memory here."""
        return len(self._collecting.keys() | self._verdicts.keys())


def to_lines(message: bytes, version: tuple[int, int]) -> tuple[list[bytes], Reject | None]:
    """Dot-stuffed data lines for smtpd, and the refusal where it cannot take them.

    A bare LF in `message` would be a line of the filter protocol of its own; it becomes a line
    end. A NUL would cut its line (smtpd's strings end there): ValueError.
    """
    if b"\0" in message:
        raise ValueError("a NUL in the message would cut its line")
    if message.count(b"\n") != message.count(b"\r\n"):
        message = _BARE_LF.sub(b"\r\n", message)
    if not message.endswith(b"\r\n"):
        message += b"\r\n"
    if message.startswith(b"."):
        message = b"." + message
    lines = message.replace(b"\r\n.", b"\r\n..").split(b"\r\n")
    lines.pop()
    limit = longest_payload(version)
    if len(message) > limit and max(map(len, lines)) > limit:
        text = f"5.6.0 a line of the message is longer than the {limit} bytes that can be passed on"
        return list(PLACEHOLDER), Reject(554, text)
    return lines, None
