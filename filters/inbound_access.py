"""What the inbound filter says to a client before there is a message: blocklists and greylisting.

`filters.guard` decides; here the decision becomes a reply. A client that may be anyone (a NAT), and
one that is not on the Internet, is neither looked up nor made to wait.
"""

from __future__ import annotations

import logging

from filters.guard.blocklists import Blocklists
from filters.guard.greylisting import Greylisting
from filters.guard.networks import is_public, sender_network
from filters.mailauth.dns.resolver import Lookup, Resolver
from filters.mailauth.spf import check as spf_check
from filters.smtpd import PROCEED, Disconnect, Reject, Request, Session, Verdict
from filters.verifier import envelope_of

log = logging.getLogger(__name__)

# The client waits at RCPT while SPF is looked up for the first time; the message uses the answers.
SPF_SECONDS = 5.0


class InboundDoor:
    """Either of the two may be None: it is not asked then.

    unknown_clients: addresses at which anyone may appear (a NAT).
    """

    def __init__(
        self,
        resolver: Resolver,
        blocklists: Blocklists | None = None,
        greylisting: Greylisting | None = None,
        *,
        spf: bool = True,
        unknown_clients: frozenset[str] = frozenset(),
    ) -> None:
        self.resolver = resolver
        self.blocklists = blocklists
        self.greylisting = greylisting
        self.spf = spf
        self.unknown_clients = unknown_clients

    async def refuse_listed(self, session: Session, request: Request) -> Verdict:
        """At connect: a client that a DNS blocklist has is told so, and by which one."""
        address = session.client_address
        if self.blocklists is None or address is None or address in self.unknown_clients:
            return PROCEED
        listing = await self.blocklists.find(address)
        if listing is None:
            return PROCEED
        log.info("client=%s refused: listed by %s: %s", address, listing.zone, listing.reason)
        because = f": {listing.reason}" if listing.reason else ""
        return Disconnect(554, f"5.7.1 {address} is listed by {listing.zone}{because}")

    async def refuse_new(self, session: Session, request: Request) -> Verdict:
        """At RCPT: who comes for the first time is asked to come again (RFC 6647)."""
        envelope, recipient = envelope_of(session, self.unknown_clients), request.address
        address = envelope.client_address
        if self.greylisting is None or address is None or envelope.client_unknown:
            return PROCEED
        network = sender_network(address)
        if network is None or not is_public(address):
            return PROCEED

        async def vouched() -> str | None:
            if not self.spf:
                return None
            lookup = Lookup(self.resolver, seconds=SPF_SECONDS)
            checked = await spf_check.check(envelope, lookup)
            return checked.domain if checked.result == "pass" else None

        domain = envelope.sender.rpartition("@")[2]
        seconds = await self.greylisting.wait(network, vouched, domain, recipient)
        if not seconds:
            return PROCEED
        log.info("client=%s from=<%s> to=<%s> greylisted", address, envelope.sender, recipient)
        return Reject(451, f"4.7.1 greylisted: come again in {seconds} seconds, once is enough")
