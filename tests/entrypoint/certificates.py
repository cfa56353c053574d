"""Certificates for the tests: an authority, and what it signs."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """An authority whose certificate is in `folder/ca.pem`."""

    folder: Path
    key: ec.EllipticCurvePrivateKey
    name: x509.Name

    @classmethod
    def make(cls, folder: Path, called: str = "authority") -> Authority:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, called)])
        made = _builder(
            name, name, key.public_key(), datetime.now(UTC) + 3650 * _DAY
        ).add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        (folder / "ca.pem").write_bytes(_pem(made.sign(key, hashes.SHA256())))
        return cls(folder, key, name)

    def trust(self) -> ssl.SSLContext:
        """A client's context that trusts this authority and looks at no names."""
        context = ssl.create_default_context(cafile=str(self.folder / "ca.pem"))
        context.check_hostname = False
        return context

    def server(self, host: str, ends: datetime) -> ssl.SSLContext:
        """A server's context with a certificate for a host."""
        return server_context(self.folder, *self.pair(host, ends))

    def pair(
        self,
        host: str,
        ends: datetime,
        key: CertificateIssuerPrivateKeyTypes | None = None,
        more: tuple[str, ...] = (),
    ) -> tuple[bytes, bytes]:
        """A certificate for a host (and for more names) and its key, both PEM."""
        key = key or ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name) for name in (host, *more)])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
        made = _builder(subject, self.name, key.public_key(), ends).add_extension(names, False)
        return _pem(made.sign(self.key, hashes.SHA256())), _private(key)


def server_context(folder: Path, certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A server's context of PEM."""
    (folder / "pair.pem").write_bytes(certificate + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "pair.pem")
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, public: CertificatePublicKeyTypes, ends: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(datetime.now(UTC), ends) - _DAY)
        .not_valid_after(ends)
    )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: CertificateIssuerPrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
