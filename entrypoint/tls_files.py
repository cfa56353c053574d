"""SSL_*: which certificate the server shows, and whether one's own is fit for it.

It must not know the rest of the configuration but the host name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar, get_args

from entrypoint.certificate import (
    check_dates,
    check_kind,
    check_name,
    check_pair,
    load_certificate,
    load_key,
)
from entrypoint.problems import BrokenRuleError
from entrypoint.reading import Reading
from entrypoint.scalars import choice, file_path
from entrypoint.settings import SslType

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
