"""Settings → what the web service serves, and its DNS records and certificate names.

The one module here that knows Settings; the service itself reads the file that is made from it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from entrypoint.config.ports import Port, served_ports
from entrypoint.config.settings import Settings
from entrypoint.web import mta_sts
from entrypoint.web.site import Site

# name, type, value, purpose, as entrypoint.dns_records has them
RecordParts = tuple[str, str, str, str]


def site_of(settings: Settings) -> Site:
    """What the settings say is served."""
    mode = mta_sts_mode(settings)
    return Site(
        host=settings.mail_hostname,
        domains=settings.domains,
        services=_services(settings) if settings.enable_autoconfig else (),
        policy=None if mode is None else mta_sts.policy(mode, settings.mail_hostname),
    )


def mta_sts_mode(settings: Settings) -> mta_sts.Mode | None:
    """The policy's mode (RFC 8461 §3.2; §8.3 for `none`), or None where there is no policy."""
    if settings.mta_sts == "no":
        return None
    return "none" if settings.mta_sts == "withdraw" else settings.mta_sts


def _services(settings: Settings) -> tuple[Port, ...]:
    """Where a mail program reads and sends, TLS from the first byte first (RFC 8314 §4.1)."""
    ports = served_ports(imap=settings.enable_imap, pop3=settings.enable_pop3)
    for_clients = (port for port in ports if port.protocol != "sieve" and port.number != 25)
    # IMAP before POP3, where a program takes the first it can.
    return tuple(sorted(for_clients, key=lambda port: (port.protocol, not port.implicit_tls)))


def names(settings: Settings) -> tuple[str, ...]:
    """The names, beside MAIL_HOSTNAME, that the certificate is to have where it can."""
    found: list[str] = []
    for domain in settings.domains:
        if mta_sts_mode(settings) is not None:
            found.append(mta_sts.policy_host(domain))
        if settings.enable_autoconfig:
            found += [f"autoconfig.{domain}", f"autodiscover.{domain}"]
    return tuple(name for name in dict.fromkeys(found) if name != settings.mail_hostname)


def web_records(settings: Settings, domain: str, passing: Collection[str]) -> Iterator[RecordParts]:
    """The records of a domain; those that make MTA-STS count only if it is among `passing`."""
    host = settings.mail_hostname
    if settings.enable_autoconfig:
        for name in (f"autoconfig.{domain}", f"autodiscover.{domain}"):
            if name != host:
                yield name, "CNAME", host, "mail programs find their settings here"
        service = f"_autodiscover._tcp.{domain}"
        yield service, "SRV", f"0 1 443 {host}", "classic Outlook finds its settings here"
    mode = mta_sts_mode(settings)
    if mode is None:
        return
    place = mta_sts.policy_host(domain)
    if place != host:
        yield place, "CNAME", host, "where the MTA-STS policy is served"
    if domain in passing:
        record = mta_sts.record(mta_sts.policy(mode, host))
        yield f"_mta-sts.{domain}", "TXT", record, f"MTA-STS: there is a policy, mode {mode}"
        text = mta_sts.report_record(domain)
        yield f"_smtp._tls.{domain}", "TXT", text, "TLS-RPT: where others report failed TLS"
