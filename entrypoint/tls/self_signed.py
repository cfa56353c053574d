"""A self-signed certificate for the host's name: TLS against listeners, not against impostors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from entrypoint.config.certificate import pem

_VALID_FOR = timedelta(days=3650)


def self_signed(hostname: str) -> tuple[bytes, bytes]:
    """A new certificate and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    # RFC 5280, A.1: a common name has at most 64 characters; the name that counts is the SAN.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hostname[:64])])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(hostname)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM), pem(key)
