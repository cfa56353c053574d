"""The filter for mail that arrives: knows our recipients, verifies SPF, DKIM, ARC and DMARC.

    python -m filters.inbound mail.example.org

Stands on port 25 of smtpd. Here is the list of its restrictions, and the command; each restriction
is in `filters.inbound_access` or `filters.recipients`, and what becomes of a message is in
`filters.verifier`: it goes out with one Authentication-Results field (RFC 8601) on top, and an ARC
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
from filters.facts_writer import add_facts_options, read_facts
from filters.forwarding import Forwarding
from filters.guard.blocklists import Blocklists
from filters.guard.greylist import WAIT
from filters.guard.greylisting import Greylisting
from filters.inbound_access import BlocklistAccess, GreylistAccess
from filters.keyring import KeyRing, KeySpec
from filters.loops import add_loop_option, read_loops
from filters.mailauth.dns.resolver import DnsResolver, Resolver
from filters.mailauth.spf import check as spf_check
from filters.program import read_addresses, refuse_to_start, start_logging
from filters.quota_status import add_quota_options, read_quota_status
from filters.recipients import InboundRecipients
from filters.smtpd import FilterServer
from filters.spam_fields import SpamFields, add_option
from filters.srs import RewrittenSenders
from filters.statistics import Statistics, add_statistics_option
from filters.verifier import InboundPolicy, Verifier

log = logging.getLogger(__name__)


def restrict(
    server: FilterServer,
    *,
    blocklists: BlocklistAccess | None,
    queue: QueueRoom | None,
    recipients: InboundRecipients | None,
    greylist: GreylistAccess | None,
    verifier: Verifier,
) -> None:
    """What is asked, in this order; within a phase the first refusal is the answer."""
    if verifier.facts is not None and verifier.facts.blocklists is not None:
        server.register_handler("filter", "connect", verifier.facts.ask_blocklists)
        server.register_handler("report", "link-disconnect", verifier.facts.note_end)
    if blocklists is not None:
        server.register_handler("filter", "connect", blocklists.reject_listed_client)
    if queue is not None:
        server.register_handler("filter", "mail-from", queue.reject_insufficient_storage)
    if recipients is not None:
        server.register_handler("filter", "rcpt-to", recipients.restore_recipient)
        server.register_handler("filter", "rcpt-to", recipients.disconnect_guessing_client)
        server.register_handler("filter", "rcpt-to", recipients.reject_unauth_destination)
        server.register_handler("filter", "rcpt-to", recipients.reject_unlisted_recipient)
        server.register_handler("filter", "rcpt-to", recipients.reject_unrewritable_sender)
        server.register_handler("filter", "rcpt-to", recipients.reject_full_mailbox)
        server.register_handler("filter", "commit", recipients.reject_unrewritable_message)
        server.register_handler("filter", "commit", recipients.reject_impersonating_forward)
    if greylist is not None:
        server.register_handler("filter", "rcpt-to", greylist.defer_new_client)
    server.register_message_filter(verifier.verify)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd; exit 2 with every error where it cannot."""
    start_logging()
    options = _options(arguments)
    errors: list[str] = []
    addresses = read_addresses(options.addresses, errors)
    forwarding = _forwarding(options.arc_seal, addresses, errors)
    senders = _rewritten_senders(options.srs_secret_file, errors)
    loops = read_loops(options.loop_key, addresses, errors)
    if options.dnsbl_score and not options.facts:
        errors.append("--dnsbl-score needs --facts")
    if errors:
        refuse_to_start(errors)
    policy, resolver = _policy(options), DnsResolver(options.nameserver or None)
    server = FilterServer(deadline=options.dns_timeout + 30, spool=options.spool)
    server.track_context()
    counts = ClientCounts(options.spool / "clients.json") if options.spool else None
    verifier = Verifier(
        options.authserv_id,
        resolver,
        policy,
        forwarding=forwarding,
        counts=counts,
        spam_fields=SpamFields(options.spam_field, renamed=options.renamed_spam_fields),
        loops=loops,
        facts=read_facts(options, addresses, resolver, senders),
    )
    server.on_ready(verifier.ready)
    quotas = read_quota_status(options)
    greylist = _greylist(options, resolver, policy)
    restrict(
        server,
        blocklists=_blocklists(options.dnsbl, resolver, policy),
        queue=QueueRoom(options.spool) if options.spool else None,
        recipients=InboundRecipients(addresses, quotas, senders) if addresses else None,
        greylist=greylist,
        verifier=verifier,
    )
    statistics = Statistics(options.statistics, resolver) if options.statistics else None
    if statistics is not None:
        statistics.follow(server)
    server.serve_forever()
    if statistics is not None:
        statistics.finish()
    if counts is not None:
        counts.finish()
    if greylist is not None:
        greylist.greylisting.finish()


def _policy(options: argparse.Namespace) -> InboundPolicy:
    spf = not options.no_spf and spf_check.available()
    if not spf:
        log.info("SPF is not checked: %s", "--no-spf" if options.no_spf else "no pyspf here")
    return InboundPolicy(
        enforce=options.dmarc_enforce,
        trusted_sealers=frozenset(name.lower() for name in options.arc_trusted_sealer),
        spf=spf,
        unknown_clients=frozenset(options.unknown_client),
        dns_timeout=options.dns_timeout,
    )


def _forwarding(
    key: str | None, addresses: AddressFile | None, errors: list[str]
) -> Forwarding | None:
    if key is None:
        return None
    try:
        ring = KeyRing([KeySpec.parse(key)])
    except ValueError as error:
        errors.append(str(error))
        return None
    if addresses is None:
        errors.append("--arc-seal needs --addresses")
        return None
    return Forwarding(ring, addresses)


def _rewritten_senders(path: Path | None, errors: list[str]) -> RewrittenSenders | None:
    if path is None:
        return None
    try:
        secret = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        errors.append(f"{path}: {error}")
        return None
    if not secret:
        errors.append(f"{path}: no secret in it")
    return RewrittenSenders(secret)


def _blocklists(
    zones: Sequence[str], resolver: Resolver, policy: InboundPolicy
) -> BlocklistAccess | None:
    if not zones:
        return None
    return BlocklistAccess(Blocklists(zones, resolver), policy.unknown_clients)


def _greylist(
    options: argparse.Namespace, resolver: Resolver, policy: InboundPolicy
) -> GreylistAccess | None:
    if options.greylist is None:
        return None
    return GreylistAccess(
        Greylisting(options.greylist, wait=options.greylist_wait),
        resolver,
        spf=policy.spf,
        unknown_clients=policy.unknown_clients,
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("filters.inbound", description=__doc__.splitlines()[0])
    parser.add_argument("authserv_id", nargs="?", help="default: smtpd's admd, its host name")
    parser.add_argument("--addresses", type=Path, help="our recipients (JSON)")
    parser.add_argument(
        "--srs-secret-file",
        type=Path,
        metavar="FILE",
        help="smtpd's `srs key`, to take bounces to rewritten senders in small letters",
    )
    add_quota_options(parser)
    parser.add_argument("--no-spf", action="store_true", help="say nothing of SPF")
    parser.add_argument(
        "--dmarc-enforce",
        choices=["no", "quarantine", "yes"],
        default="yes",
        help="whether mail is refused, or marked as junk, as its author domain's policy says",
    )
    add_option(parser)
    parser.add_argument(
        "--renamed-spam-fields",
        action="store_true",
        help="filters.spam_fields stands before this filter, and others between them",
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
    add_loop_option(parser)
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
    add_statistics_option(parser)
    parser.add_argument(
        "--dnsbl",
        action="append",
        default=[],
        metavar="ZONE",
        help="refuse a client that this DNS blocklist has",
    )
    add_facts_options(parser)
    parser.add_argument(
        "--greylist", type=Path, metavar="FILE", help="defer clients that are not known here yet"
    )
    parser.add_argument(
        "--greylist-wait",
        type=int,
        default=WAIT,
        metavar="SECONDS",
        help="how long a retry must wait",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
