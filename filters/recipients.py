"""Whom the server takes mail for: the answer at RCPT. It knows the address book and no message."""

from __future__ import annotations

from filters.addresses import AddressBook
from filters.smtpd import Reject

# smtpd decodes these for the null sender itself (SRS); no address book knows them.
SRS_PREFIXES = ("srs0", "srs1")


def refuse_recipient(book: AddressBook, address: str) -> Reject | None:
    """Why mail to this address is refused; None where smtpd may take it."""
    local, _, domain = address.rpartition("@")
    if not local:
        # RCPT TO:<postmaster> has no domain (RFC 5321, 4.5.1); smtpd puts its own name there.
        return None if domain.lower() == "postmaster" else Reject(550, "5.1.3 no such address")
    if not book.is_ours(domain):
        return Reject(550, f"5.7.1 <{address}>: relaying denied; log in on port 587 or 465")
    if "/" in local or ".." in local:
        return Reject(550, f"5.1.3 <{address}>: no `/` or `..` in a local part here")
    if local.lower().startswith(SRS_PREFIXES):
        return None
    if book.entry(address) is None:
        return Reject(550, f"5.1.1 <{address}>: no such user here")
    return None


def mailboxes(book: AddressBook, address: str) -> frozenset[str]:
    """The accounts that mail for an address of ours is all for; none if it goes elsewhere, too."""
    if address.lower().startswith(SRS_PREFIXES) or book.leaves(address):
        return frozenset()
    return book.logins_of(address)
