"""The filter for mail that leaves: checks who sends as whom, and signs with DKIM.

    python -m filters.submission example.org:mail:/etc/mail/example.org.key

Stands on ports 587 and 465 and on the local socket of smtpd. Here is the list of its restrictions,
and the command; each restriction is in `filters.submission_access`, `filters.recipients` or
`filters.signer`, which has what becomes of a message, too.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from filters.addresses import AddressFile
from filters.correspondence import Correspondence
from filters.disk_room import QueueRoom
from filters.guard.client import GuardClient
from filters.guard.sending_limit import BY_SCRIPTS, WARN_SCRIPTS_EVERY, SendingLimit
from filters.keyring import KeyRing, KeySpec
from filters.loops import add_loop_option, read_loops
from filters.program import read_addresses, refuse_to_start, start_logging
from filters.quota_status import add_quota_options, read_quota_status
from filters.recipients import SubmissionRecipients
from filters.signer import Signer
from filters.smtpd import FilterServer
from filters.statistics import Statistics, add_statistics_option
from filters.submission_access import LoginAccess, SendingAccess, name_account
from filters.unsigned_counts import UnsignedCounts

log = logging.getLogger(__name__)

# The host name completes addresses, and a login's mail gets the fields that it lacks.
EVENTS = ("link-greeting", "link-auth")
# With addresses it counts who sends to whom: whether it is a loop, whether SRS can rewrite it.
EVENTS_WITH_ADDRESSES = ("tx-mail", "tx-rcpt", "tx-reset", "tx-rollback")
# What the guard has to know.
EVENTS_WITH_GUARD = ("link-connect",)


def restrict(
    server: FilterServer,
    *,
    logins: LoginAccess | None,
    queue: QueueRoom | None,
    signer: Signer,
    recipients: SubmissionRecipients | None,
    sending: SendingAccess | None,
    correspondence: Correspondence | None = None,
) -> None:
    """What is asked, in this order; within a phase the first refusal is the answer."""
    if logins is not None:
        server.register_handler("filter", "auth", logins.reject_blocked_client)
        server.register_handler("filter", "mail-from", logins.reject_blocked_login)
        logins.follow_logins(server)
    if queue is not None:
        server.register_handler("filter", "mail-from", queue.reject_insufficient_storage)
    if signer.addresses is not None:
        server.register_handler("filter", "mail-from", signer.reject_sender_login_mismatch)
        server.register_handler("filter", "mail-from", signer.note_null_sender)
    if recipients is not None:
        server.register_handler("filter", "rcpt-to", recipients.reject_other_domains)
        server.register_handler("filter", "rcpt-to", recipients.reject_unlisted_recipient)
        server.register_handler("filter", "rcpt-to", recipients.reject_unrewritable_sender)
        server.register_handler("filter", "rcpt-to", recipients.reject_full_mailbox)
        server.register_handler("filter", "commit", recipients.reject_unrewritable_message)
    if sending is not None:
        server.register_handler("filter", "rcpt-to", sending.reject_over_limit)
        server.register_handler("filter", "commit", sending.reject_script_over_limit)
        sending.follow_transactions(server)
    if correspondence is None:
        server.register_message_filter(signer.sign)
    else:
        correspondence.follow(server)
        server.register_message_filter(correspondence.noting(signer.sign))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd; exit 2 with every error where the keys do not load."""
    start_logging()
    options = _options(arguments)
    errors: list[str] = []
    ring = _key_ring(options, errors)
    addresses = read_addresses(options.addresses, errors)
    loops = read_loops(options.loop_key, addresses, errors)
    if options.local_only and options.addresses is None:
        errors.append("--local-only needs --addresses")
    if options.written_to and options.addresses is None:
        errors.append("--written-to needs --addresses")
    if errors or ring is None:
        refuse_to_start(errors)
    server = FilterServer(spool=options.spool)
    server.track_context(
        EVENTS
        + (EVENTS_WITH_ADDRESSES if addresses is not None else ())
        + (EVENTS_WITH_GUARD if options.guard else ())
    )
    server.register_handler("report", "link-auth", name_account)
    unsigned = UnsignedCounts(options.unsigned)
    server.on_ready(lambda handshake: unsigned.start())
    signer = Signer(ring, addresses, required=options.required, unsigned=unsigned, loops=loops)
    server.on_ready(signer.ready)
    sending, correspondence = _sending(options), _correspondence(options, addresses)
    restrict(
        server,
        logins=LoginAccess(GuardClient(options.guard)) if options.guard else None,
        queue=QueueRoom(options.spool) if options.spool else None,
        signer=signer,
        recipients=_recipients(options, addresses),
        sending=sending,
        correspondence=correspondence,
    )
    statistics = Statistics(options.statistics) if options.statistics else None
    if statistics is not None:
        statistics.follow(server)
    log.info("signing for %s", ", ".join(ring.domains))
    server.serve_forever()
    if statistics is not None:
        statistics.finish()
    unsigned.finish()
    if correspondence is not None:
        correspondence.finish()
    if sending is not None:
        sending.finish()


def _key_ring(options: argparse.Namespace, errors: list[str]) -> KeyRing | None:
    specs = []
    for text in options.keys:
        try:
            specs.append(KeySpec.parse(text))
        except ValueError as error:
            errors.append(str(error))
    if not options.keys and options.config is None:
        errors.append("no key: name DOMAIN:SELECTOR:KEYFILE or -c FILE")
    try:
        return KeyRing(specs, options.config)
    except ValueError as error:
        errors += str(error).split("\n")
        return None


def _recipients(
    options: argparse.Namespace, addresses: AddressFile | None
) -> SubmissionRecipients | None:
    if addresses is None:
        return None
    quotas = read_quota_status(options)
    return SubmissionRecipients(addresses, quotas, options.local_only)


def _correspondence(
    options: argparse.Namespace, addresses: AddressFile | None
) -> Correspondence | None:
    if addresses is None or options.written_to is None:
        return None
    return Correspondence(options.written_to, addresses)


def _sending(options: argparse.Namespace) -> SendingAccess | None:
    if options.rate_limit is None:
        return None
    recipients, seconds = options.rate_limit
    path, of_scripts = (
        options.spool / name if options.spool else None
        for name in ("sent.json", "sent-by-scripts.json")
    )
    return SendingAccess(
        SendingLimit(recipients, seconds, path),
        SendingLimit(
            recipients, seconds, of_scripts, warning=BY_SCRIPTS, warn_every=WARN_SCRIPTS_EVERY
        ),
    )


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("filters.submission", description=__doc__.splitlines()[0])
    parser.add_argument("keys", nargs="*", metavar="DOMAIN:SELECTOR:KEYFILE")
    parser.add_argument("-c", "--config", type=Path, help="the same triples, one a line")
    parser.add_argument(
        "--addresses", type=Path, help="who may send as whom, and our recipients (JSON)"
    )
    add_quota_options(parser)
    parser.add_argument(
        "--local-only",
        metavar="TEXT",
        default="",
        help="refuse recipients outside of our domains, with this text",
    )
    parser.add_argument("--required", action="store_true", help="451 rather than leave unsigned")
    parser.add_argument(
        "--unsigned", type=Path, metavar="FILE", help="where to write what had to leave unsigned"
    )
    add_loop_option(parser)
    add_statistics_option(parser)
    parser.add_argument("--spool", type=Path, help="where large messages wait, on a disk")
    parser.add_argument(
        "--guard", type=Path, metavar="SOCKET", help="who counts failed logins: filters.logins"
    )
    parser.add_argument(
        "--written-to",
        type=Path,
        metavar="SOCKET",
        help="who takes down whom accounts write to, a datagram a message; needs --addresses",
    )
    parser.add_argument(
        "--rate-limit",
        type=int,
        nargs=2,
        metavar=("RECIPIENTS", "SECONDS"),
        help="how many recipients an account may write to in what time; --spool keeps the count",
    )
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
