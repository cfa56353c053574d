"""What becomes of a message that leaves: its senders are checked, and it is signed with DKIM.

`filters.mailauth` reads the author and signs, the key ring has the keys, and the address file says
who may send as whom. It must not know who its recipients are.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Sequence

from filters import script_mail
from filters.addresses import AddressFile, LocalAddresses
from filters.bare_addresses import add_domains
from filters.bare_cr import without_bare_cr
from filters.facts import ArrivalFacts
from filters.keyring import KeyRing
from filters.loops import Loops, reject_many_hops
from filters.mailauth.auth_results import forged
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.message import Author, Message, author, quote_author, remove
from filters.mailauth.names import may_align
from filters.missing_fields import with_missing_fields
from filters.quoting import quoted
from filters.recipients import mailboxes
from filters.resenders import resenders
from filters.script_mail import SCRIPT_OF, ScriptMail, addressed, dmarc_result, returned
from filters.smtpd import Reject, Request, Session, Transaction
from filters.smtpd.connection import Handshake
from filters.unsigned_counts import UnsignedCounts

log = logging.getLogger(__name__)

_NULL_SENDER = "signer: the null sender"
_ACCOUNT = re.compile(r"[!#-\[\]-~]+")
_JUNK = b"x-signpost-junk"


class Signer:
    """The decisions about one message. `addresses` None: nobody is checked."""

    def __init__(
        self,
        keys: KeyRing,
        addresses: AddressFile | None,
        *,
        required: bool,
        unsigned: UnsignedCounts | None = None,
        loops: Loops | None = None,
    ) -> None:
        self.keys = keys
        self.addresses = addresses
        self.required = required
        self.unsigned = unsigned or UnsignedCounts(None)
        self.loops = loops
        self.authserv_id = "localhost"

    def ready(self, handshake: Handshake) -> None:
        """Take the authserv-id from smtpd's `admd`: whose results nobody else may write."""
        self.authserv_id = handshake.admd or self.authserv_id

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

    def note_null_sender(self, session: Session, request: Request) -> None:
        """At MAIL, on the local socket: a bounce has the null sender."""
        if session.user is None:
            session.state[_NULL_SENDER] = not request.parameter

    def sign(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA: the message with its signatures in front, or the refusal.

        What a mail loop brings back is refused first, and counts for nobody.
        """
        if self.loops is None:
            return self._sign_or_refuse(session, message)
        returned = self.loops.reject_sent_again(session, message)
        if returned is not None:
            log.info("session=%s refused: a mail loop", session.id)
            return returned
        signed = self._sign_or_refuse(session, message)
        return signed if isinstance(signed, Reject) else self.loops.marked(session, signed)

    def _sign_or_refuse(self, session: Session, message: bytes) -> bytes | Reject:
        parsed = add_domains(quote_author(self._clean(message)), session.hostname)
        refusal = reject_many_hops(parsed)
        if refusal is not None:
            return refusal
        script = script_mail.read(parsed) if session.user is None else None
        if script is not None:
            return self._sign_for_script(session, script, Message(message))
        if session.user is None and _has_travelled(parsed):
            # Anyone's mail that is handed in again must not leave with our signature.
            return parsed.raw
        writer = author(parsed)
        if self.addresses is not None and session.user is None and not _is_bounce(session, writer):
            return self._leave_as_nobodys(session, parsed, writer)
        refusal = self._reject_author(session.user, writer)
        refusal = refusal or self._reject_resender(session, parsed)
        if refusal is not None:
            return refusal
        if session.user is None:
            return self._sign_what_returns(session, parsed)
        parsed = with_missing_fields(parsed, session.hostname, time.time())
        return self._sign_for_author(session, parsed)

    def _sign_for_script(
        self, session: Session, script: ScriptMail, came: Message
    ) -> bytes | Reject:
        """A redirect leaves as it came; a rejection is the server's, all else the account's."""
        refusal = self._reject_script(session, script, came)
        if refusal is not None:
            return refusal
        session.state[SCRIPT_OF] = script.account
        if script.kind == "redirect":
            _log_leaving(session, script.account, "script=redirect", script.message)
            return script.message.raw
        ours = [to for to in session.recipients if self._is_ours(to.rpartition("@")[2])]
        message = addressed(script.message, ours)
        if script.kind == "rejection":
            return self._sign_what_returns(session, message)
        return self._sign_for_author(session, message)

    def _sign_what_returns(self, session: Session, message: Message) -> bytes | Reject:
        """A bounce or a rejection. What it returns of a stranger's is not taken for mail from here.

        He has written one of our addresses into MAIL. At its delivery nothing is known of it.
        """
        signed = self._sign_for_author(session, message)
        if isinstance(signed, Reject) or not self._returns_strange(session, message):
            return signed
        return ArrivalFacts().field() + signed

    def _returns_strange(self, session: Session, message: Message) -> bool:
        """Whether the letter came in from outside, or was sent on by a script: of those that are
        submitted here, none has a result of our verifier's. One that passed DMARC as ours is ours.
        """
        if not any(self._is_ours(to.rpartition("@")[2]) for to in session.recipients):
            return False
        if (letter := returned(message)) is None:
            return False
        result = dmarc_result(letter, authserv_id=self.authserv_id)
        if result == "pass" and self._is_ours(author(letter).domain or ""):
            return False
        return result is not None or bool(letter.named(b"x-sieve-redirected-from"))

    def _reject_script(self, session: Session, script: ScriptMail, came: Message) -> Reject | None:
        if self.addresses is None:
            return None
        if not self.addresses.content.has_address(script.account):
            return Reject(550, f"5.7.1 {script.account or 'nobody'} has no address to send from")
        if script.kind == "redirect":
            return self._reject_redirect(session, script, came)
        if script.kind == "answer" and _reach_only(script.account, session, self.addresses.content):
            return Reject(550, f"5.7.1 {script.account} answers nobody but others")
        daemon = _daemon(session)
        writer = author(script.message)
        authors = [address.lower() for address in writer.addresses]
        if script.kind == "rejection" and authors == [daemon]:
            return None
        if daemon in authors:
            return self._refuse(script.account, daemon)
        return self._reject_author(script.account, writer)

    def _reject_redirect(
        self, session: Session, script: ScriptMail, came: Message
    ) -> Reject | None:
        """One that would pass DMARC by its envelope sender alone, and has not passed it here.

        The sender is the account, or null, and then SPF is our host name's (RFC 7208 §2.4). `came`
        still has the results that our verifier wrote.
        """
        domain = author(script.message).domain
        senders = (script.account.rpartition("@")[2], session.hostname)
        if domain is not None and not any(may_align(domain, sender) for sender in senders):
            return None
        result = dmarc_result(came, authserv_id=session.hostname)
        if result in {None, "none", "pass"}:
            return None
        log.warning(
            "login=%s may not redirect: dmarc=%s, author domain: %s",
            script.account,
            result,
            domain or "several",
        )
        return Reject(550, f"5.7.1 not redirected: its author failed DMARC here ({result})")

    def _reject_author(self, login: str | None, writer: Author) -> Reject | None:
        """Unless each author is the login's own."""
        if self.addresses is None or login is None:
            return None
        if writer.domain is None:
            return Reject(550, f"5.6.0 From: {writer.reason}; send with one author address")
        refusals = (self._owned(login, address) for address in writer.addresses)
        return next((refusal for refusal in refusals if refusal is not None), None)

    def _reject_resender(self, session: Session, parsed: Message) -> Reject | None:
        """Unless each sender that is named beside the author, and is of ours, is the login's own.

        Others are let be: some programs name the host that they run on.
        """
        if self.addresses is None or session.user is None:
            return None
        ours = self.addresses.content
        for field, address, domain in resenders(parsed):
            if address is None:
                if not domain.isascii() or any(each in domain for each in ours.domains):
                    return Reject(550, f"5.6.0 {field} has no address that everybody reads alike")
            elif ours.is_ours(domain) or address.lower() == _daemon(session):
                refusal = self._owned(session.user, address)
                if refusal is not None:
                    return refusal
        return None

    def _sign_for_author(self, session: Session, parsed: Message) -> bytes | Reject:
        writer = author(parsed)
        if writer.domain is None:
            log.info("session=%s not signed: From: %s", session.id, quoted(writer.reason))
            return parsed.raw
        keys = self.keys.keys_for(writer.domain)
        if not keys and self._is_ours(writer.domain):
            return self._leave_unsigned(session, parsed, writer.domain, "there is no key for it")
        if not keys:
            log.info("session=%s not signed: %s is not ours", session.id, writer.domain)
            return parsed.raw
        return self._sign(session, parsed, writer.domain, keys)

    def _clean(self, message: bytes) -> Message:
        """Without bare CRs, and without results that only our verifier writes (RFC 8601 §5), or
        only a delivery: what it said to one reader is no other's.

        A CR is no reason to refuse: programs leave some in pasted text, and a bounce or a redirect
        would be lost. From here on all that is checked is what leaves.
        """
        parsed = Message(without_bare_cr(message))
        found = [*forged(parsed, self.authserv_id), *parsed.named(_JUNK)]
        return Message(remove(parsed.raw, found)) if found else parsed

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
        signed = ",".join(key.selector for key in keys)
        login = session.user or session.state.get(SCRIPT_OF)
        _log_leaving(session, login, f"author={domain} signed={signed}", message)
        return signatures + message.raw

    def _leave_as_nobodys(
        self, session: Session, message: Message, writer: Author
    ) -> bytes | Reject:
        """What a program on this machine hands in: nobody says that it may write as its author."""
        named = quoted(writer.domain or writer.reason)
        log.warning("session=%s not signed: local mail of no account, From: %s", session.id, named)
        if self.required and writer.domain is not None and self._signs_for(writer.domain):
            return Reject(550, "5.7.1 local mail of no account is not signed; log in to send it")
        return message.raw

    def _signs_for(self, domain: str) -> bool:
        return bool(self.keys.keys_for(domain)) or self._is_ours(domain)

    def _is_ours(self, domain: str) -> bool:
        return self.addresses is not None and self.addresses.content.is_ours(domain)

    def _leave_unsigned(
        self, session: Session, message: Message, domain: str, reason: str
    ) -> bytes | Reject:
        """Whatever the cause, mail of ours that leaves bare is never silent."""
        log.error(
            "session=%s domain=%s could not be signed (%d so far)%s: %s",
            session.id,
            domain,
            self.unsigned.unsigned(domain, reason),
            "" if self.required else "; it leaves unsigned",
            quoted(reason),
        )
        if self.required:
            return Reject(451, f"4.7.5 mail from {domain} cannot be signed at the moment")
        return message.raw

    def _owned(self, login: str, address: str) -> Reject | None:
        assert self.addresses is not None  # noqa: S101 -- both callers look first
        if self.addresses.content.may_use(login, address):
            return None
        return self._refuse(login, address)

    @staticmethod
    def _refuse(login: str, address: str) -> Reject:
        log.warning("login=%s may not send as %s", login, quoted(address))
        return Reject(550, f"5.7.1 <{address}> is not an address of {login}")


def _log_leaving(session: Session, login: str | None, what: str, message: Message) -> None:
    """Which message is whose; what the sender chose stands last. Nobody waits for the line."""
    owner = login or "-"
    # An account has no such character; without an address file a script's may be anything.
    whose = owner if _ACCOUNT.fullmatch(owner) else quoted(owner)

    def write(transaction: Transaction | None) -> None:
        named = message.named(b"message-id")
        identity = b" ".join(named[0].value.split()) if named else b""
        log.info(
            "session=%s msgid=%s login=%s %s from=%s message-id=%s",
            session.id,
            transaction.msgid if transaction is not None else "-",
            whose,
            what,
            quoted((transaction.sender if transaction is not None else None) or ""),
            quoted(identity.decode("ascii", "backslashreplace")),
        )

    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:  # a program of another kind
        write(session.transaction)
    else:
        loop.call_soon(write, session.transaction)


def _reach_only(account: str, session: Session, ours: LocalAddresses) -> bool:
    """Dovecot knows one address of an account, and would answer what comes from another."""
    return {mailboxes(ours, address) for address in session.recipients} == {
        frozenset({account.lower()})
    }


def _is_bounce(session: Session, writer: Author) -> bool:
    """Whether mail on the local socket is as smtpd itself makes its bounces.

    Who may reach that socket could write one, too, and nothing but that.
    """
    authors = [address.lower() for address in writer.addresses]
    return (
        bool(session.state.get(_NULL_SENDER))
        and writer.well_formed
        and authors == [_daemon(session)]
    )


def _daemon(session: Session) -> str:
    """Whom bounces are from."""
    return f"mailer-daemon@{session.hostname}".lower()


def _has_travelled(message: Message) -> bool:
    """Whether an earlier hop left a Received field: smtpd's own is the one on top."""
    return len(message.named(b"received")) > 1
