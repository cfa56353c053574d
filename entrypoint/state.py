"""What lives in /data and outlasts a container: keys, certificates, secrets, mail, VERSION.

`ensure` makes what is missing and never touches what is there, except for owners and modes. It
returns the Settings completed with what the state knows: generated secrets and hashed passwords.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import stat
import string
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from pydantic import SecretStr

from entrypoint.complete import completed
from entrypoint.problems import ConfigurationError
from entrypoint.render import write_file
from entrypoint.self_signed import pem, self_signed
from entrypoint.settings import Settings
from filters.mailauth.dkim_sign import BadKey, SigningKey, load_signing_key

DATA = Path("/data")
SIGNER, VERIFIER = "signer", "verifier"
DEMO_PASSWORD_FILE = "secrets/demo-password"  # noqa: S105 -- a file's name
_RSA_BITS = 2048  # RFC 8301, 3.2
_RENEW_BEFORE = timedelta(days=30)


def ensure(settings: Settings, version: str, data: Path = DATA) -> Settings:
    """Make everything that the settings need; the completed settings.

    Raises OSError where /data cannot be written. Whether the keys load, `signing_keys` tells.
    """
    _directory(data, "root", "root", 0o755)
    _directory(data / "mail", "vmail", "vmail", 0o700)
    for private in ("secrets", "tls"):
        _directory(data / private, "root", "root", 0o700)
    for public in ("dkim", *(["arc"] if settings.arc_seal else [])):
        _directory(data / public, "root", "root", 0o755)
    for owner, _, _, path in _keys(settings, data):
        _ensure_key(path, owner)
    if settings.ssl_type == "self-signed":
        _ensure_certificate(data / "tls", settings.mail_hostname)
    srs = settings.srs_secret or SecretStr(_kept(data / "secrets/srs", 40))
    demo_password = _kept(data / DEMO_PASSWORD_FILE, 20) if settings.demo else ""
    write_file(data / "VERSION", f"{version}\n".encode(), "root", "root", 0o644)
    return completed(settings, srs=srs, demo_password=SecretStr(demo_password))


def certificate_paths(settings: Settings, data: Path = DATA) -> tuple[Path, Path]:
    """The certificate and the key that smtpd is to serve."""
    if settings.ssl_cert_path is not None and settings.ssl_key_path is not None:
        return settings.ssl_cert_path, settings.ssl_key_path
    return data / "tls/self-signed.cert.pem", data / "tls/self-signed.key.pem"


def signing_keys(settings: Settings, data: Path = DATA) -> list[SigningKey]:
    """The keys whose records are to be published: DKIM's of all signing domains, and ARC's.

    Raises ConfigurationError that names every bad one.
    """
    keys, errors = [], []
    for owner, domain, selector, path in _keys(settings, data):
        try:
            with _acting_as(owner):
                keys.append(load_signing_key(domain, selector, path.read_bytes()))
        except FileNotFoundError:
            errors.append(f"{path}: there is no such key yet; run `signpost start` first")
        except (OSError, BadKey) as error:
            errors.append(f"{path}: {error}")
    if errors:
        raise ConfigurationError(errors)
    return keys


def _keys(settings: Settings, data: Path) -> Iterator[tuple[str, str, str, Path]]:
    """Owner, domain, selector and file of every key that the settings need."""
    for domain in settings.signing_domains:
        selector = settings.dkim_selector
        yield SIGNER, domain, selector, data / "dkim" / domain / f"{selector}.pem"
    if settings.arc_seal:
        domain, selector = settings.mail_hostname, settings.arc_selector
        yield VERIFIER, domain, selector, data / "arc" / domain / f"{selector}.pem"


def demo_password(data: Path = DATA) -> str:
    """The one secret that is ever shown."""
    return (data / DEMO_PASSWORD_FILE).read_text("ascii").strip()


def _ensure_key(path: Path, owner: str) -> None:
    """The directory and the key belong to the owner alone, also a key that was brought."""
    _directory(path.parent, owner, owner, 0o700)
    with _acting_as(owner):
        exists = path.exists()
    if not exists:
        key = rsa.generate_private_key(65537, _RSA_BITS)
        with _acting_as(owner):
            write_file(path, pem(key), owner, owner, 0o600)
        return
    _claim(path, owner)


def _claim(path: Path, owner: str) -> None:
    """Give a key that was brought to its owner, and to nobody else."""
    account = pwd.getpwnam(owner)
    with _acting_as(owner):
        status = path.lstat()
    wanted = account.pw_uid, account.pw_gid, 0o600
    if (
        stat.S_ISLNK(status.st_mode)
        or (status.st_uid, status.st_gid, status.st_mode & 0o777) == wanted
    ):
        return
    # Root without DAC_OVERRIDE may not enter the owner's directory: it is root's for a moment.
    shutil.chown(path.parent, "root", "root")
    try:
        shutil.chown(path, owner, owner)
        path.chmod(0o600)
    finally:
        shutil.chown(path.parent, owner, owner)


def _ensure_certificate(directory: Path, hostname: str) -> None:
    certificate_path = directory / "self-signed.cert.pem"
    key_path = directory / "self-signed.key.pem"
    if certificate_path.exists() and key_path.exists():
        certificate = x509.load_pem_x509_certificate(certificate_path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if (
            hostname in names.get_values_for_type(x509.DNSName)
            and certificate.not_valid_after_utc - datetime.now(UTC) > _RENEW_BEFORE
        ):
            return
    certificate_pem, key_pem = self_signed(hostname)
    write_file(key_path, key_pem, "root", "root", 0o600)
    write_file(certificate_path, certificate_pem, "root", "root", 0o644)


def _kept(path: Path, length: int) -> str:
    """The secret in the file, or a new one of letters and digits that is kept there."""
    if not path.exists():
        alphabet = string.ascii_letters + string.digits
        made = "".join(secrets.choice(alphabet) for _ in range(length))
        write_file(path, f"{made}\n".encode(), "root", "root", 0o600)
    return path.read_text("ascii").strip()


def _directory(path: Path, owner: str, group: str, mode: int) -> None:
    path.mkdir(mode=mode, exist_ok=True)
    path.chmod(mode)
    shutil.chown(path, owner, group)


@contextmanager
def _acting_as(user: str) -> Iterator[None]:
    """Files are the user's for a while: without DAC_OVERRIDE root may not read theirs."""
    account = pwd.getpwnam(user)
    before = os.geteuid(), os.getegid()
    if before == (account.pw_uid, account.pw_gid):
        yield
        return
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
