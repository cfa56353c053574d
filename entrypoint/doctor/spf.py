"""Does SPF let this server send for a name, and can everybody evaluate the record (RFC 7208)?"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.doctor.finding import NO_ADDRESS, Finding, not_checked, skipped
from entrypoint.doctor.this_server import ThisServer
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver
from filters.mailauth.envelope import Envelope
from filters.mailauth.results import SpfResult
from filters.mailauth.spf import check as spf_check

LIMIT = 10  # RFC 7208 §4.6.4
MOST_COUNTED = 30  # there the count ends: a record may include itself

# §4.6.1: qualifier, name, and what is behind the first separator.
_TERM = re.compile(rb"([+?~-]?)([a-z][a-z0-9_.-]*)([:/=]?)(.*)", re.IGNORECASE | re.DOTALL)
_COSTLY = frozenset({b"include", b"a", b"mx", b"ptr", b"exists"})
_LONGEST = 16_384  # octets of one record


@dataclass(frozen=True)
class Terms:
    """lookups: at most MOST_COUNTED + 1. everybody: an unconditional pass is among them."""

    lookups: int
    everybody: bool


async def terms_of(name: str, resolver: Resolver) -> Terms | None:
    """Count; None where the name has not exactly one record. Raises DnsTemporaryError."""
    record = await _record(name, resolver)
    if record is None:
        return None
    lookups, everybody = 0, False
    waiting = [record]
    while waiting and lookups <= MOST_COUNTED:
        further, costly, open_to_all = _read(waiting.pop(0))
        lookups += costly
        everybody = everybody or open_to_all
        for target in further[: MOST_COUNTED + 1]:
            included = await _record(target, resolver)
            if included is not None:
                waiting.append(included)
    return Terms(min(lookups, MOST_COUNTED + 1), everybody)


async def _record(name: str, resolver: Resolver) -> bytes | None:
    texts = (await resolver.query(name, "TXT")).texts
    found = [text for text in texts if re.match(rb"v=spf1(?: |\Z)", text, re.IGNORECASE)]
    return found[0][:_LONGEST] if len(found) == 1 else None


def _read(record: bytes) -> tuple[list[str], int, bool]:
    """Names of further records, the number of costly terms, and whether everybody passes."""
    further: list[str] = []
    redirect: bytes | None = None
    lookups, everybody, ends = 0, False, False
    for text in record.split(b" ")[1:]:
        term = _TERM.fullmatch(text)
        if term is None:
            continue
        qualifier, name, separator, value = term.groups()
        name = name.lower()
        if name == b"all" and not separator:
            ends = True
            everybody = everybody or qualifier in (b"", b"+")
        elif name in _COSTLY and separator != b"=":
            lookups += 1
            if name == b"include":
                further.append(_target(value))
        elif name == b"redirect" and separator == b"=" and not qualifier:
            redirect = value
    # §6.1: a redirect counts only where no all is.
    if redirect is not None and not ends:
        lookups += 1
        further.append(_target(redirect))
    # A macro makes the name depend on the message; the term itself is counted all the same.
    return [name for name in further if name and "%" not in name], lookups, everybody


def _target(value: bytes) -> str:
    return value.decode("ascii", "surrogateescape")


async def check_spf(
    name: str, server: ThisServer, ours: Sequence[str], resolver: Resolver
) -> list[Finding]:
    """name: a domain, or the host, whose record counts for bounces (§2.4). ours: our addresses."""
    domain = server.owner(name)
    try:
        terms = await terms_of(name, resolver)
    except DnsTemporaryError as error:
        unknown = skipped("spf-lookups", domain, "DNS does not say what the record is")
        return [not_checked("spf", domain, error.reason), unknown]
    found = [await _passes(name, domain, terms, server, ours, resolver)]
    if terms is None:
        found.append(
            skipped("spf-lookups", domain, "there is no single SPF record to count them in")
        )
    else:
        found.append(_within_bounds(domain, terms))
    return found


async def _passes(
    name: str,
    domain: str | None,
    terms: Terms | None,
    server: ThisServer,
    ours: Sequence[str],
    resolver: Resolver,
) -> Finding:
    cure = server.publish(name, "TXT")
    if not ours:
        cure = f"give {server.host} an address in DNS first"
        return skipped("spf", domain, NO_ADDRESS, cure)
    if not spf_check.available():
        return Finding("spf", domain, "warn", "not checked: pyspf is not installed", "install it")
    results = [(address, await _evaluate(name, address, server, resolver)) for address in ours]
    words = {each.result for _, each in results}
    shown = ", ".join(f"{_shown(each)} for {address}" for address, each in results)
    if "none" in words:
        return Finding("spf", domain, "fail", f"{name} has no SPF record", cure)
    if "permerror" in words:
        return Finding("spf", domain, "fail", f"the record is wrong: {shown}", cure)
    if "temperror" in words:
        return not_checked("spf", domain, shown)
    if terms is not None and terms.everybody:
        return Finding(
            "spf",
            domain,
            "warn",
            'the record lets anybody send for the domain: it has "+all"',
            f'end it with "-all"; {cure}',
        )
    if server.relay_host is not None:
        return skipped(
            "spf",
            domain,
            f"there is a record; mail leaves through {server.relay_host}, and its operator says "
            "what the record needs",
        )
    missing = [address for address, each in results if each.result != "pass"]
    if missing:
        return Finding(
            "spf",
            domain,
            "fail",
            shown,
            f"add {' '.join(map(_mechanism, missing))} to the record, or {cure}",
        )
    return Finding("spf", domain, "ok", shown)


async def _evaluate(name: str, address: str, server: ThisServer, resolver: Resolver) -> SpfResult:
    sender = "" if name == server.host else f"postmaster@{name}"
    envelope = Envelope(client_address=address, helo=server.host, sender=sender)
    return await spf_check.check(envelope, resolver)


def _shown(result: SpfResult) -> str:
    return f"{result.result} ({result.reason})" if result.reason else result.result


def _mechanism(address: str) -> str:
    return f"ip6:{address}" if ":" in address else f"ip4:{address}"


def _within_bounds(domain: str | None, terms: Terms) -> Finding:
    if terms.lookups <= LIMIT:
        detail = f"{terms.lookups} of {LIMIT} DNS lookups"
        return Finding("spf-lookups", domain, "ok", detail)
    count = f"more than {MOST_COUNTED}" if terms.lookups > MOST_COUNTED else str(terms.lookups)
    return Finding(
        "spf-lookups",
        domain,
        "fail",
        f"the record needs {count} DNS lookups, and {LIMIT} are allowed: receivers see a permerror",
        "remove every include: that is no longer used, and use ip4: and ip6: instead of names",
    )
