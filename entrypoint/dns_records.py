"""The DNS records that a person has to publish: computed from the settings and the keys.

Never one that the server would not honour: no service that does not listen, no key that is gone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from entrypoint.config.ports import served_ports
from entrypoint.config.settings import Settings, home_of
from entrypoint.web.published import web_records
from filters.mailauth.dkim.signing_key import SigningKey, public_record

_STRING = 255  # octets of one character-string of a TXT record (RFC 1035 §3.3)
_SIGNS = "the key that verifies our DKIM signatures or ARC seals"

# The services that mail programs look up (RFC 6186 §3, RFC 8314 §5.1, RFC 5804 §1.8), and where
# they listen if that is served. `_imap`, STARTTLS on 143, is there for old ones and not to be
# found.
_SERVICES = (
    ("_submissions", 465, "mail programs send here, TLS from the first byte"),
    ("_submission", 587, "mail programs send here, STARTTLS"),
    ("_imaps", 993, "mail programs read here, IMAP"),
    ("_pop3s", 995, "mail programs read here, POP3"),
    ("_sieve", 4190, "mail programs change Sieve scripts here, ManageSieve"),
)


@dataclass(frozen=True)
class Record:
    """One record; `name` and targets without a final dot, `value` unsplit."""

    name: str
    type: str
    value: str
    purpose: str

    def zone_line(self) -> str:
        """The record in the form of a zone file (RFC 1035 §5.1)."""
        value = self.value
        if self.type == "TXT":
            value = " ".join(strings(value))
        elif self.type in ("CNAME", "MX", "SRV"):
            value = f"{value}."
        return f"{self.name}. IN {self.type} {value}"

    def value_line(self) -> str:
        """Name, type and the whole value, as most providers' web forms want it."""
        return f"{self.name} {self.type} {self.value}"

    def string_line(self) -> str:
        """The same, TXT as quoted strings, for web forms that take no long value."""
        value = " ".join(strings(self.value)) if self.type == "TXT" else self.value
        return f"{self.name} {self.type} {value}"


def strings(value: str) -> list[str]:
    """A TXT value as quoted character-strings of at most 255 octets."""
    pieces = (value[at : at + _STRING] for at in range(0, len(value), _STRING))
    return ['"' + piece.replace("\\", "\\\\").replace('"', '\\"') + '"' for piece in pieces]


def key_record(key: SigningKey, purpose: str = _SIGNS) -> Record:
    """The record of a DKIM or ARC key."""
    return Record(f"{key.selector}._domainkey.{key.domain}", "TXT", public_record(key), purpose)


def records(
    settings: Settings,
    keys: Iterable[SigningKey],
    purposes: Mapping[tuple[str, str], str] | None = None,
    passing: Collection[str] = (),
) -> dict[str, list[Record]]:
    """The records of every domain, and of the host where it signs for itself, by domain.

    keys: those whose records are to be published. purposes: what is to be said of some of them, by
    domain and selector. passing: the domains whose MTA-STS policy the served certificate passes.
    """
    of_keys: dict[str, list[Record]] = {}
    for key in keys:
        purpose = (purposes or {}).get((key.domain, key.selector), _SIGNS)
        of_keys.setdefault(key.domain, []).append(key_record(key, purpose))
    host = settings.mail_hostname
    served = {
        port.number for port in served_ports(imap=settings.enable_imap, pop3=settings.enable_pop3)
    }
    listed: dict[str, list[Record]] = {}
    for domain in settings.domains:
        listed[domain] = [
            Record(domain, "MX", f"10 {host}", "mail for the domain comes here"),
            Record(domain, "TXT", _spf("mx", settings), _spf_purpose(settings)),
            *of_keys.get(domain, ()),
            # A name below the domain has no record of its own: it inherits this one.
            Record(
                f"_dmarc.{domain}",
                "TXT",
                f"v=DMARC1; p=quarantine; rua=mailto:postmaster@{domain}",
                "DMARC: what others do with mail that fails both",
            ),
            *(
                Record(f"{service}._tcp.{domain}", "SRV", f"0 1 {port} {host}", purpose)
                for service, port, purpose in _SERVICES
                if port in served
            ),
            *(Record(*parts) for parts in web_records(settings, domain, passing)),
        ]
    of_host = list(_addresses(settings))
    if host not in settings.domains:
        of_host.append(
            Record(host, "TXT", _spf("a", settings), "SPF of the name that bounces come from")
        )
        of_host += of_keys.get(host, ())
    listed.setdefault(home_of(host, settings.domains) or host, []).extend(of_host)
    return {domain: of_domain for domain, of_domain in listed.items() if of_domain}


def _addresses(settings: Settings) -> Iterator[Record]:
    host = settings.mail_hostname
    if settings.public_ipv4 is not None:
        yield Record(host, "A", settings.public_ipv4, "this server's address")
    if settings.public_ipv6 is not None:
        yield Record(host, "AAAA", settings.public_ipv6, "this server's IPv6 address")


def missing_addresses(settings: Settings) -> str | None:
    """What is to be said of A and AAAA records that are not among these."""
    host = settings.mail_hostname
    if settings.public_ipv4 is None and settings.public_ipv6 is None:
        return (
            f"{host}: its A and AAAA records are not listed, for this server's addresses are not "
            "known; publish them, too, or set PUBLIC_IPV4 and PUBLIC_IPV6"
        )
    if settings.public_ipv4 is None:
        return f"{host}: no A record is listed; set PUBLIC_IPV4: much mail comes by IPv4 only"
    if settings.public_ipv6 is None and settings.host.ipv6:
        return (
            f"{host}: no AAAA record is listed; if this server has an IPv6 address, set PUBLIC_IPV6"
        )
    return None


def _spf(own: str, settings: Settings) -> str:
    """RFC 7208; `own` is the mechanism that stands for this server."""
    if settings.relay_host is None:
        return f"v=spf1 {own} -all"
    # From which addresses a relay host sends only its operator knows: what is missing must not
    # make mail fail.
    return f"v=spf1 {own} {_relay(settings.relay_host)}~all"


def _relay(host: str) -> str:
    try:
        return f"ip{ipaddress.ip_address(host).version}:{host} "
    except ValueError:
        return f"a:{host} " if "." in host else ""  # a name of one label is known here only


def _spf_purpose(settings: Settings) -> str:
    if settings.relay_host is None:
        return "SPF: only the MX may send"
    return "SPF: this server and the relay host may send; add what the relay's operator says"
