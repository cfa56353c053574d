"""The DNS records that a person has to publish: computed from the settings and the keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from entrypoint.settings import Settings
from filters.mailauth.dkim_sign import SigningKey, public_record

_STRING = 255  # octets of one character-string of a TXT record (RFC 1035, 3.3)


@dataclass(frozen=True)
class Record:
    """One record; `name` and targets without a final dot, `value` unsplit."""

    name: str
    type: str
    value: str
    purpose: str

    def zone_line(self) -> str:
        """The record in the form of a zone file (RFC 1035, 5.1)."""
        value = " ".join(strings(self.value)) if self.type == "TXT" else f"{self.value}."
        return f"{self.name}. IN {self.type} {value}"


def strings(value: str) -> list[str]:
    """A TXT value as quoted character-strings of at most 255 octets."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{escaped[at : at + _STRING]}"' for at in range(0, len(escaped), _STRING)]


def records(settings: Settings, keys: Sequence[SigningKey]) -> dict[str, list[Record]]:
    """The records of every domain, and of the host where it signs for itself, by domain."""
    listed: dict[str, list[Record]] = {}
    for domain in settings.domains:
        listed[domain] = [
            Record(domain, "MX", f"10 {settings.mail_hostname}", "mail for the domain comes here"),
            Record(domain, "TXT", "v=spf1 mx -all", "SPF: only the MX may send"),
            *_dkim(keys, domain),
            # A name below the domain has no record of its own: it inherits this one.
            Record(
                f"_dmarc.{domain}",
                "TXT",
                f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}",
                "DMARC: what others do with mail that fails both",
            ),
        ]
    host = settings.mail_hostname
    of_host = [
        Record(host, "TXT", "v=spf1 a -all", "SPF of the name that bounces come from"),
        *(_dkim(keys, host) if host not in settings.domains else ()),
    ]
    if host not in settings.domains:
        home = next((name for name in settings.domains if f".{host}".endswith(f".{name}")), host)
        listed.setdefault(home, []).extend(of_host)
    return listed


def _dkim(keys: Iterable[SigningKey], domain: str) -> list[Record]:
    return [
        Record(
            f"{key.selector}._domainkey.{domain}",
            "TXT",
            public_record(key),
            "the key that verifies our DKIM signatures or ARC seals",
        )
        for key in keys
        if key.domain == domain
    ]
