"""The inbound filter's restrictions before there is a message: DNS blocklists and greylisting.

`filters.guard` decides; here the decision becomes a reply. A client that may be anyone (a NAT), and
one that is not on the Internet, is neither looked up nor made to wait.
"""

from __future__ import annotations

import logging

from filters.guard.blocklists import Blocklists
from filters.guard.greylisting import Greylisting
from filters.guard.networks import is_public, sender_network
from filters.mailauth.dns.resolver import Lookup, Resolver
from filters.mailauth.envelope import Envelope
from filters.mailauth.spf import check as spf_check
from filters.quoting import quoted
from filters.smtpd import Disconnect, Reject, Request, Session
from filters.verifier import envelope_of

log = logging.getLogger(__name__)

# The client waits at RCPT while SPF is looked up for the first time; the message uses the answers.
SPF_SECONDS = 5.0


class BlocklistAccess:
    """Refuses clients that a blocklist has. unknown_clients: where anyone may appear (a NAT)."""

    def __init__(self, blocklists: Blocklists, unknown_clients: frozenset[str]) -> None:
        self.blocklists = blocklists
        self.unknown_clients = unknown_clients

    async def reject_listed_client(self, session: Session, request: Request) -> Disconnect | None:
        """At connect: the client reads that it is listed, and by which list."""
        address = session.client_address
        if address is None or address in self.unknown_clients:
            return None
        listing = await self.blocklists.find(address)
        if listing is None:
            return None
        log.info(
            "client=%s refused: listed by %s: %s", address, listing.zone, quoted(listing.reason)
        )
        because = f": {listing.reason}" if listing.reason else ""
        return Disconnect(554, f"5.7.1 {address} is listed by {listing.zone}{because}")


class GreylistAccess:
    """Defers mail from clients that are not known yet (RFC 6647).

    spf: whether a domain may vouch for its hosts. unknown_clients: where anyone may appear (a NAT).
    """

    def __init__(
        self,
        greylisting: Greylisting,
        resolver: Resolver,
        *,
        spf: bool = True,
        unknown_clients: frozenset[str] = frozenset(),
    ) -> None:
        self.greylisting = greylisting
        self.resolver = resolver
        self.spf = spf
        self.unknown_clients = unknown_clients

    async def defer_new_client(self, session: Session, request: Request) -> Reject | None:
        """At RCPT: a client that is seen for the first time has to try again."""
        envelope, recipient = envelope_of(session, self.unknown_clients), request.address
        address = envelope.client_address
        if address is None or envelope.client_unknown or not is_public(address):
            return None
        network = sender_network(address)
        if network is None:
            return None
        domain = envelope.sender.rpartition("@")[2]
        seconds = await self.greylisting.wait(
            network, lambda: self._vouching_domain(envelope), domain, recipient
        )
        if not seconds:
            return None
        log.info(
            "client=%s greylisted from=%s to=%s",
            address,
            quoted(envelope.sender),
            quoted(recipient),
        )
        return Reject(451, f"4.7.1 greylisted: try again in {seconds} seconds, once is enough")

    async def _vouching_domain(self, envelope: Envelope) -> str | None:
        if not self.spf:
            return None
        checked = await spf_check.check(envelope, Lookup(self.resolver, seconds=SPF_SECONDS))
        return checked.domain if checked.result == "pass" else None
