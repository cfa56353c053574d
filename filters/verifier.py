"""What becomes of a message that arrives: it is verified, and stamped or refused.

`filters.mailauth` finds out and says what the author's domain asks for; here it becomes bytes for
smtpd, a reply for the sender's postmaster, and a line in the log.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from filters.bare_cr import begins_a_header_line, without_bare_cr
from filters.client_counts import ClientCounts
from filters.facts_writer import FactsWriter
from filters.forwarding import Forwarding
from filters.loops import Loops, reject_many_hops
from filters.mailauth.authenticate import MessageResult, authenticate, stamp
from filters.mailauth.dns.resolver import Lookup, Resolver
from filters.mailauth.envelope import Envelope
from filters.mailauth.message import Message, quote_author
from filters.mailauth.policy import Decision, Enforce, decide
from filters.quoting import quoted
from filters.recipients import QUARANTINED
from filters.smtpd import Reject, Session, Transaction
from filters.smtpd.connection import Handshake
from filters.spam_fields import SpamFields


def envelope_of(session: Session, unknown_clients: frozenset[str]) -> Envelope:
    """What is known so far; at `unknown_clients` anyone may appear (a NAT)."""
    transaction = session.transaction
    return Envelope(
        client_address=session.client_address,
        helo=session.helo,
        sender=(transaction.sender if transaction is not None else None) or "",
        recipients=tuple(session.recipients),
        user=session.user,
        client_unknown=session.client_address in unknown_clients,
        client_name=session.rdns,
        reverse=session.fcrdns,
    )


log = logging.getLogger(__name__)

# What smtpd's maildir action and Sieve file as junk.
SPAM = b"X-Spam: yes\r\n"


@dataclass(frozen=True)
class InboundPolicy:
    """What the operator decided.

    enforce, trusted_sealers: see `filters.mailauth.policy`. unknown_clients: addresses at which
    anyone may appear (a NAT). dns_timeout: seconds a message.
    """

    enforce: Enforce = "yes"
    trusted_sealers: frozenset[str] = frozenset()
    spf: bool = True
    unknown_clients: frozenset[str] = frozenset()
    dns_timeout: float = 20.0


@dataclass(frozen=True)
class Judgement:
    """A message that was verified. message: as it is passed on, its bare CRs replaced."""

    message: Message
    envelope: Envelope
    verdict: MessageResult
    decision: Decision


class Verifier:
    """The decisions about one message. `forwarding`, `counts`, `loops` and `facts` may be None:
    that is not done.
    """

    def __init__(
        self,
        authserv_id: str | None,
        resolver: Resolver,
        policy: InboundPolicy,
        *,
        forwarding: Forwarding | None = None,
        counts: ClientCounts | None = None,
        spam_fields: SpamFields | None = None,
        loops: Loops | None = None,
        facts: FactsWriter | None = None,
    ) -> None:
        self.authserv_id = authserv_id
        self.resolver = resolver
        self.policy = policy
        self.forwarding = forwarding
        self.counts = counts
        self.spam_fields = spam_fields or SpamFields()
        self.loops = loops
        self.facts = facts

    def ready(self, handshake: Handshake) -> None:
        """Take the authserv-id from smtpd's `admd` unless the operator named one."""
        self.authserv_id = self.authserv_id or handshake.admd or "localhost"

    async def verify(self, session: Session, message: bytes) -> bytes | Reject:
        """At the end of DATA: the message under its Authentication-Results field, or a refusal."""
        judged = await self.judge(session, message, self.resolver)
        if isinstance(judged, Reject):
            return judged
        verdict, decision = judged.verdict, judged.decision
        session.state.pop(QUARANTINED, None)
        if decision.disposition == "quarantine" and self.policy.enforce == "yes":
            session.state[QUARANTINED] = verdict.author.domain
        refused = refusal(verdict, decision)
        if refused is not None:
            return refused
        stamped = self.stamped(judged)
        if self.forwarding is not None and self.forwarding.concerns(judged.envelope.recipients):
            authserv_id = self.authserv_id or "localhost"
            stamped = await self.forwarding.seal(stamped, verdict, authserv_id, session.hostname)
        if self.loops is not None:
            stamped = self.loops.marked(session, stamped)
        if self.facts is not None:
            stamped = await self.facts.in_front(session, verdict, stamped)
        return stamped

    async def judge(
        self, session: Session, message: bytes, resolver: Resolver
    ) -> Judgement | Reject:
        """What is found out about the message; a refusal where it is not even looked at."""
        # The fields of other filters are no client's: what is verified is what the client sent.
        policy, parsed = self.policy, Message(self.spam_fields.as_sent(message))
        clean = without_bare_cr(message)
        if clean is not message and begins_a_header_line(parsed):
            log.info("session=%s refused: a header line begins with a bare CR", session.id)
            return Reject(550, "5.6.0 a header line begins with a bare CR (RFC 5321, 2.3.8)")
        returned = reject_many_hops(parsed)
        if returned is None and self.loops is not None:
            returned = self.loops.reject_returned(session, message)
        if returned is not None:
            log.info("session=%s refused: a mail loop", session.id)
            return returned
        envelope = envelope_of(session, policy.unknown_clients)
        if self.counts is not None:
            self.counts.note(envelope.client_address, unknown=envelope.client_unknown)
        lookup = Lookup(resolver, seconds=policy.dns_timeout)
        verdict = await authenticate(parsed, envelope, lookup, spf=policy.spf)
        decision = decide(
            verdict, envelope, enforce=policy.enforce, trusted_sealers=policy.trusted_sealers
        )
        # The message goes back first: nobody waits for the line. Its transaction may be over then.
        asyncio.get_running_loop().call_soon(
            _log_decision, session.id, session.transaction, envelope, parsed, verdict, decision
        )
        passed_on = parsed if clean is parsed.raw else Message(clean)
        return Judgement(passed_on, envelope, verdict, decision)

    def stamped(self, judged: Judgement) -> bytes:
        """The message as it is delivered: under its field, and marked where it is junk."""
        # Quoted, for smtpd would make an address of a bare word in it.
        passed_on = quote_author(self.spam_fields.without_sent(judged.message))
        disposition = judged.decision.disposition
        authserv_id = self.authserv_id or "localhost"
        stamped = stamp(passed_on, judged.verdict, authserv_id, disposition=disposition)
        return SPAM + stamped if disposition == "quarantine" else stamped


def refusal(verdict: MessageResult, decision: Decision) -> Reject | None:
    """The reply that the sender's postmaster reads (codes: RFC 7372 §3.2, RFC 3463 §3.8)."""
    domain, reason = verdict.author.domain, decision.reason
    if decision.disposition == "reject" and domain is None:
        return Reject(550, f"5.7.26 the author cannot be verified: {reason}")
    if decision.disposition == "reject":
        return Reject(550, f"5.7.26 refused by the DMARC policy of {domain}: {reason}")
    if decision.disposition == "defer":
        return Reject(451, f"4.7.5 {domain} cannot be verified now, try again later: {reason}")
    return None


def _log_decision(
    session: str,
    transaction: Transaction | None,
    envelope: Envelope,
    message: Message,
    verdict: MessageResult,
    decision: Decision,
) -> None:
    """Every decision is one line; what the sender chose stands last."""
    named = message.named(b"message-id")
    identity = b" ".join(named[0].value.split()) if named else b""
    log.info(
        "session=%s msgid=%s client=%s author=%s %s disposition=%s%s from=%s message-id=%s",
        session,
        transaction.msgid if transaction is not None else "-",
        envelope.client_address or "local",
        verdict.author.domain or "-",
        " ".join(f"{result.method}={result.result}" for result in verdict.results()),
        decision.disposition,
        f" reason={quoted(decision.reason)}" if decision.reason else "",
        quoted(envelope.sender),
        quoted(identity.decode("ascii", "backslashreplace")),
    )
