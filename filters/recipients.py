"""Whom the server takes mail for, and who has room for it: the answers at RCPT.

It knows the address book and the quotas, and no message.
"""

from __future__ import annotations

from collections.abc import Awaitable

from filters.addresses import AddressBook, AddressFile
from filters.quota_status import QuotaStatus
from filters.smtpd import PROCEED, Reject, Request, Session, Verdict

# smtpd decodes these for the null sender itself (SRS); no address book knows them.
SRS_PREFIXES = ("srs0", "srs1")


def refuse_recipient(book: AddressBook, address: str) -> Reject | None:
    """Why anyone's mail to this address is refused; None where smtpd may take it."""
    local, _, domain = address.rpartition("@")
    if not local:
        # RCPT TO:<postmaster> has no domain (RFC 5321, 4.5.1); smtpd puts its own name there.
        return None if domain.lower() == "postmaster" else Reject(550, "5.1.3 no such address")
    if not book.is_ours(domain):
        return Reject(550, f"5.7.1 <{address}>: relaying denied; log in on port 587 or 465")
    return refuse_local(book, address)


def refuse_local(book: AddressBook, address: str) -> Reject | None:
    """Why mail to this address in a domain of ours is refused."""
    local = address.rpartition("@")[0]
    if "/" in local or ".." in local:
        return Reject(550, f"5.1.3 <{address}>: no `/` or `..` in a local part here")
    if local.lower().startswith(SRS_PREFIXES):
        return None
    if book.entry(address) is None:
        return Reject(550, f"5.1.1 <{address}>: no such user here")
    return None


async def refuse_full(book: AddressBook, quotas: QuotaStatus, address: str) -> Verdict:
    """Refuse where every mailbox that an address of ours is for is full."""
    # Where one of several can take it, Dovecot refuses for the others.
    if await quotas.all_full(mailboxes(book, address)):
        return Reject(552, f"5.2.2 <{address}>: the mailbox is full")
    return PROCEED


def mailboxes(book: AddressBook, address: str) -> frozenset[str]:
    """The accounts that mail for an address of ours is all for; none if it goes elsewhere, too."""
    if address.lower().startswith(SRS_PREFIXES) or book.leaves(address):
        return frozenset()
    return book.logins_of(address)


class InboundRecipients:
    """Whom anyone may write to. `quotas` None: nobody's mailbox is full."""

    def __init__(self, addresses: AddressFile, quotas: QuotaStatus | None = None) -> None:
        self.addresses = addresses
        self.quotas = quotas

    def refuse(self, session: Session, request: Request) -> Verdict | Awaitable[Verdict]:
        """At RCPT: refuse at once what cannot be delivered, with the reason."""
        book = self.addresses.book
        refusal = refuse_recipient(book, request.address)
        if refusal is not None or self.quotas is None:
            return refusal or PROCEED
        return refuse_full(book, self.quotas, request.address)


class SubmissionRecipients:
    """Whom a login, a Sieve script or smtpd itself may write to: anybody who is not ours, too."""

    def __init__(self, addresses: AddressFile, quotas: QuotaStatus | None = None) -> None:
        self.addresses = addresses
        self.quotas = quotas

    def refuse(self, session: Session, request: Request) -> Verdict | Awaitable[Verdict]:
        """At RCPT: refuse what cannot be delivered here, rather than write a bounce of it."""
        book, address = self.addresses.book, _complete(session, request.address)
        if not book.is_ours(address.rpartition("@")[2]):
            return PROCEED
        refusal = refuse_local(book, address)
        if refusal is not None or self.quotas is None:
            return refusal or PROCEED
        return refuse_full(book, self.quotas, address)

    def refuse_other_domains(self, session: Session, request: Request) -> Verdict:
        """At RCPT in demo mode: nothing leaves, and the client is told why."""
        address = _complete(session, request.address)
        if self.addresses.book.is_ours(address.rpartition("@")[2]):
            return PROCEED
        return Reject(
            550, f"5.7.1 <{address}>: no mail leaves a demo server; set DOMAINS and ACCOUNTS"
        )


def _complete(session: Session, address: str) -> str:
    """As smtpd completes what a login or the local socket names without a domain."""
    return address if "@" in address else f"{address}@{session.hostname}"
