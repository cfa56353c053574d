"""ACME_*: from whom and how a certificate is got with SSL_TYPE=acme.

It must not know the rest of the configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509

from entrypoint.addresses_parse import foreign_address
from entrypoint.certificate import read_pem
from entrypoint.domain_names import connect_name
from entrypoint.problems import BrokenRuleError
from entrypoint.reading import Reading
from entrypoint.scalars import file_path, filter_command


def read_acme(reading: Reading) -> dict[str, object]:
    """The fields `acme_*` that are set, by their names in Settings; each mistake is noted."""
    given = reading.raw("ssl_type")
    asked_for = given is not None and given.text.strip().lower() == "acme"
    if asked_for and not reading.is_set("domains"):
        reading.note(
            "ssl_type", "acme is for a name of your own, and this is the demo", "set DOMAINS"
        )
    values: dict[str, object] = {}
    for field, parse in _FIELDS.items():
        if reading.is_set(field) and not asked_for:
            reading.note(field, "set without SSL_TYPE=acme", "set SSL_TYPE=acme, or leave this out")
        elif (value := reading.value(field, parse)) is not None:
            values[field] = value
    return values


def server_url(text: str) -> str:
    """The URL of an ACME directory: https, a host, perhaps a port and a path (RFC 8555 §6.1)."""
    cure = "write it like https://acme-v02.api.letsencrypt.org/directory"
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 -- raises for what is none
    except ValueError:
        raise BrokenRuleError("not a URL", cure) from None
    if parts.scheme != "https" or not parts.hostname or parts.username is not None:
        raise BrokenRuleError("not the URL of an ACME server: it is https and a host", cure)
    if not text.isascii() or any(char.isspace() or char in "\"'`\\#" for char in text):
        raise BrokenRuleError("not a URL", cure)
    connect_name(parts.hostname)
    return text


def _authorities(text: str) -> Path:
    path = file_path(text)
    try:
        x509.load_pem_x509_certificates(read_pem(path))
    except ValueError:
        raise BrokenRuleError(
            "no PEM certificate in this file", "give the certificates of its authorities"
        ) from None
    return path


_FIELDS: Mapping[str, Callable[[str], object]] = {
    "acme_server": server_url,
    "acme_email": foreign_address,
    "acme_ca_file": _authorities,
    "acme_dns_hook": filter_command,
}
