"""Whom the server takes mail for, and who has room for it: the restrictions at RCPT.

They are named as Postfix names its own. It knows the addresses and the quotas, and no message.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from filters.addresses import AddressFile, LocalAddresses
from filters.mailauth.envelope import ROLES
from filters.mailauth.names import may_align
from filters.quota_status import QuotaStatus
from filters.smtpd import Disconnect, Reject, Request, Session
from filters.srs import can_rewrite

log = logging.getLogger(__name__)

# In a Session's state, while a message is to be filed as junk by its author's DMARC policy: that
# author's domain.
QUARANTINED = "inbound: quarantined author domain"

# smtpd decodes these for the null sender itself (SRS); no list of addresses has them.
SRS_PREFIXES = ("srs0", "srs1")

# Unknown recipients that a session may name, and how many more for each known one. A list that has
# not been tidied up for years names fewer; who looks for addresses names hardly a known one.
MOST_UNKNOWN, MORE_FOR_A_KNOWN = 20, 2
_UNKNOWN, _KNOWN = "recipients: unknown ones", "recipients: known ones"


class Recipients:
    """The restrictions that both filters have. `quotas` None: nobody's mailbox is full."""

    def __init__(self, addresses: AddressFile, quotas: QuotaStatus | None = None) -> None:
        self.addresses = addresses
        self.quotas = quotas

    def reject_unlisted_recipient(self, session: Session, request: Request) -> Reject | None:
        """An address in a domain of ours that nobody has, or that smtpd could not deliver to."""
        ours, address = self.addresses.content, self._address(session, request)
        local, _, domain = address.rpartition("@")
        if not ours.is_ours(domain):
            return None
        if "/" in local or ".." in local:
            return Reject(550, f"5.1.3 <{address}>: no `/` or `..` in a local part here")
        if local.lower().startswith(SRS_PREFIXES) or ours.entry(address) is not None:
            return None
        return Reject(550, f"5.1.1 <{address}>: no such user here")

    def reject_unrewritable_sender(self, session: Session, request: Request) -> Reject | None:
        """An address whose mail is forwarded, if that leaves no room for the sender (SRS)."""
        return self._unrewritable(session, request.address)

    def reject_unrewritable_message(self, session: Session, request: Request) -> Reject | None:
        """At the end, the same again: the filters before may have had the last word at RCPT."""
        recipients = session.transaction.recipients if session.transaction is not None else ()
        refusals = (self._unrewritable(session, address) for address in recipients)
        return next(filter(None, refusals), None)

    def _unrewritable(self, session: Session, recipient: str) -> Reject | None:
        address = _completed(recipient, session)
        if session.transaction is None or not self.addresses.content.leaves(address):
            return None
        sender = session.transaction.sender
        if not sender or can_rewrite(_completed(sender, session), address.rpartition("@")[2]):
            return None
        return Reject(
            550, f"5.1.7 <{address}> is forwarded, and the sender cannot be rewritten for that"
        )

    def reject_full_mailbox(
        self, session: Session, request: Request
    ) -> Awaitable[Reject | None] | None:
        """An address of ours if every mailbox that it is for is full."""
        if self.quotas is None:
            return None
        address = self._address(session, request)
        accounts = mailboxes(self.addresses.content, address)
        return _reject_full(self.quotas, accounts, address) if accounts else None

    def _address(self, session: Session, request: Request) -> str:
        return request.address


class InboundRecipients(Recipients):
    """Whom anyone may write to: addresses of ours."""

    def disconnect_guessing_client(self, session: Session, request: Request) -> Disconnect | None:
        """A client that has named many unknown recipients, and hardly any known one.

        It comes before the answers, and counts what they will be. A client that is honest tries
        the others again later, and not those that it was told are unknown.
        """
        ours, address = self.addresses.content, self._address(session, request)
        unknown: set[str] = session.state.setdefault(_UNKNOWN, set())
        known: set[str | None] = session.state.setdefault(_KNOWN, set())
        if len(unknown) >= MOST_UNKNOWN + MORE_FOR_A_KNOWN * len(known):
            client, count = session.client_address, len(unknown)
            log.info("client=%s refused: it named %d unknown recipients", client, count)
            return Disconnect(421, "4.7.0 too many unknown recipients, try the others again")
        if self.reject_unlisted_recipient(session, request) is not None:
            unknown.add(address.lower())
        elif ours.entry(address) is not None:
            known.add(ours.entry(address))
        return None

    def reject_impersonating_forward(self, session: Session, request: Request) -> Reject | None:
        """At the end: an address elsewhere, for mail that its author's policy makes junk here.

        smtpd's rewritten sender (SRS) has our address's domain, so that SPF passes at the next hop.
        Where the author's domain is of the same organization, so does DMARC.
        """
        author = session.state.get(QUARANTINED)
        if author is None or session.transaction is None:
            return None
        for recipient in session.transaction.recipients:
            address = _completed(recipient, session)
            local, _, domain = address.rpartition("@")
            if local.lower() in ROLES or not self.addresses.content.leaves(address):
                continue
            if may_align(author, domain):
                return Reject(
                    550, f"5.7.26 <{address}> is forwarded, and the author fails DMARC of {author}"
                )
        return None

    def reject_unauth_destination(self, session: Session, request: Request) -> Reject | None:
        """An address in another domain: this is no open relay."""
        local, _, domain = request.address.rpartition("@")
        if not local:
            # RCPT TO:<postmaster> has no domain (RFC 5321 §4.5.1); smtpd puts its own name there.
            return None if domain.lower() == "postmaster" else Reject(550, "5.1.3 no such address")
        if self.addresses.content.is_ours(domain):
            return None
        return Reject(550, f"5.7.1 <{request.address}>: relaying denied; log in on port 587 or 465")


class SubmissionRecipients(Recipients):
    """Whom a login, a Sieve script or smtpd itself may write to: anybody in other domains, too.

    What cannot be delivered here is refused, rather than bounced. local_only: what a client reads
    that writes elsewhere, where nothing is to leave.
    """

    def __init__(
        self, addresses: AddressFile, quotas: QuotaStatus | None = None, local_only: str = ""
    ) -> None:
        super().__init__(addresses, quotas)
        self.local_only = local_only

    def reject_other_domains(self, session: Session, request: Request) -> Reject | None:
        """An address that is not ours, where nothing is to leave."""
        if not self.local_only:
            return None
        address = self._address(session, request)
        if self.addresses.content.is_ours(address.rpartition("@")[2]):
            return None
        return Reject(550, f"5.7.1 <{address}>: {self.local_only}")

    def _address(self, session: Session, request: Request) -> str:
        """A login and the local socket may name an address without a domain."""
        return _completed(request.address, session)


def _completed(address: str, session: Session) -> str:
    """With the domain that smtpd puts where there is none."""
    return address if "@" in address else f"{address}@{session.hostname}"


def mailboxes(ours: LocalAddresses, address: str) -> frozenset[str]:
    """The accounts that mail for an address of ours is all for; none if it goes elsewhere, too.

    For an account's own address it is that account, whoever gets copies.
    """
    if address.lower().startswith(SRS_PREFIXES):
        return frozenset()
    entry = ours.entry(address)
    if ours.leaves(address) and entry not in ours.logins_of(address):
        return frozenset()
    return ours.logins_of(address)


async def _reject_full(
    quotas: QuotaStatus, accounts: frozenset[str], address: str
) -> Reject | None:
    # Where one of several can take it, Dovecot refuses for the others.
    if await quotas.all_full(accounts):
        return Reject(552, f"5.2.2 <{address}>: the mailbox is full")
    return None
