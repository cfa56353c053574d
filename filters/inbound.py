"""The filter for mail that arrives: knows our recipients, verifies SPF and DKIM, says what it saw.

    python -m filters.inbound mail.example.org

Stands on port 25 of smtpd. A message comes in from `filters.smtpd`, `filters.mailauth` judges it,
and it goes out with one Authentication-Results field (RFC 8601) on top.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from filters.addresses import AddressBook, AddressFile
from filters.mailauth import spf_check
from filters.mailauth.authenticate import Envelope, authenticate, stamp
from filters.mailauth.resolver import DnsResolver, Lookup, Resolver
from filters.program import refuse_to_start, start_logging
from filters.smtpd import PROCEED, FilterServer, Reject, Request, Session, Verdict
from filters.smtpd.connection import Handshake

log = logging.getLogger(__name__)

# smtpd decodes these for the null sender itself (SRS); no address book knows them.
SRS_PREFIXES = ("srs0", "srs1")


class Inbound:
    """The decisions about one message that arrives."""

    def __init__(
        self,
        authserv_id: str | None,
        resolver: Resolver,
        *,
        addresses: AddressFile | None = None,
        spf: bool = True,
        unknown_clients: frozenset[str] = frozenset(),
        dns_timeout: float = 20.0,
    ) -> None:
        self.authserv_id = authserv_id
        self.resolver = resolver
        self.addresses = addresses
        self.spf = spf
        self.unknown_clients = unknown_clients
        self.dns_timeout = dns_timeout

    def ready(self, handshake: Handshake) -> None:
        """Take the authserv-id from smtpd's `admd` unless the operator named one."""
        self.authserv_id = self.authserv_id or handshake.admd or "localhost"

    def check_recipient(self, session: Session, request: Request) -> Verdict:
        """At RCPT: refuse at once what cannot be delivered, with the reason."""
        if self.addresses is None:
            return PROCEED
        return refuse_recipient(self.addresses.book, request.text) or PROCEED

    async def verify(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA: the message under its Authentication-Results field."""
        transaction = session.transaction
        sender = transaction.sender if transaction is not None else None
        envelope = Envelope(
            client_address=session.client_address,
            helo=session.helo,
            sender=sender or "",
            recipients=tuple(transaction.recipients) if transaction is not None else (),
            user=session.user,
            client_unknown=session.client_address in self.unknown_clients,
        )
        lookup = Lookup(self.resolver, seconds=self.dns_timeout)
        verdict = await authenticate(message, envelope, lookup, spf=self.spf)
        log.info(
            "session=%s msgid=%s client=%s from=<%s> author=%s %s",
            session.id,
            transaction.msgid if transaction is not None else "-",
            session.client_address or "local",
            envelope.sender,
            verdict.author.domain or "-",
            " ".join(f"{result.method}={result.result}" for result in verdict.results()),
        )
        return stamp(message, verdict, self.authserv_id or "localhost")


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


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd."""
    start_logging()
    parser = argparse.ArgumentParser("filters.inbound", description=__doc__.splitlines()[0])
    parser.add_argument("authserv_id", nargs="?", help="default: smtpd's admd, its host name")
    parser.add_argument("--addresses", type=Path, help="our recipients (JSON)")
    parser.add_argument("--no-spf", action="store_true", help="say nothing of SPF")
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
    options = parser.parse_args(arguments)
    addresses = None
    if options.addresses is not None:
        try:
            addresses = AddressFile(options.addresses)
        except (OSError, ValueError) as error:
            refuse_to_start([f"{options.addresses}: {error}"])
    inbound = Inbound(
        options.authserv_id,
        DnsResolver(options.nameserver or None),
        addresses=addresses,
        spf=not options.no_spf and spf_check.available(),
        unknown_clients=frozenset(options.unknown_client),
        dns_timeout=options.dns_timeout,
    )
    if not inbound.spf:
        log.info("SPF is not checked: %s", "--no-spf" if options.no_spf else "no pyspf here")
    server = FilterServer(deadline=options.dns_timeout + 30, spool=options.spool)
    server.on_ready(inbound.ready)
    server.track_context()
    if addresses is not None:
        server.register_handler("filter", "rcpt-to", inbound.check_recipient)
    server.register_message_filter(inbound.verify)
    server.serve_forever()


if __name__ == "__main__":
    main()
