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
from collections.abc import Sequence
from pathlib import Path

from filters.addresses import AddressFile
from filters.bare_addresses import complete
from filters.guard.guard_client import GuardClient
from filters.guard.sending_limit import SendingLimit
from filters.in_turn import Handler, in_turn
from filters.keyring import KeyRing, KeySpec
from filters.mailauth.dkim_sign import SigningKey, sign
from filters.mailauth.message import Message, author
from filters.program import refuse_to_start, start_logging
from filters.sieve_account import whose_script
from filters.smtpd import PROCEED, FilterServer, Reject, Request, Session, Verdict
from filters.submission_door import LoginDoor, SendingDoor
from filters.unsigned_book import UnsignedBook

log = logging.getLogger(__name__)

# The host name completes addresses, the login is checked; nothing else of a Session is asked for.
LOOKED_AT = ("link-greeting", "link-auth")
# What the guard has to know, too.
LOOKED_AT_BY_THE_GUARD = ("link-connect", *LOOKED_AT)
# Whom Sieve's `reject` writes as, whoever's script it is in.
_REJECTIONS = "mailer-daemon@"


class Submission:
    """The decisions about one message that leaves. `addresses` None: nobody is checked."""

    def __init__(
        self,
        keys: KeyRing,
        addresses: AddressFile | None,
        *,
        required: bool,
        unsigned: UnsignedBook | None = None,
    ) -> None:
        self.keys = keys
        self.addresses = addresses
        self.required = required
        self.unsigned = unsigned or UnsignedBook(None)

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
        login = session.user
        if login is None:
            login, parsed = whose_script(parsed)
            if _has_travelled(parsed):
                # Anyone's mail that is handed in again must not leave with our signature.
                return parsed.raw
        writer = author(parsed)
        if self.addresses is not None and login is not None:
            if writer.domain is None:
                return Reject(550, f"5.6.0 From: {writer.reason}; send with one author address")
            for address in writer.addresses:
                if session.user is None and address.lower().startswith(_REJECTIONS):
                    continue
                refusal = self._owned(login, address)
                if refusal is not None:
                    return refusal
        if writer.domain is None:
            log.info("session=%s not signed: From: %s", session.id, writer.reason)
            return parsed.raw
        keys = self.keys.keys_for(writer.domain)
        if not keys and self._is_ours(writer.domain):
            return self._leave_unsigned(session, parsed, writer.domain, "there is no key for it")
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
            reason = f"{type(error).__name__}: {error}"
            return self._leave_unsigned(session, message, domain, reason)
        self.unsigned.signed(domain)
        log.debug("session=%s signed in %.2f ms", session.id, 1e3 * (time.perf_counter() - start))
        return signatures + message.raw

    def _is_ours(self, domain: str) -> bool:
        return self.addresses is not None and self.addresses.book.is_ours(domain)

    def _leave_unsigned(
        self, session: Session, message: Message, domain: str, reason: str
    ) -> bytes | Reject:
        """Whatever the cause, mail of ours that leaves bare is never silent."""
        log.error(
            "session=%s domain=%s could not be signed: %s (%d so far)%s",
            session.id,
            domain,
            reason,
            self.unsigned.unsigned(domain, reason),
            "" if self.required else "; it leaves unsigned",
        )
        if self.required:
            return Reject(451, f"4.7.5 mail from {domain} cannot be signed at the moment")
        return message.raw

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
    submission = Submission(
        ring, addresses, required=options.required, unsigned=UnsignedBook(options.unsigned)
    )
    server = FilterServer(spool=options.spool)
    server.track_context(LOOKED_AT_BY_THE_GUARD if options.guard else LOOKED_AT)
    at_mail: list[Handler] = [] if addresses is None else [submission.check_sender]
    at_rcpt: list[Handler] = [submission.refuse_other_domains] if options.local_only else []
    limit = None
    if options.guard is not None:
        login_door = LoginDoor(GuardClient(options.guard))
        login_door.register(server)
        at_mail.insert(0, login_door.refuse_login)
    if options.rate_limit is not None:
        kept = options.spool / "sent.json" if options.spool else None
        recipients, seconds = options.rate_limit
        limit = SendingLimit(recipients, seconds, kept)
        sending_door = SendingDoor(limit)
        sending_door.register(server)
        at_rcpt.append(sending_door.refuse_recipient)
    for phase, handlers in (("mail-from", at_mail), ("rcpt-to", at_rcpt)):
        if handlers:
            server.register_handler("filter", phase, in_turn(handlers))
    server.register_message_filter(submission.sign)
    log.info("signing for %s", ", ".join(ring.domains))
    server.serve_forever()
    if limit is not None:
        limit.finish()


if __name__ == "__main__":
    main()
