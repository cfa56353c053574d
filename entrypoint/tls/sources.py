"""Where the certificate that is to be served comes from, by SSL_TYPE.

It must not know how a new one goes live, nor how one is asked for.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from entrypoint.config.certificate import (
    check_kind,
    check_name,
    check_pair,
    load_certificate,
    load_key,
)
from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.settings import Settings
from entrypoint.files import write_file
from entrypoint.tls.pair import Paths
from entrypoint.tls.self_signed import self_signed

_RENEW_BEFORE = timedelta(days=30)


def chosen(settings: Settings, data: Path) -> Paths:
    """The certificate and the key that smtpd is to serve now."""
    if settings.ssl_cert_path is not None and settings.ssl_key_path is not None:
        return Paths(settings.ssl_cert_path, settings.ssl_key_path)
    if settings.ssl_type == "acme":
        issued = issued_paths(settings, data)
        # One that has expired is still better than one of our own.
        if _of_host(issued, settings.mail_hostname) is not None:
            return issued
    return self_signed_paths(data)


def candidates(settings: Settings, data: Path) -> list[Path]:
    """Every file that has a say in what `chosen` finds."""
    if settings.ssl_cert_path is not None and settings.ssl_key_path is not None:
        return [settings.ssl_cert_path, settings.ssl_key_path]
    pairs = [self_signed_paths(data)]
    if settings.ssl_type == "acme":
        pairs.append(issued_paths(settings, data))
    return [path for pair in pairs for path in (pair.certificate, pair.key)]


def self_signed_paths(data: Path) -> Paths:
    """The pair of our own."""
    return Paths(data / "tls/self-signed.cert.pem", data / "tls/self-signed.key.pem")


def acme_folder(settings: Settings, data: Path) -> Path:
    """What belongs to one ACME server: another server knows neither account nor certificate."""
    return data / "tls/acme" / re.sub(r"[^a-z0-9.-]+", "_", settings.acme_server.lower())


def issued_paths(settings: Settings, data: Path) -> Paths:
    """The pair that the ACME client keeps."""
    live = acme_folder(settings, data) / "live" / settings.mail_hostname
    return Paths(live / "fullchain.pem", live / "privkey.pem")


def ensure_self_signed(settings: Settings, data: Path, now: float | None = None) -> bool:
    """Make the pair of our own if it is not there, not ours, or near its end; whether it did.

    Nothing is made where SSL_TYPE=manual. now: Unix time. Raises OSError.
    """
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    paths = self_signed_paths(data)
    if settings.ssl_type == "manual":
        return False
    made = _of_host(paths, settings.mail_hostname)
    if made is not None and made.not_valid_after_utc - moment > _RENEW_BEFORE:
        return False
    certificate, key = self_signed(settings.mail_hostname)
    write_file(paths.key, key, "root", "root", 0o600)
    write_file(paths.certificate, certificate, "root", "root", 0o644)
    return True


def _of_host(paths: Paths, host: str) -> x509.Certificate | None:
    """The certificate, if it is one for the host that smtpd can serve."""
    try:
        certificate = load_certificate(paths.certificate)
        check_name(certificate, host)
        check_pair(certificate, load_key(paths.key))
        check_kind(certificate)
    except BrokenRuleError:
        return None
    return certificate
