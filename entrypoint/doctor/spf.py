"""Does SPF let this server send for a name, and can everybody evaluate the record (RFC 7208)?"""

from __future__ import annotations

from collections.abc import Sequence

from entrypoint.doctor.facts import Facts
from entrypoint.doctor.finding import Finding, unasked
from entrypoint.doctor.spf_terms import LIMIT, MOST_COUNTED, Terms, terms_of
from filters.mailauth import spf_check
from filters.mailauth.envelope import Envelope
from filters.mailauth.resolver import DnsTemporaryError, Resolver
from filters.mailauth.spf_check import SpfResult


async def check_spf(
    name: str, facts: Facts, ours: Sequence[str], resolver: Resolver
) -> list[Finding]:
    """name: a domain, or the host, whose record counts for bounces (§2.4). ours: our addresses."""
    domain = facts.owner(name)
    try:
        terms = await terms_of(name, resolver)
    except DnsTemporaryError as error:
        return [unasked("spf", domain, error.reason)]
    found = [await _passes(name, domain, terms, facts, ours, resolver)]
    if terms is not None:
        found.append(_within_bounds(domain, terms))
    return found


async def _passes(
    name: str,
    domain: str | None,
    terms: Terms | None,
    facts: Facts,
    ours: Sequence[str],
    resolver: Resolver,
) -> Finding:
    cure = facts.publish(name, "TXT")
    if not ours:
        return Finding(
            "spf",
            domain,
            "warn",
            "not checked: no public address of this server is known",
            f"give {facts.host} an address in DNS first",
        )
    if not spf_check.available():
        return Finding("spf", domain, "warn", "not checked: pyspf is not installed", "install it")
    results = [(address, await _evaluate(name, address, facts, resolver)) for address in ours]
    words = {each.result for _, each in results}
    shown = ", ".join(f"{_told(each)} for {address}" for address, each in results)
    if "none" in words:
        return Finding("spf", domain, "fail", f"{name} has no SPF record", cure)
    if "permerror" in words:
        return Finding("spf", domain, "fail", f"the record is wrong: {shown}", cure)
    if "temperror" in words:
        return unasked("spf", domain, shown)
    if terms is not None and terms.everybody:
        return Finding(
            "spf",
            domain,
            "warn",
            'the record lets everybody send for the domain: it has "+all"',
            f'end it with "-all"; {cure}',
        )
    if facts.relay_host is not None:
        return Finding(
            "spf",
            domain,
            "ok",
            f"there is a record; mail leaves through {facts.relay_host}, and its operator says "
            "what the record needs",
        )
    missing = [address for address, each in results if each.result != "pass"]
    if missing:
        return Finding(
            "spf",
            domain,
            "fail",
            shown,
            f"put {' '.join(map(_mechanism, missing))} into the record, or {cure}",
        )
    return Finding("spf", domain, "ok", shown)


async def _evaluate(name: str, address: str, facts: Facts, resolver: Resolver) -> SpfResult:
    sender = "" if name == facts.host else f"postmaster@{name}"
    envelope = Envelope(client_address=address, helo=facts.host, sender=sender)
    return await spf_check.check(envelope, resolver)


def _told(result: SpfResult) -> str:
    return f"{result.result} ({result.reason})" if result.reason else result.result


def _mechanism(address: str) -> str:
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"


def _within_bounds(domain: str | None, terms: Terms) -> Finding:
    if terms.lookups <= LIMIT:
        detail = f"{terms.lookups} of {LIMIT} look-ups"
        return Finding("spf-lookups", domain, "ok", detail)
    count = f"more than {MOST_COUNTED}" if terms.lookups > MOST_COUNTED else str(terms.lookups)
    return Finding(
        "spf-lookups",
        domain,
        "fail",
        f"the record needs {count} look-ups, and {LIMIT} are allowed: others see a permerror",
        "take out every include: that is no longer used, and write ip4: and ip6: instead of names",
    )
