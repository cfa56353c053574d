"""From the environment to Settings: the only reader of os.environ and X_FILE.

All mistakes are reported at once. It must not know what is made of the Settings.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar, get_args

from pydantic import SecretStr

from entrypoint.config import values as scalars
from entrypoint.config.dkim import read_dkim
from entrypoint.config.domain_names import domain_name
from entrypoint.config.domains import read_mail_domains
from entrypoint.config.entries import lines, words
from entrypoint.config.host import host_facts
from entrypoint.config.mode import MODE, Mode, note_test_variables, read_mode
from entrypoint.config.ports import served_ports
from entrypoint.config.problems import ConfigurationError, Problems
from entrypoint.config.reading import Reading, gather, note_unknown
from entrypoint.config.relay import read_relay
from entrypoint.config.settings import HostFacts, LogFormat, LogLevel, MtaSts, Settings
from entrypoint.config.tls import check_tls_files, read_acme, read_tls_files
from entrypoint.config.values import greylist, probe_domain, rate
from entrypoint.config.variables import VARIABLES

__all__ = ["ConfigurationError", "load", "load_to_start", "mode", "variables"]

# The fields that are one value and depend on no other.
_SINGLE: Mapping[str, Callable[[str], object]] = {
    "recipient_delimiter": scalars.delimiter,
    "message_size_limit": scalars.size,
    "default_quota": scalars.quota,
    "enable_imap": scalars.boolean,
    "enable_pop3": scalars.boolean,
    "enable_autoconfig": scalars.boolean,
    "enable_fast_file_count": scalars.boolean,
    "mta_sts": partial(scalars.choice, allowed=get_args(MtaSts)),
    "dkim_rotate_days": partial(scalars.number, least=14, most=3650),
    "dkim_required": scalars.boolean,
    "dns_timeout": partial(scalars.number, least=1, most=120),
    "spf": scalars.boolean,
    "dmarc_enforce": scalars.enforcement,
    "arc_seal": scalars.boolean,
    "greylist": greylist,
    "junk_filter": scalars.boolean,
    "junk_days": partial(scalars.number, least=1, most=3650),
    "message_ratelimit": rate,
    "public_ipv4": partial(scalars.ip_address_of, version=4),
    "public_ipv6": partial(scalars.ip_address_of, version=6),
    "doctor_probe_domain": probe_domain,
    "doctor_every": partial(scalars.duration, least=300, most=7 * 86_400),
    "log_level": partial(scalars.choice, allowed=get_args(LogLevel)),
    "log_format": partial(scalars.choice, allowed=get_args(LogFormat)),
    "trace_days": partial(scalars.number, least=1, most=365),
    "anonymize_emails": scalars.boolean,
    "metrics_port": partial(scalars.number, least=1024, most=65_535),
    "tz": scalars.time_zone,
}
# What cannot be had with ENABLE_IMAP=no, and why.
_NEEDS_IMAP = {
    "enable_pop3": "POP3 without IMAP",
    "enable_autoconfig": "mail programs need a mailbox to be set up for",
    "junk_filter": "without IMAP nobody moves mail into a Junk folder, so nothing is learned",
    "junk_days": "without IMAP there is no Junk folder",
}
_DEFAULT_DELIMITER = str(Settings.model_fields["recipient_delimiter"].default)
_LONGEST_NAME = 253  # characters of a domain name in text (RFC 1035 §3.1)

T = TypeVar("T")


@dataclass(frozen=True)
class _Draft:
    """The fields of Settings as far as they are right; reading has the mistakes."""

    reading: Reading
    values: Mapping[str, object]

    def settings(self, host: HostFacts | None) -> Settings:
        """The whole. Raises ConfigurationError."""
        self.reading.problems.raise_any()
        facts = host_facts() if host is None else host
        return Settings.model_validate({**self.values, "host": facts})


def load(
    environ: Mapping[str, str] | None = None,
    *,
    host: HostFacts | None = None,
    kept: Collection[str] | None = None,
) -> Settings:
    """Read the configuration, from this process's environment and host unless they are given.

    kept: the addresses of the accounts and aliases that commands keep. Where they are not given it
    is not checked whether aliases and POSTMASTER_ADDRESS reach anybody. Raises ConfigurationError
    with every mistake, each in one line that holds no secret.
    """
    return _read(environ, kept).settings(host)


def load_to_start(
    environ: Mapping[str, str] | None = None,
    *,
    host: HostFacts | None = None,
    kept: Collection[str] | None = None,
) -> Settings:
    """The same where a server is to start with it: the files of a manual certificate are checked,
    too. One that runs keeps the certificate that it has, and `entrypoint.tls` watches the files.
    """
    draft = _read(environ, kept)
    check_tls_files(draft.reading, draft.values, datetime.now(UTC))
    return draft.settings(host)


def mode(environ: Mapping[str, str] | None = None) -> Mode:
    """What this container is. Raises ConfigurationError."""
    return read_mode(variables() if environ is None else environ)


def variables() -> Mapping[str, str]:
    """Of this process's environment, for the test target's own reader."""
    return os.environ


def _read(environ: Mapping[str, str] | None, kept: Collection[str] | None) -> _Draft:
    environ = os.environ if environ is None else environ
    problems = Problems()
    if read_mode(environ) == "test":
        problems.add(
            "MODE",
            "this is a test target, which knows start, check, render, health and verify",
            "unset MODE for a mail server",
            "test",
        )
        problems.raise_any()
    note_unknown(environ, {**VARIABLES, "mode": MODE}, problems)
    note_test_variables(environ, problems)
    reading = Reading(gather(environ, VARIABLES, problems), problems)

    values: dict[str, object] = {}
    for field, parse in _SINGLE.items():
        value = reading.value(field, parse)
        if value is not None:
            values[field] = value
    values["dns_servers"] = _each(reading, "dns_servers", words, scalars.ip_address)
    values["dnsbl"] = _blocklists(reading)
    values["arc_trusted_sealers"] = _each(reading, "arc_trusted_sealers", words, domain_name)
    for field in ("extra_filters_inbound", "extra_filters_submission"):
        values[field] = _each(reading, field, lines, scalars.filter_command)
    secret = reading.secret("srs_secret", scalars.key_text)
    values["srs_secret"] = None if secret is None else SecretStr(secret)

    mail_domains = read_mail_domains(reading, _delimiter(reading, values), kept)
    host_name = _host_name(reading, mail_domains["domains"])
    values |= mail_domains | {"mail_hostname": host_name}
    if values.get("enable_imap") is False:
        for field, rule in _NEEDS_IMAP.items():
            if values.get(field):
                reading.note(field, rule, "set ENABLE_IMAP=yes, or leave this out")
    _check_metrics_port(reading, values)
    values |= read_relay(reading)
    values |= read_tls_files(reading)
    values |= read_acme(reading)
    values |= read_dkim(reading, mail_domains["domains"], host_name)
    reading.note_quotes(environ)
    return _Draft(reading, values)


def _check_metrics_port(reading: Reading, values: Mapping[str, object]) -> None:
    imap = values.get("enable_imap") is not False
    taken = {port.number: port.protocol for port in served_ports(imap=imap, pop3=imap)}
    number = values.get("metrics_port")
    if isinstance(number, int) and number in taken:
        reading.note(
            "metrics_port",
            f"the server itself listens there ({taken[number]})",
            "choose another, such as 9154",
            str(number),
        )


def _delimiter(reading: Reading, values: Mapping[str, object]) -> str | None:
    """The delimiter that holds; None where what was set is wrong."""
    if not reading.is_set("recipient_delimiter"):
        return _DEFAULT_DELIMITER
    return str(values["recipient_delimiter"]) if "recipient_delimiter" in values else None


def _blocklists(reading: Reading) -> tuple[dict[str, object], ...]:
    zones = _each(reading, "dnsbl", words, scalars.blocklist)
    names = [each["zone"] for each in zones]
    for name in dict.fromkeys(name for name in names if names.count(name) > 1):
        reading.note("dnsbl", "set to refuse and to score", "keep one of the two", str(name))
    return zones


def _each(
    reading: Reading, field: str, split: Callable[[str], list[str]], parse: Callable[[str], T]
) -> tuple[T, ...]:
    given = reading.raw(field)
    return reading.each(field, split(given.text) if given else [], parse) or ()


def _host_name(reading: Reading, domains: object) -> str | None:
    if reading.is_set("mail_hostname"):
        return reading.value("mail_hostname", domain_name)
    if not isinstance(domains, tuple) or not domains:
        return None
    name = f"mail.{domains[0]}"
    if len(name) > _LONGEST_NAME:
        reading.note("domains", f"no room for mail. before {domains[0]}", "set MAIL_HOSTNAME")
        return None
    return name
