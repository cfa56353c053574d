"""Says whom an account has written to: who is among them is no stranger to the junk filter.

It counts what its owner, logged in, has sent to somebody, and that is in the queue: nothing that a
Sieve script, a bounce, a receipt, an automatic answer or a redirect brings about, for any stranger
can make an account send those; nor what a mail program sends at a click on a stranger's button, to
refuse an invitation or to leave a list. One datagram says it; nobody waits for it to be taken, and
where nobody takes it, it is lost.
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable
from pathlib import Path

from filters.addresses import AddressFile, LocalAddresses
from filters.log_throttle import LogThrottle
from filters.mailauth.message import Field, Message
from filters.smtpd import FilterServer, Reject, Report, Session
from filters.written_to import encode_written_to

log = logging.getLogger(__name__)

_PERSONAL = "correspondence: the message is its owner's own"
_COMPLAIN_EVERY = 3600.0

# Without one of these in its header, nobody but its author wrote a message; nearly all mail.
_DOUBTFUL = (
    *(b"resent-", b"auto-submitted", b"multipart/report", b"message/d", b"precedence"),
    *(b"x-autoreply", b"x-autorespon", b"unsubscribe"),
)
# RFC 6047 §2.4; in the header of one of several parts, mostly.
_INVITATION_ANSWERED = re.compile(rb'(?i)\bmethod[ \t]*=[ \t]*"?reply\b')
_LOOKED_AT = 4096  # bytes
# RFC 8098, RFC 3464, and what stands in for them.
_REPORT = re.compile(rb"(?i)\s*(?:multipart/report|message/(?:disposition|delivery))")
_ANSWERED_BY_PROGRAMS = frozenset({b"x-autoreply", b"x-autorespond", b"x-autoresponder"})
_OF_MANY = frozenset({b"bulk", b"junk", b"list", b"auto_reply"})


class Correspondence:
    """Sends each account's recipients to the socket at `path`."""

    def __init__(self, path: Path, addresses: AddressFile) -> None:
        self._path = str(path)
        self._addresses = addresses
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._lost = LogThrottle(log, _COMPLAIN_EVERY)

    def finish(self) -> None:
        """Nothing more is sent."""
        self._socket.close()

    def follow(self, server: FilterServer) -> None:
        """Say it of each message that is taken."""
        server.register_handler("report", "tx-commit", self.note_sent)

    def noting(
        self, sign: Callable[[Session, bytes], bytes | Reject]
    ) -> Callable[[Session, bytes], bytes | Reject]:
        """The same handler of messages, which also notes whether a message counts."""

        def handle(session: Session, message: bytes) -> bytes | Reject:
            signed = sign(session, message)
            is_own = session.user is not None and not session.local
            counts = is_own and not isinstance(signed, Reject) and is_personal(message)
            session.state[_PERSONAL] = counts
            return signed

        return handle

    def note_sent(self, session: Session, report: Report) -> None:
        """The message is in the queue."""
        if not session.state.pop(_PERSONAL, False):
            return
        transaction, login = session.transaction, session.user
        if transaction is None or login is None or not transaction.sender:
            return
        ours, login = self._addresses.content, login.lower()
        if not _is_account(login, ours):
            return
        others = [each for each in transaction.recipients if login not in ours.logins_of(each)]
        datagram = encode_written_to(login, others)
        if datagram is not None:
            self._send(datagram)

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._path)
        except OSError as error:
            self._lost.warning(
                "%s: nobody takes down whom accounts write to: %s",
                self._path,
                error.strerror,
                cause=error.errno,
            )


def _is_account(login: str, ours: LocalAddresses) -> bool:
    # The second looks through all addresses: for whose own are all somebody else's.
    return login in ours.logins_of(login) or ours.has_address(login)


def is_personal(message: bytes) -> bool:
    """Whether its author has written it to somebody, as far as its start says."""
    end = message.find(b"\r\n\r\n")
    header = (message if end < 0 else message[:end]).lower()
    if _INVITATION_ANSWERED.search(message, 0, len(header) + _LOOKED_AT):
        return False
    if not any(word in header for word in _DOUBTFUL):
        return True
    parsed = Message(message)
    return parsed.whole and not any(map(_is_no_letter, parsed.fields))


def _is_no_letter(field: Field) -> bool:
    word = re.split(rb"[;(]", field.value, maxsplit=1)[0].strip().lower()
    if field.key == b"auto-submitted":  # RFC 3834 §5
        return word != b"no"
    if field.key == b"content-type":
        return _REPORT.match(field.value) is not None
    if field.key == b"precedence":
        return word in _OF_MANY
    if field.key == b"subject":  # RFC 2369 §3.2; a list's own field often names the reader, too
        return word.startswith(b"unsubscribe")
    return field.key.startswith(b"resent-") or field.key in _ANSWERED_BY_PROGRAMS
