"""Mail loops: a message that comes back to an address that has had it.

Delivered-To and Received say what a stranger has written; here only the marks count that we have
written ourselves (`filters.delivery_marks`). `deliver` marks what it stores, and stores what comes
back once at most; what an alias sends elsewhere is marked here, and refused when it comes back. It
knows addresses, and not how a message is verified or signed.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from filters.addresses import AddressFile
from filters.delivery_marks import MarksOf, may_have_marks
from filters.mailauth.message import Message
from filters.smtpd import Reject, Session

# RFC 3463 §3.5: a routing loop.
_LOOP = "5.4.6 a mail loop: <{}> has had this message before"


# RFC 5321 §6.3. smtpd refuses as many itself, its own field among them, with a reply for commands.
MOST_HOPS = 99


def reject_many_hops(message: Message) -> Reject | None:
    """The last resort, where a server on the way removes our marks."""
    if len(message.named(b"received")) <= MOST_HOPS:
        return None
    return Reject(554, f"5.4.6 a mail loop: more than {MOST_HOPS} Received fields")


class Loops:
    """Knows mail that comes back, and marks what leaves by an alias."""

    def __init__(self, key: bytes, addresses: AddressFile) -> None:
        self._key = key
        self._addresses = addresses

    def reject_returned(self, session: Session, message: bytes) -> Reject | None:
        """If an alias of ours has sent it elsewhere before, and it is for nobody else.

        What has been delivered here before is not refused: `deliver` stores it unless it is there.
        """
        return self._reject(session, message, sent_here=False)

    def reject_sent_again(self, session: Session, message: bytes) -> Reject | None:
        """If each of its recipients has had it: whoever sends it, a script or a person, is told."""
        return self._reject(session, message, sent_here=True)

    def _reject(self, session: Session, message: bytes, *, sent_here: bool) -> Reject | None:
        recipients = session.recipients
        if not recipients or not may_have_marks(message):
            return None
        marks = MarksOf(self._key, Message(message))
        for address in recipients:
            if not self._has_had(address, marks) and not (
                sent_here and self._was_delivered(address, marks)
            ):
                return None
        return Reject(554, _LOOP.format(recipients[0]))

    def marked(self, session: Session, message: bytes) -> bytes:
        """The message under a mark for each of its recipients whose mail leaves by an alias.

        Where one of several has had it already, all are marked: it is refused when all have.
        """
        ours, entries = self._addresses.content, dict[str, bool]()
        for address in session.recipients:
            entry = ours.entry(address)
            if entry is not None:
                entries[entry] = ours.leaves(address)
        if not any(entries.values()):
            return message
        marks = MarksOf(self._key, Message(message))
        again = any(marks.has("forwarded", entry) for entry in entries)
        marked = (entry for entry, leaves in entries.items() if leaves or again)
        now = time.time()
        return b"".join(marks.new("forwarded", entry, now) for entry in marked) + message

    def _has_had(self, address: str, marks: MarksOf) -> bool:
        entry = self._addresses.content.entry(address)
        return entry is not None and marks.has("forwarded", entry)

    def _was_delivered(self, address: str, marks: MarksOf) -> bool:
        ours = self._addresses.content
        logins = ours.logins_of(address)
        if not logins or ours.leaves(address):
            return False
        return all(marks.has("delivered", login) for login in logins)


def add_loop_option(parser: argparse.ArgumentParser) -> None:
    """`--loop-key`, of both filters."""
    parser.add_argument(
        "--loop-key",
        type=Path,
        metavar="FILE",
        help="the key of the marks by which a mail loop is known; needs --addresses",
    )


def read_loops(path: Path | None, addresses: AddressFile | None, errors: list[str]) -> Loops | None:
    """What `--loop-key` asks for; what is wrong with it is added to the errors."""
    if path is None:
        return None
    if addresses is None:
        errors.append("--loop-key needs --addresses")
        return None
    try:
        key = path.read_bytes().strip()
    except OSError as error:
        errors.append(f"{path}: {error}")
        return None
    if not key:
        errors.append(f"{path}: the file is empty; it needs the key of the marks")
        return None
    return Loops(key, addresses)
