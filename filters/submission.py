"""The filter for mail that leaves: checks who sends as whom, and signs with DKIM.

    python -m filters.submission example.org:mail:/etc/mail/example.org.key

Stands on ports 587 and 465 and on the local socket of smtpd. Here is the command; what it says is
decided in `filters.submission_access` of logins and rates, in `filters.recipients` at RCPT, and in
`filters.signer` of senders and messages.
"""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from filters.addresses import AddressFile
from filters.disk_room import QueueRoom
from filters.guard.client import GuardClient
from filters.guard.sending_limit import SendingLimit
from filters.in_turn import Handler, in_turn
from filters.keyring import KeyRing, KeySpec
from filters.program import refuse_to_start, start_logging
from filters.quota_status import QuotaStatus
from filters.recipients import SubmissionRecipients
from filters.signer import Signer
from filters.smtpd import FilterServer
from filters.submission_access import LoginDoor, SendingDoor, name_account
from filters.unsigned_book import UnsignedBook

log = logging.getLogger(__name__)

# The host name completes addresses, the login is checked; nothing else of a Session is asked for.
LOOKED_AT = ("link-greeting", "link-auth")
# What the guard has to know, too.
LOOKED_AT_BY_THE_GUARD = ("link-connect", *LOOKED_AT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd; exit 2 with every error where the keys do not load."""
    start_logging()
    options = _options(arguments)
    errors: list[str] = []
    specs, ring, addresses = [], None, None
    for text in options.keys:
        try:
            specs.append(KeySpec.parse(text))
        except ValueError as error:
            errors.append(str(error))
    if not options.keys and options.config is None:
        errors.append("no key: name DOMAIN:SELECTOR:KEYFILE or -c FILE")
    try:
        ring = KeyRing(specs, options.config)
    except ValueError as error:
        errors += str(error).split("\n")
    if options.addresses is not None:
        try:
            addresses = AddressFile(options.addresses)
        except (OSError, ValueError) as error:
            errors.append(f"{options.addresses}: {error}")
    elif options.local_only:
        errors.append("--local-only needs --addresses")
    if errors or ring is None:
        refuse_to_start(errors)
    signer = Signer(
        ring, addresses, required=options.required, unsigned=UnsignedBook(options.unsigned)
    )
    server = FilterServer(spool=options.spool)
    server.track_context(LOOKED_AT_BY_THE_GUARD if options.guard else LOOKED_AT)
    server.register_handler("report", "link-auth", name_account)
    at_mail: list[Handler] = []
    if options.spool is not None:
        at_mail.append(QueueRoom(options.spool).refuse_mail)
    at_rcpt: list[Handler] = []
    limit = None
    if addresses is not None:
        quotas = QuotaStatus(options.quota_status) if options.quota_status else None
        recipients = SubmissionRecipients(addresses, quotas)
        at_mail.append(signer.check_sender)
        at_rcpt.append(recipients.refuse)
        if options.local_only:
            at_rcpt.append(recipients.refuse_other_domains)
    if options.guard is not None:
        login_door = LoginDoor(GuardClient(options.guard))
        login_door.register(server)
        at_mail.insert(0, login_door.refuse_login)
    if options.rate_limit is not None:
        kept = options.spool / "sent.json" if options.spool else None
        allowed, seconds = options.rate_limit
        limit = SendingLimit(allowed, seconds, kept)
        sending_door = SendingDoor(limit)
        sending_door.register(server)
        at_rcpt.append(sending_door.refuse_recipient)
    for phase, handlers in (("mail-from", at_mail), ("rcpt-to", at_rcpt)):
        if handlers:
            server.register_handler("filter", phase, in_turn(handlers))
    server.register_message_filter(signer.sign)
    log.info("signing for %s", ", ".join(ring.domains))
    server.serve_forever()
    if limit is not None:
        limit.finish()


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("filters.submission", description=__doc__.splitlines()[0])
    parser.add_argument("keys", nargs="*", metavar="DOMAIN:SELECTOR:KEYFILE")
    parser.add_argument("-c", "--config", type=Path, help="the same triples, one a line")
    parser.add_argument(
        "--addresses", type=Path, help="who may send as whom, and our recipients (JSON)"
    )
    parser.add_argument(
        "--quota-status",
        type=Path,
        metavar="SOCKET",
        help="Dovecot's, to refuse for full mailboxes",
    )
    parser.add_argument(
        "--local-only",
        action="store_true",
        help="refuse recipients outside of our domains",
    )
    parser.add_argument("--required", action="store_true", help="451 rather than leave unsigned")
    parser.add_argument(
        "--unsigned", type=Path, metavar="FILE", help="where to write what had to leave unsigned"
    )
    parser.add_argument("--spool", type=Path, help="where large messages wait, on a disk")
    parser.add_argument(
        "--guard", type=Path, metavar="SOCKET", help="who counts failed logins: filters.logins"
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
