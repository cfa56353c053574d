"""SSL_*: which certificate the server shows, and whether one's own is fit for it.

It must not know the rest of the configuration but the host name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args
from urllib.parse import urlsplit

from cryptography import x509

from entrypoint.config.addresses import foreign_address
from entrypoint.config.certificate import (
    check_dates,
    check_kind,
    check_name,
    check_pair,
    load_certificate,
    load_key,
    read_pem,
)
from entrypoint.config.domain_names import connect_name
from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.reading import Reading
from entrypoint.config.settings import SslType
from entrypoint.config.values import choice, file_path, filter_command


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
    if not all("!" <= char <= "~" and char not in "\"'`\\#" for char in text):
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


T = TypeVar("T")


def read_tls_files(reading: Reading) -> dict[str, object]:
    """The fields `ssl_*` that are set, by their names in Settings; each mistake is noted.

    The files are not looked at: a server that runs with the old certificate goes on, however
    broken the next one is.
    """
    kind = reading.value("ssl_type", partial(choice, allowed=get_args(SslType)))
    paths = {field: reading.value(field, file_path) for field in ("ssl_cert_path", "ssl_key_path")}
    if kind == "manual":
        for field in paths:
            if not reading.is_set(field):
                reading.note(
                    field, "not set, and SSL_TYPE=manual needs it", "give the path of the PEM file"
                )
    elif kind is not None or not reading.is_set("ssl_type"):
        for field in paths:
            if reading.is_set(field):
                reading.note(
                    field, "set without SSL_TYPE=manual", "set SSL_TYPE=manual, or leave this out"
                )
    values: dict[str, object] = {"ssl_type": kind, **paths}
    return {field: value for field, value in values.items() if value is not None}


def check_tls_files(reading: Reading, values: Mapping[str, object], now: datetime) -> None:
    """Note what is wrong with a certificate of one's own and its key, for a start to serve.

    values: the fields of Settings that are known; one with a mistake of its own is None or missing.
    """
    if values.get("ssl_type") != "manual":
        return
    cert_path, key_path = (_path(values.get(field)) for field in ("ssl_cert_path", "ssl_key_path"))
    host_name = values.get("mail_hostname")
    certificate = _noted(reading, "ssl_cert_path", cert_path, load_certificate)
    key = _noted(reading, "ssl_key_path", key_path, load_key)
    if certificate is None:
        return
    if key is not None:
        _noted(reading, "ssl_key_path", key_path, lambda _: check_pair(certificate, key))
    _noted(reading, "ssl_cert_path", cert_path, lambda _: check_kind(certificate))
    if isinstance(host_name, str):
        _noted(reading, "ssl_cert_path", cert_path, lambda _: check_name(certificate, host_name))
    _noted(reading, "ssl_cert_path", cert_path, lambda _: check_dates(certificate, now))


def _path(value: object) -> Path | None:
    return value if isinstance(value, Path) else None


def _noted(reading: Reading, field: str, path: Path | None, step: Callable[[Path], T]) -> T | None:
    if path is None:
        return None
    try:
        return step(path)
    except BrokenRuleError as error:
        reading.note(field, error.rule, error.cure, str(path))
        return None
