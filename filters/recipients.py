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
from filters.smtpd import Disconnect, Reject, Request, Rewrite, Session
from filters.srs import RewrittenSenders, can_rewrite, is_rewritten

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

    # None: which of them take bounces is smtpd's to say.
    rewritten_senders: RewrittenSenders | None = None

    def __init__(self, addresses: AddressFile, quotas: QuotaStatus | None = None) -> None:
        self.addresses = addresses
        self.quotas = quotas

    def reject_unlisted_recipient(self, session: Session, request: Request) -> Reject | None:
        """An address in a domain of ours that nobody has, or that smtpd could not deliver to."""
        ours, address = self.addresses.content, self._address(session, request)
        if not ours.is_ours(address.rpartition("@")[2]):
            return None
        # Whom smtpd delivers it to: what is not looked at here nobody looks at.
        meant = self._rewritten_sender(session, address) or address
        local, _, domain = meant.rpartition("@")
        if not ours.is_ours(domain):
            return None
        known = self.rewritten_senders is None and address.lower().startswith(SRS_PREFIXES)
        if "/" in local or ".." in local:
            return Reject(550, f"5.1.3 <{address}>: no `/` or `..` in a local part here")
        if known or ours.entry(meant) is not None:
            return None
        if is_rewritten(address):
            why = "bounces only, to a sender that was rewritten here (SRS) and is not too old"
            return Reject(550, f"5.1.1 <{address}>: {why}")
        return Reject(550, f"5.1.1 <{address}>: no such user here")

    def _rewritten_sender(self, session: Session, address: str) -> str | None:
        """The sender that smtpd gives this message to, if it has rewritten one so (SRS).

        Whether it has, only bounces learn: so all who guess are counted alike.
        """
        if self.rewritten_senders is None or not _is_bounce(session):
            return None
        return self.rewritten_senders.sender(address)

    def reject_unrewritable_sender(self, session: Session, request: Request) -> Reject | None:
        """An address whose mail is forwarded, if that leaves no room for the sender (SRS)."""
        return self._unrewritable(session, request.address)

    def reject_unrewritable_message(self, session: Session, request: Request) -> Reject | None:
        """At the end, the same again: the filters before may have had the last word at RCPT."""
        refusals = (self._unrewritable(session, address) for address in session.recipients)
        return next(filter(None, refusals), None)

    def _unrewritable(self, session: Session, recipient: str) -> Reject | None:
        address = _completed(recipient, session)
        if session.transaction is None or not self.addresses.content.leaves(address):
            return None
        sender, domain = session.transaction.sender, address.rpartition("@")[2]
        if sender == "":
            return None
        # None: smtpd has not said, because the path is too long, and a filter before let it pass.
        if sender is not None and can_rewrite(_completed(sender, session), domain):
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

    def __init__(
        self,
        addresses: AddressFile,
        quotas: QuotaStatus | None = None,
        rewritten_senders: RewrittenSenders | None = None,
    ) -> None:
        super().__init__(addresses, quotas)
        self.rewritten_senders = rewritten_senders

    def restore_recipient(self, session: Session, request: Request) -> Rewrite | None:
        """Before all others: the address as it must be for smtpd to find the sender of what was
        forwarded (SRS), whose bounces some servers send to small letters.
        """
        address = request.address
        local, _, domain = address.rpartition("@")
        if self.rewritten_senders is None or not self.addresses.content.is_ours(domain):
            return None
        if is_rewritten(address):
            wanted = self._restored(session, address)
            return Rewrite(wanted) if wanted not in (None, address) else None
        # The rewritten sender of what is forwarded has the domain as it is written here.
        if domain != domain.lower() and self.addresses.content.leaves(address):
            return Rewrite(f"{local}@{domain.lower()}")
        return None

    def _restored(self, session: Session, address: str) -> str | None:
        if self.rewritten_senders is None or not _is_bounce(session):
            return None
        sender = self.rewritten_senders.sender(address)
        if sender is None:
            restored = self.rewritten_senders.restored(address)
            return None if restored is None else self._restored(session, restored)
        # What was forwarded from here twice (SRS1) smtpd would give back once.
        twice = is_rewritten(sender) and self.addresses.content.is_ours(sender.rpartition("@")[2])
        return sender if twice else address

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
            # With other capitals a rewritten sender is another guess.
            unknown.add(address if is_rewritten(address) else address.lower())
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


def _is_bounce(session: Session) -> bool:
    return session.transaction is not None and session.transaction.sender == ""


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
