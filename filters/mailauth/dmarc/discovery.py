"""Where DMARC records are found: the tree walk and the organizational domain (RFC 9989 §4.10).

Give it a Lookup: walks from several domains of a message share most of their questions, which
are then asked once. It must not know messages, nor what policies and alignment are for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from filters.mailauth.dmarc.record import DmarcRecord, parse
from filters.mailauth.dns.types import DnsTemporaryError, Resolver

# §4.10: names of more labels are shortened to these, so that eight questions suffice.
_MOST_PARENT_LABELS = 7

_Found = list[tuple[str, DmarcRecord]]


@dataclass(frozen=True, slots=True)
class Discovery:
    """What applies to an author domain.

    record: None where there is none or DNS failed before it was found; several says that the
    domain has more than one. inherited: it stands at another name than the domain itself.
    organizational_domain: None where DNS failed before it was known. error: how DNS failed, or "".
    """

    record: DmarcRecord | None
    inherited: bool
    organizational_domain: str | None
    several: bool = False
    error: str = ""


async def record_at(domain: str, resolver: Resolver) -> DmarcRecord | None:
    """Return the domain's own record; several are none (§4.10). Raises DnsTemporaryError."""
    found = await _records_at(domain, resolver)
    return found[0] if len(found) == 1 else None


async def organizational_domain(domain: str, resolver: Resolver) -> str:
    """Return the organizational domain (§4.10.2). Raises DnsTemporaryError."""
    found: _Found = []
    await _climb((domain, *_parents(domain)), resolver, found)
    return _organizational(domain, found)


async def discover(domain: str, resolver: Resolver) -> Discovery:
    """Return the record that applies to an author domain (§4.10.1). Raises nothing of DNS."""
    found: _Found = []
    try:
        own = await _records_at(domain, resolver)
        if len(own) > 1:
            # All are discarded, and nobody's policy above replaces what the owner has confused.
            return Discovery(None, False, domain, several=True)
        found += [(domain, record) for record in own]
        if not own or own[0].psd == "u":
            await _climb(_parents(domain), resolver, found)
    except DnsTemporaryError as error:
        # What is above an own record cannot change that it applies, only who is aligned.
        record = found[0][1] if found and found[0][0] == domain else None
        return Discovery(record, False, None, error=error.reason)
    top = _organizational(domain, found)
    records = dict(found)
    if domain in records:
        return Discovery(records[domain], False, top)
    # The organizational domain's, else that of the public suffix above it.
    return Discovery(records.get(top) or (found[-1][1] if found else None), bool(found), top)


async def _climb(names: Sequence[str], resolver: Resolver, found: _Found) -> None:
    """Append each name that has one record, and that record, until a psd= ends the walk."""
    for name in names:
        record = await record_at(name, resolver)
        if record is not None:
            found.append((name, record))
            if record.psd != "u":
                return


async def _records_at(domain: str, resolver: Resolver) -> list[DmarcRecord]:
    answer = await resolver.query(f"_dmarc.{domain}", "TXT")
    return [record for record in map(parse, answer.texts) if record is not None]


def _parents(domain: str) -> tuple[str, ...]:
    """Return the names above the domain that a walk asks for, longest first (§4.10)."""
    labels = domain.split(".")
    first = max(1, len(labels) - _MOST_PARENT_LABELS)
    return tuple(".".join(labels[at:]) for at in range(first, len(labels)))


def _organizational(domain: str, found: _Found) -> str:
    """Select the organizational domain from a whole walk (§4.10.2)."""
    if not found:
        return domain
    name, record = found[-1]
    if record.psd == "y":
        # One label below it, or the domain itself where the walk began there.
        below = name.count(".") + 2
        return ".".join(domain.split(".")[-below:])
    # Either its psd=n has ended the walk, or it is the shortest name with a record.
    return name
