"""DMARC (RFC 9989): does anything that passed answer for the author domain, and what is asked
for where nothing does.

It must not know how SPF and DKIM come to their results, nor what is done with a message.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from filters.mailauth.dmarc.alignment import Alignment, Identifier
from filters.mailauth.dmarc.discovery import Discovery
from filters.mailauth.dmarc.record import DmarcRecord, Policy
from filters.mailauth.dns.types import DnsTemporaryError, Resolver
from filters.mailauth.message import Author
from filters.mailauth.results import DkimResult, SpfResult

Result = Literal["pass", "fail", "none", "temperror", "permerror"]

_MOST_NAMED = 3
_LONGEST_NAME = 60

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DmarcResult:
    """What DMARC says of the message.

    author_domain: None for a permerror. organizational_domain: the author domain's, None where
    it is unknown. policy: what is to become of a fail after sp, np and t; None if there is no
    record, or none is known. reason: for the sender, without its control characters. aligned:
    what passed and is in alignment, as far as could be told without needless questions.
    """

    result: Result
    author_domain: str | None
    organizational_domain: str | None
    policy: Policy | None
    reason: str
    aligned: tuple[Identifier, ...] = ()


async def evaluate(
    author: Author,
    discovery: Discovery | None,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    resolver: Resolver,
) -> DmarcResult:
    """Evaluate DMARC (RFC 9989 §5.3). Nothing is raised.

    discovery: of the author's domain; None where that is None.
    """
    if author.domain is None or discovery is None:
        # §5.3.1 leaves it open; an address literal is nobody's either, and can look like a name.
        return DmarcResult("permerror", None, None, None, author.reason)
    try:
        return await _evaluate(author.domain, discovery, spf, dkim, resolver)
    except Exception as error:  # nothing but a result leaves the engine
        log.error("DMARC could not be evaluated (%s)", type(error).__name__)
        reason = "DMARC could not be evaluated"
        return DmarcResult("temperror", author.domain, None, None, reason)


async def _evaluate(
    domain: str,
    discovery: Discovery,
    spf: SpfResult | None,
    dkim: Sequence[DkimResult],
    resolver: Resolver,
) -> DmarcResult:
    passed = _identifiers("pass", spf, dkim)
    exact = tuple(identifier for identifier in passed if identifier.domain == domain)
    top = discovery.organizational_domain
    record = discovery.record
    if record is None and discovery.error:
        return DmarcResult("temperror", domain, top, None, discovery.error, exact)
    if record is None:
        reason = "several DMARC records" if discovery.several else "no DMARC record"
        return DmarcResult("none", domain, top, None, reason)
    policy, doubt = await _policy(domain, discovery, record, resolver)
    if policy is None:
        return DmarcResult("none", domain, top, None, "the DMARC record has no valid policy")

    alignment = Alignment(domain, top, record, resolver)
    aligned = tuple(i for i in passed if alignment.known(i))
    for identifier in () if aligned else passed:
        verdict = await alignment.decide(identifier)
        if verdict:
            aligned = (identifier,)
            break
        if verdict is None:
            doubt = doubt or f"{_named(identifier)} passes, but DNS cannot tell if it is aligned"
    if aligned:
        # RFC 6376 §3.6.1 would have a key with t=y count for nothing. Only its owner can sign
        # with it, so a pass is taken: refusing mail over it is what t=y means to avoid.
        reason = "aligned: " + ", ".join(map(_named, aligned[:_MOST_NAMED]))
        return DmarcResult("pass", domain, top or domain, policy, reason, aligned)
    for identifier in _identifiers("temperror", spf, dkim):
        # §5.3.6: what might have passed is no fail.
        if not doubt and await alignment.decide(identifier) is not False:
            doubt = f"{_named(identifier)} could not be checked for now"
    if doubt:
        return DmarcResult("temperror", domain, top, policy, doubt)
    return DmarcResult("fail", domain, top, policy, _failure(spf, dkim, passed))


def _identifiers(
    result: Literal["pass", "temperror"], spf: SpfResult | None, dkim: Sequence[DkimResult]
) -> tuple[Identifier, ...]:
    """Return the domains of everything with this result, each once.

    §4.4.2: for the null sender SPF's MAIL FROM identity is the HELO name (RFC 7208 §2.4).
    """
    found = [Identifier("dkim", each.domain) for each in dkim if each.result == result]
    if spf is not None and spf.result == result:
        found.append(Identifier("spf", spf.domain.lower()))
    return tuple(dict.fromkeys(identifier for identifier in found if identifier.domain))


async def _policy(
    domain: str, discovery: Discovery, record: DmarcRecord, resolver: Resolver
) -> tuple[Policy | None, str]:
    """Return the policy, and why it is in doubt, if it is; then it is the stricter one."""
    if not discovery.inherited:
        return record.own(), ""
    exists, absent = record.inherited(exists=True), record.inherited(exists=False)
    if exists == absent:
        return exists, ""
    try:
        # §A.4: NXDOMAIN, whatever the type. SPF has mostly asked for TXT already.
        answer = await resolver.query(domain, "TXT")
    except DnsTemporaryError as error:
        stricter = max(exists, absent, key=lambda policy: _STRICTNESS[policy])
        return stricter, error.reason
    return (absent if answer.nxdomain else exists), ""


_STRICTNESS: dict[Policy | None, int] = {None: 0, "none": 1, "quarantine": 2, "reject": 3}


def _named(identifier: Identifier) -> str:
    return f"{identifier.method.upper()} for {_short(identifier.domain)}"


def _short(domain: str) -> str:
    return domain if len(domain) <= _LONGEST_NAME else f"...{domain[-_LONGEST_NAME:]}"


def _failure(
    spf: SpfResult | None, dkim: Sequence[DkimResult], passed: Sequence[Identifier]
) -> str:
    """Say what each method came to, so that the sender knows what to repair."""
    if passed:
        names = ", ".join(map(_named, passed[:_MOST_NAMED]))
        return f"what passes is not in alignment: {names}"
    parts = ["SPF was not checked" if spf is None else f"SPF {spf.result}"]
    if spf is not None and spf.domain:
        parts[0] += f" for {_short(spf.domain)}"
    parts += [
        f"DKIM {each.result}" + (f" for {_short(each.domain)}" if each.domain else "")
        for each in dkim[:_MOST_NAMED]
    ]
    return ", ".join(parts if dkim else [*parts, "no DKIM signature"])
