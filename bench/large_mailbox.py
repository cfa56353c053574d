"""What a mail program asks of a mailbox, with 10 messages in it and with 10,000.

It must not know how the messages came there, nor how results are shown.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial

from bench import accounts
from bench.imap import Imap
from bench.mail_servers import MailServer, Signpost
from bench.maildir import forget, subject, word
from bench.many_accounts import deliver

SIZES = (10, 10_000)
NEWEST = 50
_ENVELOPES = "(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)"

SELECT_FIRST = "SELECT, no index yet"
FETCH_FIRST = "FETCH of the newest 50 envelopes, the first time"
SUBJECT_FIRST = "SEARCH SUBJECT, the first time"
SELECT = "SELECT"
FETCH = "FETCH of the newest 50 envelopes"
SUBJECT = "SEARCH SUBJECT"
BODY = "SEARCH BODY"
APPEND_FIRST = "APPEND of 4 KB, the first time"
APPEND = "APPEND of 4 KB"
OPERATIONS = (
    *(SELECT_FIRST, FETCH_FIRST, SUBJECT_FIRST, APPEND_FIRST),
    *(SELECT, FETCH, SUBJECT, BODY, APPEND),
)
# Through smtpd, which Dovecot alone does not have.
DELIVERY = "delivery through smtpd, until NOOP shows it"
IDLE = "delivery through smtpd, until IDLE says it"


@dataclass
class Mailboxes:
    """Seconds, one a round: (operation, server, messages in the mailbox)."""

    found: dict[tuple[str, str, int], list[float]] = field(default_factory=dict)

    def of(self, operation: str, server: str, size: int) -> list[float]:
        """One number a round; empty where it was not measured."""
        return self.found.get((operation, server, size), [])

    def ratios(self, operation: str, server: str, base: str, size: int) -> list[float]:
        """What the server took in each round by what the base took in the same."""
        pairs = zip(self.of(operation, server, size), self.of(operation, base, size), strict=False)
        return [one / other for one, other in pairs]

    def note(self, server: str, size: int, operation: str, seconds: float) -> None:
        """One more number."""
        self.found.setdefault((operation, server, size), []).append(seconds)


def owner(size: int) -> str:
    """Who has the mailbox of this size: the first accounts of all."""
    return accounts.address(SIZES.index(size))


def visit(server: MailServer, size: int) -> None:
    """Look in once: what the first login of all makes, such as folders, is there from then on."""
    with Imap.as_user(server.port, owner(size), accounts.PASSWORD) as session:
        session.say('LIST "" "*"')
        session.say("SELECT INBOX")


def read(server: MailServer, size: int, message: bytes, found: Mailboxes) -> None:
    """One round of everything that IMAP alone can do."""
    login = owner(size)
    note = partial(found.note, server.title, size)
    forget(server.maildir(login))
    newest = f"{max(1, size - NEWEST + 1)}:{size}"
    wanted = size // 2
    with Imap.as_user(server.port, login, accounts.PASSWORD) as session:
        note(SELECT_FIRST, session.timed("SELECT INBOX"))
        note(FETCH_FIRST, session.timed(f"FETCH {newest} {_ENVELOPES}"))
        note(SUBJECT_FIRST, _search(session, f'SUBJECT "{subject(wanted)}"', wanted))
    with Imap.as_user(server.port, login, accounts.PASSWORD) as session:
        note(SELECT, session.timed("SELECT INBOX"))
        note(FETCH, session.timed(f"FETCH {newest} {_ENVELOPES}"))
        note(SUBJECT, _search(session, f'SUBJECT "{subject(wanted)}"', wanted))
        note(BODY, _search(session, f'BODY "{word(wanted)}"', wanted))
        for operation in (APPEND_FIRST, APPEND):
            note(operation, session.timed(f"APPEND INBOX {{{len(message)}}}", message))
        _back_to(session, size)


def receive(server: Signpost, size: int, message: bytes, sender: str, found: Mailboxes) -> None:
    """One message that a mail program polls for, and one that it waits for."""
    login = owner(size)
    note = partial(found.note, server.title, size)
    with Imap.as_user(server.port, login, accounts.PASSWORD) as session:
        session.say("SELECT INBOX")

        def shown() -> bool:
            return any(b"EXISTS" in line for line in session.say("NOOP"))

        note(DELIVERY, deliver(login, message, shown, sender))
        session.idle()

        def told() -> bool:
            session.wait_for(b"EXISTS")
            return True

        note(IDLE, deliver(login, message, told, sender))
        session.done()
        _back_to(session, size)


def _search(session: Imap, criterion: str, number: int) -> float:
    start = time.perf_counter()
    lines = session.say(f"SEARCH {criterion}")
    seconds = time.perf_counter() - start
    # Numbered from 1, written from 0.
    if f"* SEARCH {number + 1}\r\n".encode() not in lines:
        raise RuntimeError(f"SEARCH {criterion}: {lines!r}")
    return seconds


def _back_to(session: Imap, size: int) -> None:
    session.say(f"STORE {size + 1}:* +FLAGS.SILENT (\\Deleted)")
    session.say("EXPUNGE")
