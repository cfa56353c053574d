"""The one orchestrator: a message and its envelope in, a verdict out, and the verdict stamped.

DMARC, ARC and policy will join here. It must not know OpenSMTPD, nor where resolvers come from.
"""

import asyncio
import logging
from dataclasses import dataclass

from filters.mailauth import dkim_verify, spf_check
from filters.mailauth.auth_results import MethodResult, forged, format_field
from filters.mailauth.dkim_verify import DkimResult
from filters.mailauth.dns_types import Resolver
from filters.mailauth.envelope import Envelope
from filters.mailauth.lookup import Lookup
from filters.mailauth.message import Author, Message, author, remove
from filters.mailauth.spf_check import SpfResult

__all__ = ["Envelope", "Verdict", "authenticate", "stamp"]

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What the engine found out about a message.

    spf: None where it was not asked for or pyspf is missing. dkim: a result for each signature,
    top first.
    """

    spf: SpfResult | None
    dkim: tuple[DkimResult, ...]
    author: Author

    def results(self) -> tuple[MethodResult, ...]:
        """Return the results in RFC 8601's words, as they stand in the field."""
        spf = () if self.spf is None else (_spf(self.spf),)
        return spf + _dkim(self.dkim)


def _spf(spf: SpfResult) -> MethodResult:
    name = "smtp.mailfrom" if spf.identity == "mailfrom" else "smtp.helo"
    properties = ((name, spf.sender),) if spf.sender else ()
    return MethodResult("spf", spf.result, spf.reason or None, properties=properties)


def _dkim(results: tuple[DkimResult, ...]) -> tuple[MethodResult, ...]:
    if not results:
        return (MethodResult("dkim", "none"),)
    shown = [_signature(result) for result in results[: dkim_verify.MOST_SIGNATURES]]
    if rest := len(results) - len(shown):
        # A thousand signatures must not make a field of a thousand results.
        reason = f"{rest} more after the first {len(shown)} were not verified"
        shown.append(MethodResult("dkim", "policy", reason))
    return tuple(shown)


def _signature(result: DkimResult) -> MethodResult:
    properties = (
        ("header.d", result.domain),
        ("header.i", result.identity),
        ("header.s", result.selector),
        ("header.a", result.algorithm),
        ("header.b", result.signature_b),
    )
    return MethodResult(
        "dkim",
        result.result,
        result.reason or None,
        properties=tuple((name, value) for name, value in properties if value),
    )


async def authenticate(
    message: bytes,
    envelope: Envelope,
    resolver: Resolver,
    *,
    spf: bool = True,
    now: float | None = None,
) -> Verdict:
    """Authenticate a message. Nothing is raised but cancellation.

    resolver: unless it is a Lookup already, it is wrapped in one, so that one deadline and one
    budget hold for everything. spf: whether to check SPF, if pyspf is there. now: seconds since
    1970 for the signatures' times, by default the clock's.
    """
    lookup = resolver if isinstance(resolver, Lookup) else Lookup(resolver)
    parsed = Message(message)
    # DKIM first: its few questions are asked before SPF's many can spend the budget.
    dkim, checked = await asyncio.gather(
        _verify(parsed, lookup, now),
        _check(envelope, lookup) if spf and spf_check.available() else _nothing(),
    )
    return Verdict(checked, dkim, author(parsed))


async def _verify(message: Message, lookup: Lookup, now: float | None) -> tuple[DkimResult, ...]:
    try:
        return await dkim_verify.verify(message, lookup, now=now)
    except Exception as error:  # nothing but a result leaves the engine
        _LOG.error("DKIM could not be evaluated (%s)", type(error).__name__)
        reason = "DKIM could not be evaluated"
        return (DkimResult("neutral", "", "", "", "", "", reason),)


async def _check(envelope: Envelope, lookup: Lookup) -> SpfResult:
    return await spf_check.check(envelope, lookup)


async def _nothing() -> None:
    return None


def stamp(message: bytes, verdict: Verdict, authserv_id: str) -> bytes:
    """Return the message with forged fields removed and our one field above everything."""
    rest = remove(message, forged(Message(message), authserv_id))
    return format_field(authserv_id, verdict.results()) + rest
