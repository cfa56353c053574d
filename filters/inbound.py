"""The filter for mail that arrives: knows our recipients, verifies SPF, DKIM, ARC and DMARC.

    python -m filters.inbound mail.example.org

Stands on port 25 of smtpd. Here is the command; what it says is decided in `filters.inbound_access`
before there is a recipient, in `filters.recipients` at RCPT, and in `filters.verifier` when the
message has come: it goes out with one Authentication-Results field (RFC 8601) on top, and an ARC
set above that if it is forwarded; or it is refused, where its author's domain asks for that.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from filters.addresses import AddressFile
from filters.client_counts import ClientCounts
from filters.disk_room import QueueRoom
from filters.forwarding import Forwarding
from filters.guard.blocklists import Blocklists
from filters.guard.greylist import WAIT
from filters.guard.greylisting import Greylisting
from filters.in_turn import Handler, in_turn
from filters.inbound_access import InboundDoor
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dns.resolver import DnsResolver
from filters.mailauth.spf import check as spf_check
from filters.program import refuse_to_start, start_logging
from filters.quota_status import QuotaStatus
from filters.recipients import InboundRecipients
from filters.smtpd import FilterServer
from filters.verifier import Policy, Verifier

log = logging.getLogger(__name__)


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
        unknown_clients=policy.unknown_clients,
    )
    verifier = Verifier(
        options.authserv_id,
        resolver,
        policy,
        forwarding=forwarding,
        counts=ClientCounts(options.spool / "clients.json") if options.spool else None,
    )
    server = FilterServer(deadline=options.dns_timeout + 30, spool=options.spool)
    server.on_ready(verifier.ready)
    server.track_context()
    if options.dnsbl:
        server.register_handler("filter", "connect", door.refuse_listed)
    if options.spool is not None:
        server.register_handler("filter", "mail-from", QueueRoom(options.spool).refuse_mail)
    at_rcpt: list[Handler] = []
    if addresses is not None:
        quotas = QuotaStatus(options.quota_status) if options.quota_status else None
        at_rcpt.append(InboundRecipients(addresses, quotas).refuse)
    if greylisting is not None:
        at_rcpt.append(door.refuse_new)
    if at_rcpt:
        server.register_handler("filter", "rcpt-to", in_turn(at_rcpt))
    server.register_message_filter(verifier.verify)
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
