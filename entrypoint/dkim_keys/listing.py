"""The keys as a person or a program sees them: `signpost keys list`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from entrypoint.config.settings import KEY_TYPES
from entrypoint.dkim_keys.model import DomainKeys, Key
from entrypoint.dkim_keys.state_file import key_as_json
from entrypoint.text import aligned, day, printable

_TYPE = max(map(len, KEY_TYPES))  # columns


def as_json(state: Mapping[str, DomainKeys], domains: Sequence[str]) -> list[dict[str, object]]:
    """Each key with its domain, in the order of the domains."""
    return [
        {"domain": domain, **key_as_json(key)}
        for domain in domains
        for key in state.get(domain, DomainKeys()).keys
    ]


def as_text(state: Mapping[str, DomainKeys], domains: Sequence[str]) -> Iterator[str]:
    """A line for each domain and each of its keys."""
    for domain in domains:
        yield domain
        keys = state.get(domain, DomainKeys()).keys
        if not keys:
            yield "  no key yet; run `signpost start` first"
        width = max((len(key.selector) for key in keys), default=0)
        for key in keys:
            yield f"  {aligned((key.selector, key.type, _told(key)), (width, _TYPE, 0))}"


def _told(key: Key) -> str:
    heard = "" if key.dns is None else printable(key.dns.detail or key.dns.answer)
    match key.status:
        case "next":
            return f"next: waits for DNS{f' ({heard})' if heard else ''}"
        case "signing":
            served = key.dns is not None and key.dns.answer == "served"
            dns = "DNS serves it" if served else f"NOT IN DNS: {heard}" if heard else "DNS unknown"
            return f"signs since {day(key.since)}; {dns}"
        case "old":
            return f"old: its record has to stay until {day(key.until or 0)}"
    return "old: its record and the key may be removed"
