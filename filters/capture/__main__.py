"""The command line of the filter.

python -m filters.capture /run/signpost/target/capture mail.example.org
"""

from __future__ import annotations

import argparse
import asyncio
import logging
from collections.abc import Sequence
from pathlib import Path

from filters.capture.handlers import Capture, CaptureRules
from filters.capture.target import TargetLink
from filters.mailauth.dns.zone import StaticResolver
from filters.mailauth.spf import check as spf_check
from filters.program import read_addresses, refuse_to_start, start_logging
from filters.recipients import InboundRecipients
from filters.smtpd import FilterServer
from filters.verifier import InboundPolicy, Verifier

log = logging.getLogger(__name__)

# The longest delay of a fault is 60 seconds; then the message still has to be stored.
_DEADLINE = 120.0
_LARGEST = 50 * 1024 * 1024  # bytes of a message, where the command line says nothing

_COMMANDS = ("connect", "helo", "ehlo", "auth", "mail-from", "rcpt-to", "data")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd."""
    start_logging()
    options = _options(arguments)
    if not spf_check.available():
        log.info("SPF is not checked: no pyspf here")
    target = TargetLink(options.socket)
    # What production would do is found out in any case; whether it is done is another question.
    policy = InboundPolicy(enforce="quarantine" if options.dmarc_enforce == "quarantine" else "yes")
    verifier = Verifier(options.authserv_id, StaticResolver({}), policy)
    rules = CaptureRules(
        enforce=options.dmarc_enforce != "no",
        delimiter=options.delimiter,
        largest=options.max_message_size,
    )
    capture = Capture(verifier, target, rules)
    server = FilterServer(deadline=_DEADLINE, spool=options.spool)
    server.track_context()
    server.on_ready(verifier.ready)
    server.on_ready(lambda handshake: _begin(target))
    server.register_handler("report", "link-connect", capture.note_ports)
    if options.addresses is not None:
        _restrict(server, options.addresses)
    for phase in _COMMANDS:
        server.register_handler("filter", phase, capture.command)
    server.register_message_filter(capture.message)
    server.serve_forever()


def _restrict(server: FilterServer, path: Path) -> None:
    """Refuse, as production does, whom nobody is."""
    errors: list[str] = []
    addresses = read_addresses(path, errors)
    if addresses is None:
        refuse_to_start(errors)
    recipients = InboundRecipients(addresses)
    server.register_handler("filter", "rcpt-to", recipients.reject_unauth_destination)
    server.register_handler("filter", "rcpt-to", recipients.reject_unlisted_recipient)


_running: set[asyncio.Task[None]] = set()


def _begin(target: TargetLink) -> None:
    # Only now is there a loop.
    _running.add(asyncio.get_running_loop().create_task(target.run()))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("filters.capture", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("socket", type=Path, help="where the process listens that stores messages")
    parser.add_argument("authserv_id", nargs="?", help="default: smtpd's admd, its host name")
    parser.add_argument("--delimiter", default="+", help="what begins a sub-address; empty: none")
    parser.add_argument(
        "--dmarc-enforce",
        choices=["no", "quarantine", "yes"],
        default="no",
        help="whether mail is refused as its author domain's policy says",
    )
    parser.add_argument("--addresses", type=Path, help="accept mail for these alone")
    parser.add_argument("--max-message-size", type=int, default=_LARGEST, metavar="BYTES")
    parser.add_argument("--spool", type=Path, help="where large messages wait, on a disk")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
