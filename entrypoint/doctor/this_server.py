"""What the doctor compares the world with: this server, as it is configured.

It must not know DNS, nor what is compared.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.config.settings import Settings
from entrypoint.dns_records import Record, records
from entrypoint.web.published import site_of
from filters.mailauth.dkim.signing_key import SigningKey

_BY_ACME = (
    "wait a few minutes: the server asks for a certificate with every name that points here; if it "
    "stays so, the container's log says why"
)
_BY_HAND = "get a certificate that covers this name, too; SSL_TYPE=acme does that by itself"


@dataclass(frozen=True)
class ThisServer:
    """host: MAIL_HOSTNAME, which is also what we say in HELO. given: PUBLIC_IPV4 and PUBLIC_IPV6,
    None where unset. keys: those whose records are to be published. records: what to publish, those
    included that are to wait for the certificate. policy: MTA-STS's, None where there is none.
    name_cure: what to do where the certificate lacks a name that points here.
    """

    host: str
    domains: tuple[str, ...]
    signing_domains: tuple[str, ...]
    given: tuple[str | None, str | None]
    relay_host: str | None
    keys: tuple[SigningKey, ...]
    records: tuple[Record, ...]
    policy: str | None
    name_cure: str

    @classmethod
    def of(cls, settings: Settings, keys: list[SigningKey]) -> ThisServer:
        """That of a configuration and the keys that are in use with it."""
        listed = records(settings, keys, passing=settings.domains)
        return cls(
            host=settings.mail_hostname,
            domains=settings.domains,
            signing_domains=settings.signing_domains,
            given=(settings.public_ipv4, settings.public_ipv6),
            relay_host=settings.relay_host,
            keys=tuple(keys),
            records=tuple(record for of_domain in listed.values() for record in of_domain),
            policy=site_of(settings).policy,
            name_cure=_BY_ACME if settings.ssl_type == "acme" else _BY_HAND,
        )

    @property
    def names(self) -> tuple[tuple[str, str | None], ...]:
        """Every name that sends mail, and whose findings its own are: None means the host's."""
        own = () if self.host in self.domains else ((self.host, None),)
        return (*((domain, domain) for domain in self.domains), *own)

    def owner(self, name: str) -> str | None:
        """Whose the findings about a name are: the domain's, or None for the host's."""
        return name if name in self.domains else None

    def publish(self, name: str, rdtype: str) -> str:
        """The advice to publish the record of this name and type that we would print."""
        for record in self.records:
            if (record.name, record.type) == (name, rdtype):
                return f"publish: {record.zone_line()}"
        return "publish what `signpost dns` prints"
