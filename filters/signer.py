"""What becomes of a message that leaves: its senders are checked, and it is signed with DKIM.

`filters.mailauth` reads the author and signs, the key ring has the keys, and the address file says
who may send as whom. It must not know who its recipients are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from filters.addresses import AddressFile
from filters.bare_addresses import add_domains
from filters.keyring import KeyRing
from filters.mailauth.dkim.sign import SigningKey, sign
from filters.mailauth.message import Message, author, quote_author, remove
from filters.smtpd import Reject, Request, Session
from filters.unsigned_counts import UnsignedCounts

FIELD = b"x-signpost-account"


def whose_script(message: Message) -> tuple[str | None, Message]:
    """The account, and the message without that field; None and the same where there is none.

    Only the field on top counts: a redirected message may have brought one of its own.
    """
    marks = message.named(FIELD)
    if not marks:
        return None, message
    account = marks[0].value.strip().decode("ascii", "backslashreplace")
    return account, Message(remove(message.raw, marks[:1]))


log = logging.getLogger(__name__)

# Whom Sieve's `reject` writes as, whoever's script it is in.
_REJECTIONS = "mailer-daemon@"


class Signer:
    """The decisions about one message. `addresses` None: nobody is checked."""

    def __init__(
        self,
        keys: KeyRing,
        addresses: AddressFile | None,
        *,
        required: bool,
        unsigned: UnsignedCounts | None = None,
    ) -> None:
        self.keys = keys
        self.addresses = addresses
        self.required = required
        self.unsigned = unsigned or UnsignedCounts(None)

    def reject_sender_login_mismatch(self, session: Session, request: Request) -> Reject | None:
        """At MAIL: the envelope sender must be the login's own, or null (RFC 5321 §4.5.5).

        A login without any address, as the health check's is, may not send the null sender either.
        """
        if self.addresses is None or session.user is None:
            return None
        if request.parameter:
            return self._owned(session.user, request.address)
        if self.addresses.content.has_address(session.user):
            return None
        return Reject(550, f"5.7.1 {session.user} has no address to send from")

    def sign(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA: the message with its signatures in front, or the refusal."""
        parsed = add_domains(quote_author(Message(message)), session.hostname)
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
        return self.addresses is not None and self.addresses.content.is_ours(domain)

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
        if self.addresses.content.may_use(login, address):
            return None
        log.warning("login=%s may not send as %s", login, address)
        return Reject(550, f"5.7.1 <{address}> is not an address of {login}")


def _has_travelled(message: Message) -> bool:
    """Whether an earlier hop left a Received field: smtpd's own is the one on top."""
    return len(message.named(b"received")) > 1
