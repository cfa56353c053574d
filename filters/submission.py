"""The filter for mail that leaves: checks who sends as whom, and signs with DKIM.

    python -m filters.submission example.org:mail:/etc/mail/example.org.key

Stands on ports 587 and 465 and on the local socket of smtpd. A message comes in from
`filters.smtpd`, its author is read by `filters.mailauth`, the keys come from the key ring, and
the signatures go out in front of it.
"""

from __future__ import annotations

import argparse
import logging
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from filters.addresses import AddressFile
from filters.bare_addresses import complete
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dkim_sign import SigningKey, sign
from filters.mailauth.message import Message, author
from filters.program import refuse_to_start, start_logging
from filters.smtpd import PROCEED, FilterServer, Reject, Request, Session, Verdict

log = logging.getLogger(__name__)

# The host name completes addresses, the login is checked; nothing else of a Session is asked for.
LOOKED_AT = ("link-greeting", "link-auth")


class Submission:
    """The decisions about one message that leaves. `addresses` None: nobody is checked."""

    def __init__(self, keys: KeyRing, addresses: AddressFile | None, *, required: bool) -> None:
        self.keys = keys
        self.addresses = addresses
        self.required = required
        self.unsigned: Counter[str] = Counter()

    def check_sender(self, session: Session, request: Request) -> Verdict:
        """At MAIL: the envelope sender must be the login's own, or null (RFC 5321, 4.5.5)."""
        if self.addresses is None or session.user is None or not request.parameter:
            return PROCEED
        return self._owned(session.user, request.text) or PROCEED

    def refuse_other_domains(self, session: Session, request: Request) -> Verdict:
        """At RCPT in demo mode: nothing leaves, and the client is told why."""
        domain = request.text.rpartition("@")[2]
        if self.addresses is None or self.addresses.book.is_ours(domain):
            return PROCEED
        return Reject(
            550, f"5.7.1 <{request.text}>: no mail leaves a demo server; set DOMAINS and ACCOUNTS"
        )

    def sign(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA: the message with its signatures in front, or the refusal."""
        parsed = complete(Message(message), session.hostname)
        writer = author(parsed)
        if self.addresses is not None and session.user is not None:
            if writer.domain is None:
                return Reject(550, f"5.6.0 From: {writer.reason}; send with one author address")
            for address in writer.addresses:
                refusal = self._owned(session.user, address)
                if refusal is not None:
                    return refusal
        if session.user is None and _has_travelled(parsed):
            # Anyone's mail that is handed in again must not leave with our signature.
            return parsed.raw
        if writer.domain is None:
            log.info("session=%s not signed: From: %s", session.id, writer.reason)
            return parsed.raw
        keys = self.keys.keys_for(writer.domain)
        if not keys:
            log.info("session=%s not signed: %s is not ours", session.id, writer.domain)
            return parsed.raw
        return self._sign(session, parsed, writer.domain, keys)

    def _sign(
        self, session: Session, message: Message, domain: str, keys: Sequence[SigningKey]
    ) -> bytes | Reject:
        start = time.perf_counter()
        try:
            signatures = sign(message, keys)
        except Exception as error:
            # Whatever the cause, mail of ours that leaves bare is never silent.
            self.unsigned[domain] += 1
            log.error(
                "session=%s domain=%s could not be signed: %s: %s (%d so far)%s",
                session.id,
                domain,
                type(error).__name__,
                error,
                self.unsigned[domain],
                "" if self.required else "; it leaves unsigned",
            )
            if self.required:
                return Reject(451, f"4.7.5 mail from {domain} cannot be signed at the moment")
            return message.raw
        log.debug("session=%s signed in %.2f ms", session.id, 1e3 * (time.perf_counter() - start))
        return signatures + message.raw

    def _owned(self, login: str, address: str) -> Reject | None:
        assert self.addresses is not None  # noqa: S101 -- both callers look first
        if self.addresses.book.may_use(login, address):
            return None
        log.warning("login=%s may not send as %s", login, address)
        return Reject(550, f"5.7.1 <{address}> is not an address of {login}")


def _has_travelled(message: Message) -> bool:
    """Whether an earlier hop left a Received field: smtpd's own is the one on top."""
    return len(message.named(b"received")) > 1


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the filter under smtpd; exit 2 with every error where the keys do not load."""
    start_logging()
    parser = argparse.ArgumentParser("filters.submission", description=__doc__.splitlines()[0])
    parser.add_argument("keys", nargs="*", metavar="DOMAIN:SELECTOR:KEYFILE")
    parser.add_argument("-c", "--config", type=Path, help="the same triples, one a line")
    parser.add_argument("--addresses", type=Path, help="who may send as whom (JSON)")
    parser.add_argument(
        "--local-only",
        action="store_true",
        help="refuse recipients outside of our domains",
    )
    parser.add_argument("--required", action="store_true", help="451 rather than leave unsigned")
    parser.add_argument("--spool", type=Path, help="where large messages wait, on a disk")
    options = parser.parse_args(arguments)
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
    submission = Submission(ring, addresses, required=options.required)
    server = FilterServer(spool=options.spool)
    server.track_context(LOOKED_AT)
    if addresses is not None:
        server.register_handler("filter", "mail-from", submission.check_sender)
    if options.local_only:
        server.register_handler("filter", "rcpt-to", submission.refuse_other_domains)
    server.register_message_filter(submission.sign)
    log.info("signing for %s", ", ".join(ring.domains))
    server.serve_forever()


if __name__ == "__main__":
    main()
