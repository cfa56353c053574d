"""The filter for mail that arrives: knows our recipients, verifies SPF, DKIM, ARC and DMARC.

    python -m filters.inbound mail.example.org

Stands on port 25 of smtpd. A message comes in from `filters.smtpd`, `filters.mailauth` judges it,
and it goes out with one Authentication-Results field (RFC 8601) on top, and an ARC set above that
if it is forwarded; or it is refused, where its author's domain asks for that.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filters.addresses import AddressFile
from filters.client_counts import ClientCounts
from filters.forwarding import Forwarding
from filters.guard.blocklists import Blocklists
from filters.guard.greylist import WAIT
from filters.guard.greylisting import Greylisting
from filters.inbound_door import InboundDoor
from filters.keyring import KeyRing, KeySpec
from filters.mailauth import spf_check
from filters.mailauth.authenticate import Envelope, Verdict, authenticate, stamp
from filters.mailauth.message import Message
from filters.mailauth.policy import Decision, Enforce, decide
from filters.mailauth.resolver import DnsResolver, Lookup, Resolver
from filters.program import refuse_to_start, start_logging
from filters.quota_status import QuotaStatus
from filters.recipients import mailboxes, refuse_recipient
from filters.smtpd import PROCEED, FilterServer, Reject, Request, Session
from filters.smtpd import Verdict as Reply
from filters.smtpd.connection import Handshake

log = logging.getLogger(__name__)

# What smtpd's maildir action and Sieve file as junk.
SPAM = b"X-Spam: yes\r\n"
_LONGEST_ID = 200  # characters of a Message-ID in the log


@dataclass(frozen=True)
class Policy:
    """What the operator decided.

    enforce, trusted_sealers: see `filters.mailauth.policy`. unknown_clients: addresses at which
    anyone may appear (a NAT). dns_timeout: seconds a message.
    """

    enforce: Enforce = "yes"
    trusted_sealers: frozenset[str] = frozenset()
    spf: bool = True
    unknown_clients: frozenset[str] = frozenset()
    dns_timeout: float = 20.0


class Inbound:
    """The decisions about one message that arrives."""

    def __init__(
        self,
        authserv_id: str | None,
        resolver: Resolver,
        policy: Policy,
        *,
        addresses: AddressFile | None = None,
        forwarding: Forwarding | None = None,
        counts: ClientCounts | None = None,
        quotas: QuotaStatus | None = None,
        door: InboundDoor | None = None,
    ) -> None:
        self.authserv_id = authserv_id
        self.resolver = resolver
        self.policy = policy
        self.addresses = addresses
        self.forwarding = forwarding
        self.counts = counts
        self.quotas = quotas
        self.door = door

    def ready(self, handshake: Handshake) -> None:
        """Take the authserv-id from smtpd's `admd` unless the operator named one."""
        self.authserv_id = self.authserv_id or handshake.admd or "localhost"

    async def check_client(self, session: Session, request: Request) -> Reply:
        """At connect: refuse a client that a DNS blocklist has."""
        return (
            PROCEED if self.door is None else await self.door.refuse_listed(self._envelope(session))
        )

    async def check_recipient(self, session: Session, request: Request) -> Reply:
        """At RCPT: refuse at once what cannot be delivered, with the reason."""
        if self.addresses is None:
            return PROCEED
        book, address = self.addresses.book, request.text
        refusal = refuse_recipient(book, address)
        if refusal is not None:
            return refusal
        # Where one of several can take it, Dovecot refuses for the others.
        if self.quotas is not None and await self.quotas.all_full(mailboxes(book, address)):
            return Reject(552, f"5.2.2 <{address}>: the mailbox is full")
        if self.door is not None:
            return await self.door.refuse_new(self._envelope(session), address)
        return PROCEED

    async def verify(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA: the message under its Authentication-Results field, or a refusal."""
        policy, parsed = self.policy, Message(message)
        envelope = self._envelope(session)
        if self.counts is not None:
            self.counts.note(envelope.client_address, unknown=envelope.client_unknown)
        lookup = Lookup(self.resolver, seconds=policy.dns_timeout)
        verdict = await authenticate(parsed, envelope, lookup, spf=policy.spf)
        decision = decide(
            verdict, envelope, enforce=policy.enforce, trusted_sealers=policy.trusted_sealers
        )
        _tell(session, envelope, parsed, verdict, decision)
        refusal = _refusal(verdict, decision)
        if refusal is not None:
            return refusal
        authserv_id = self.authserv_id or "localhost"
        stamped = stamp(parsed, verdict, authserv_id, disposition=decision.disposition)
        if decision.disposition == "quarantine":
            stamped = SPAM + stamped
        if self.forwarding is not None and self.forwarding.concerns(envelope.recipients):
            return await self.forwarding.seal(stamped, verdict, authserv_id, session.hostname)
        return stamped

    def _envelope(self, session: Session) -> Envelope:
        transaction = session.transaction
        return Envelope(
            client_address=session.client_address,
            helo=session.helo,
            sender=(transaction.sender if transaction is not None else None) or "",
            recipients=tuple(transaction.recipients) if transaction is not None else (),
            user=session.user,
            client_unknown=session.client_address in self.policy.unknown_clients,
            client_name=session.rdns,
            reverse=session.fcrdns,
        )


def _refusal(verdict: Verdict, decision: Decision) -> Reject | None:
    """The reply that the sender's postmaster reads (codes: RFC 7372 §3.2, RFC 3463 §3.8)."""
    domain, reason = verdict.author.domain, decision.reason
    if decision.disposition == "reject" and domain is None:
        return Reject(550, f"5.7.26 the author cannot be verified: {reason}")
    if decision.disposition == "reject":
        return Reject(550, f"5.7.26 refused by the DMARC policy of {domain}: {reason}")
    if decision.disposition == "defer":
        return Reject(451, f"4.7.5 {domain} cannot be verified now, try again later: {reason}")
    return None


def _tell(
    session: Session, envelope: Envelope, message: Message, verdict: Verdict, decision: Decision
) -> None:
    """Every decision is one line. The log's formatter makes control characters harmless."""
    transaction = session.transaction
    named = message.named(b"message-id")
    identity = b" ".join(named[0].value.split()).decode("ascii", "replace") if named else "-"
    log.info(
        "session=%s msgid=%s message-id=%s client=%s from=<%s> author=%s %s disposition=%s%s",
        session.id,
        transaction.msgid if transaction is not None else "-",
        identity[:_LONGEST_ID],
        session.client_address or "local",
        envelope.sender,
        verdict.author.domain or "-",
        " ".join(f"{result.method}={result.result}" for result in verdict.results()),
        decision.disposition,
        f" ({decision.reason})" if decision.reason else "",
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd; exit 2 with every error where it cannot."""
    start_logging()
    options = _options(arguments)
    errors: list[str] = []
    addresses, forwarding = None, None
    if options.addresses is not None:
        try:
            addresses = AddressFile(options.addresses)
        except (OSError, ValueError) as error:
            errors.append(f"{options.addresses}: {error}")
    if options.arc_seal is not None:
        try:
            keys = KeyRing([KeySpec.parse(options.arc_seal)])
            if addresses is None:
                raise ValueError("--arc-seal needs --addresses")
            forwarding = Forwarding(keys, addresses)
        except ValueError as error:
            errors.append(str(error))
    if errors:
        refuse_to_start(errors)
    policy = Policy(
        enforce=options.dmarc_enforce,
        trusted_sealers=frozenset(name.lower() for name in options.arc_trusted_sealer),
        spf=not options.no_spf and spf_check.available(),
        unknown_clients=frozenset(options.unknown_client),
        dns_timeout=options.dns_timeout,
    )
    if not policy.spf:
        log.info("SPF is not checked: %s", "--no-spf" if options.no_spf else "no pyspf here")
    resolver = DnsResolver(options.nameserver or None)
    greylisting = (
        Greylisting(options.greylist, wait=options.greylist_wait) if options.greylist else None
    )
    door = InboundDoor(
        resolver,
        Blocklists(options.dnsbl, resolver) if options.dnsbl else None,
        greylisting,
        spf=policy.spf,
    )
    inbound = Inbound(
        options.authserv_id,
        resolver,
        policy,
        addresses=addresses,
        forwarding=forwarding,
        counts=ClientCounts(options.spool / "clients.json") if options.spool else None,
        quotas=QuotaStatus(options.quota_status) if options.quota_status else None,
        door=door,
    )
    server = FilterServer(deadline=options.dns_timeout + 30, spool=options.spool)
    server.on_ready(inbound.ready)
    server.track_context()
    if addresses is not None:
        server.register_handler("filter", "rcpt-to", inbound.check_recipient)
    if options.dnsbl:
        server.register_handler("filter", "connect", inbound.check_client)
    server.register_message_filter(inbound.verify)
    server.serve_forever()
    if greylisting is not None:
        greylisting.finish()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("filters.inbound", description=__doc__.splitlines()[0])
    parser.add_argument("authserv_id", nargs="?", help="default: smtpd's admd, its host name")
    parser.add_argument("--addresses", type=Path, help="our recipients (JSON)")
    parser.add_argument(
        "--quota-status",
        type=Path,
        metavar="SOCKET",
        help="Dovecot's, to refuse for full mailboxes",
    )
    parser.add_argument("--no-spf", action="store_true", help="say nothing of SPF")
    parser.add_argument(
        "--dmarc-enforce",
        choices=["no", "quarantine", "yes"],
        default="yes",
        help="whether mail is refused, or marked as junk, as its author domain's policy says",
    )
    parser.add_argument(
        "--arc-trusted-sealer",
        action="append",
        default=[],
        metavar="DOMAIN",
        help="a forwarder whose word that a message passed DMARC counts",
    )
    parser.add_argument(
        "--arc-seal", metavar="DOMAIN:SELECTOR:KEYFILE", help="seal what aliases send elsewhere"
    )
    parser.add_argument(
        "--unknown-client",
        action="append",
        default=[],
        metavar="ADDRESS",
        help="a client that appears at this address may be anyone (a NAT)",
    )
    parser.add_argument("--dns-timeout", type=float, default=20.0, help="seconds a message")
    parser.add_argument("--nameserver", action="append", default=[], metavar="ADDRESS")
    parser.add_argument("--spool", type=Path, help="where large messages wait, on a disk")
    parser.add_argument(
        "--dnsbl",
        action="append",
        default=[],
        metavar="ZONE",
        help="refuse a client that this DNS blocklist has",
    )
    parser.add_argument(
        "--greylist", type=Path, metavar="FILE", help="who comes for the first time comes again"
    )
    parser.add_argument(
        "--greylist-wait", type=int, default=WAIT, metavar="SECONDS", help="not before so long"
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
