"""A certificate chain and its key as bytes, and whether smtpd could serve them.

What is checked is what is served: the files are read once. It must not know where they come from.
"""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from entrypoint.config.certificate import (
    check_dates,
    check_kind,
    check_name,
    check_pair,
    dns_names,
    parse_chain,
    parse_key,
    read_pem,
)
from entrypoint.config.problems import BrokenRuleError

Part = Literal["certificate", "key"]


class UnfitError(BrokenRuleError):
    """A rule that one of the two files breaks."""

    def __init__(self, part: Part, error: BrokenRuleError) -> None:
        super().__init__(error.rule, error.cure)
        self.part = part


@contextmanager
def _blaming(part: Part) -> Iterator[None]:
    try:
        yield
    except BrokenRuleError as error:
        raise UnfitError(part, error) from None


@dataclass(frozen=True)
class Paths:
    """Where a chain and its key lie."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Pair:
    """A chain, the server's own certificate first, and its key: PEM, if all is well."""

    chain: bytes
    key: bytes = field(repr=False)

    @classmethod
    def read(cls, paths: Paths) -> Pair:
        """Both files, whatever they hold. Raises UnfitError where one cannot be read."""
        with _blaming("certificate"):
            chain = read_pem(paths.certificate)
        with _blaming("key"):
            key = read_pem(paths.key)
        return cls(chain, key)

    @property
    def digest(self) -> str:
        """Another one for any other content."""
        parts = (hashlib.sha256(part).hexdigest() for part in (self.chain, self.key))
        return "".join(parts)


@dataclass(frozen=True)
class Fit:
    """What is known of a certificate that can be served; times are Unix time.

    fingerprint: SHA-256 of the certificate's DER, in hexadecimal. names: its DNS names.
    """

    fingerprint: str
    begins: float
    ends: float
    names: frozenset[str] = frozenset()


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the DER, in hexadecimal."""
    return certificate.fingerprint(hashes.SHA256()).hex()


def check_fit(pair: Pair, host: str, now: float) -> Fit:
    """What there is to know of a pair that is fit for the host; UnfitError if it is not."""
    with _blaming("certificate"):
        certificate = parse_chain(pair.chain)
    with _blaming("key"):
        check_pair(certificate, parse_key(pair.key))
    with _blaming("certificate"):
        check_kind(certificate)
        check_name(certificate, host)
        check_dates(certificate, datetime.fromtimestamp(now, UTC))
        _try(pair)
    return Fit(
        fingerprint(certificate),
        certificate.not_valid_before_utc.timestamp(),
        certificate.not_valid_after_utc.timestamp(),
        frozenset(dns_names(certificate)),
    )


def _try(pair: Pair) -> None:
    """Load it as smtpd will: OpenSSL has rules of its own, for each certificate of the chain."""
    with tempfile.TemporaryDirectory(prefix="signpost-tls-") as folder:  # mode 0700
        for name, content in (("cert.pem", pair.chain), ("key.pem", pair.key)):
            (Path(folder) / name).write_bytes(content)
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                f"{folder}/cert.pem", f"{folder}/key.pem"
            )
        except ssl.SSLError as error:
            raise BrokenRuleError(
                f"OpenSSL does not take it ({error.reason or 'no reason given'})",
                "check the chain: each certificate must be whole, and its key long enough",
            ) from None
