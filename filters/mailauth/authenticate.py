"""The one orchestrator: a message and its envelope in, a verdict out, and the verdict stamped.

It must not know OpenSMTPD, where resolvers come from, nor what is done with a message.
"""

from __future__ import annotations

import logging
from typing import cast

from filters.mailauth.arc import verify as arc_verify
from filters.mailauth.auth_results import forged, format_field
from filters.mailauth.concurrently import concurrently
from filters.mailauth.dkim import verify as dkim_verify
from filters.mailauth.dmarc import evaluate as dmarc
from filters.mailauth.dmarc.discovery import Discovery, discover
from filters.mailauth.dns.lookup import Lookup
from filters.mailauth.dns.types import Resolver
from filters.mailauth.envelope import Envelope
from filters.mailauth.message import Author, Message, author, remove
from filters.mailauth.message_result import MessageResult
from filters.mailauth.results import ArcResult, DkimResult, SpfResult
from filters.mailauth.spf import check as spf_check

__all__ = ["Envelope", "MessageResult", "authenticate", "stamp"]

_Found = tuple[Discovery | None, tuple[DkimResult, ...], SpfResult | None, ArcResult]

log = logging.getLogger(__name__)


async def authenticate(
    message: bytes | Message,
    envelope: Envelope,
    resolver: Resolver,
    *,
    spf: bool = True,
    now: float | None = None,
) -> MessageResult:
    """Authenticate a message. Nothing is raised but cancellation.

    resolver: unless it is a Lookup already, it is wrapped in one, so that one deadline and one
    budget hold for everything. spf: whether to check SPF, if pyspf is there. now: seconds since
    1970 for the signatures' times, by default the clock's.
    """
    lookup = resolver if isinstance(resolver, Lookup) else Lookup(resolver)
    parsed = message if isinstance(message, Message) else Message(message)
    written = author(parsed)
    # SPF and ARC last: the few questions of the others are asked before their many can spend the
    # budget.
    found = await concurrently(
        _discover(written, lookup),
        _verify(parsed, lookup, now),
        _check(envelope, lookup) if spf and spf_check.available() else _nothing(),
        arc_verify.verify(parsed, lookup, now=now),
    )
    discovery, dkim, checked, arc = cast(_Found, tuple(found))
    evaluated = await dmarc.evaluate(written, discovery, checked, dkim, lookup)
    return MessageResult(checked, dkim, written, evaluated, arc, envelope)


async def _discover(written: Author, lookup: Lookup) -> Discovery | None:
    if written.domain is None:
        return None
    try:
        return await discover(written.domain, lookup)
    except Exception as error:  # nothing but a result leaves the engine
        log.error("DMARC records could not be looked up (%s)", type(error).__name__)
        return Discovery(None, False, None, error="DMARC could not be evaluated")


async def _verify(message: Message, lookup: Lookup, now: float | None) -> tuple[DkimResult, ...]:
    try:
        return await dkim_verify.verify(message, lookup, now=now)
    except Exception as error:  # nothing but a result leaves the engine
        log.error("DKIM could not be evaluated (%s)", type(error).__name__)
        reason = "DKIM could not be evaluated"
        return (DkimResult("neutral", "", "", "", "", "", reason),)


async def _check(envelope: Envelope, lookup: Lookup) -> SpfResult:
    return await spf_check.check(envelope, lookup)


async def _nothing() -> None:
    return None


def stamp(
    message: bytes | Message,
    verdict: MessageResult,
    authserv_id: str,
    *,
    disposition: str | None = None,
) -> bytes:
    """Return the message with forged fields removed and our one field above everything."""
    parsed = message if isinstance(message, Message) else Message(message)
    rest = remove(parsed.raw, forged(parsed, authserv_id))
    return format_field(authserv_id, verdict.results(disposition)) + rest
