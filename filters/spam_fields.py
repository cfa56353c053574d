"""The X-Spam fields that file mail as junk, and whose they are.

    python -m filters.spam_fields

A client may write them, smtpd's `junk` does, and so do filters that stand before
`filters.inbound`: only the client's are not to be believed. smtpd's own stand above its Received
field. Where other filters may have written anywhere, this program stands before them and gives the
client's fields another name, which `filters.inbound` takes back for DKIM, and off in the end.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from filters.mailauth.message import Field, Message, remove
from filters.program import start_logging
from filters.smtpd import FilterServer, Session

# What has the other name already gets it once more, so that each name leads back to one.
_SUFFIX = b"-As-Sent"


class SpamFields:
    """X-Spam and what else `names` says that a delivery believes.

    `renamed`: whether the client's have the other name; if not, no filter stands before this one.
    """

    def __init__(self, names: Sequence[str] = (), *, renamed: bool = False) -> None:
        self.renamed = renamed
        spelled = [name.encode("ascii") for name in ("X-Spam", *names)]
        self._names = [name.lower() for name in spelled]
        either = b"|".join(map(re.escape, spelled))

        def fields(suffixes: bytes) -> re.Pattern[bytes]:
            pattern = b"(?:" + either + b")" + suffixes + rb"[ \t\r\n]*:"
            return re.compile(pattern, re.IGNORECASE)

        self._plain = fields(b"")
        self._any = fields(b"(?:" + _SUFFIX + b")*")
        self._suffixed = fields(b"(?:" + _SUFFIX + b")+")

    def rename(self, session: Session, message: bytes) -> bytes:
        """Give the client's fields the other name."""
        sent = _below_received(Message(message), self._any)
        return _spliced(message, [(_end_of_name(field), 0, _SUFFIX) for field in sent])

    def as_sent(self, message: bytes) -> bytes:
        """The message with the client's fields under the names that the client gave them."""
        if not self.renamed:
            return message
        size = len(_SUFFIX)
        ends = [_end_of_name(field) for field in Message(message).starting(self._suffixed)]
        return _spliced(message, [(end - size, size, b"") for end in ends])

    def without_sent(self, message: Message) -> Message:
        """The message as it came, without the client's fields."""
        header = message.raw[: message.body_start].lower()
        if not any(name in header for name in self._names):  # nearly all mail
            return message
        if self.renamed:
            found = tuple(message.starting(self._suffixed))
        else:
            found = _below_received(message, self._plain)
        return Message(remove(message.raw, found)) if found else message


def _below_received(message: Message, names: re.Pattern[bytes]) -> tuple[Field, ...]:
    """Those that the client has sent: smtpd's own are above the Received field that it writes."""
    found = tuple(message.starting(names))
    if not found:
        return ()
    top = message.named(b"received")[:1]
    return tuple(field for field in found if not top or field.start > top[0].start)


def _end_of_name(field: Field) -> int:
    return field.start + len(field.name.rstrip(b" \t\r\n"))


def _spliced(raw: bytes, edits: Sequence[tuple[int, int, bytes]]) -> bytes:
    """With each edit's bytes at its place, instead of as many as it says."""
    parts, at = [], 0
    for place, gone, new in edits:
        parts += [raw[at:place], new]
        at = place + gone
    return b"".join([*parts, raw[at:]]) if parts else raw


def add_option(parser: argparse.ArgumentParser) -> None:
    """`--spam-field`, which both programs need."""
    parser.add_argument(
        "--spam-field",
        action="append",
        default=[],
        metavar="NAME",
        help="another field than X-Spam that a delivery believes",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd."""
    start_logging()
    parser = argparse.ArgumentParser("filters.spam_fields", description=__doc__.splitlines()[0])
    parser.add_argument("--spool", type=Path, help="where large messages wait, on a disk")
    add_option(parser)
    options = parser.parse_args(arguments)
    server = FilterServer(spool=options.spool)
    server.register_message_filter(SpamFields(options.spam_field).rename)
    server.serve_forever()


if __name__ == "__main__":
    main()
