"""Is a certificate of one's own fit to serve: does it load, match its key, name us, and last?

It parses and judges. It must not know which variable named a file, and no text of an error holds
anything of the key.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import PublicKeyAlgorithmOID

from entrypoint.config.problems import BrokenRuleError

_LEAST_RSA_BITS = 2048  # Debian's OpenSSL takes no shorter key (security level 2)
# Those that TLS has signature schemes for (RFC 8446 §4.2.3).
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)


def load_certificate(path: Path) -> x509.Certificate:
    """The server's own certificate in a PEM file."""
    return parse_chain(read_pem(path))


def load_key(path: Path) -> PrivateKeyTypes:
    """The private key in a PEM file, which must not be encrypted."""
    return parse_key(read_pem(path))


def parse_chain(content: bytes) -> x509.Certificate:
    """The first certificate of a chain in PEM, which is the server's own (RFC 8446 §4.4.2)."""
    try:
        return x509.load_pem_x509_certificates(content)[0]
    except ValueError:
        raise BrokenRuleError(
            "no PEM certificate in this file", "give the full chain, the server's own first"
        ) from None


def parse_key(content: bytes) -> PrivateKeyTypes:
    """An unencrypted private key in PEM."""
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        raise BrokenRuleError(
            "the key is encrypted", "take its password off: openssl pkey -in KEY -out NEW"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise BrokenRuleError(
            "no PEM private key in this file", "give the key that the certificate was made for"
        ) from None


def check_pair(certificate: x509.Certificate, key: PrivateKeyTypes) -> None:
    """Is the certificate made for this key? BrokenRuleError if not."""
    if _der(certificate.public_key()) != _der(key.public_key()):
        raise BrokenRuleError(
            "the certificate does not match the key",
            "give the key that the certificate was made for, and the server's own certificate "
            "first in its file",
        )


def check_kind(certificate: x509.Certificate) -> None:
    """Can smtpd serve a key of this kind? With another one 7.6 does not start."""
    key = certificate.public_key()
    cure = "get one with an RSA key of 2048 bits or an ECDSA key on P-256"
    if isinstance(key, rsa.RSAPublicKey):
        if certificate.public_key_algorithm_oid == PublicKeyAlgorithmOID.RSASSA_PSS:
            raise BrokenRuleError("smtpd cannot serve an RSA-PSS key", cure)
        if key.key_size < _LEAST_RSA_BITS:
            raise BrokenRuleError(f"an RSA key of {key.key_size} bits is too short", cure)
    elif not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, _CURVES):
        raise BrokenRuleError("smtpd cannot serve a key of this kind", cure)


def check_name(certificate: x509.Certificate, host_name: str) -> None:
    """Does a DNS name of the certificate cover the host name (RFC 9525 §6.3)?"""
    names = dns_names(certificate)
    parent = host_name.partition(".")[2]
    if not any(name in (host_name, f"*.{parent}") for name in names):
        raise BrokenRuleError(
            f"the certificate does not cover {host_name}",
            "get one with that name, or set MAIL_HOSTNAME to the name that it has",
        )


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """Is the certificate valid at `now` (a time with a zone)? BrokenRuleError if not."""
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now > ends:
        raise BrokenRuleError(f"the certificate expired on {ends:%Y-%m-%d}", "renew it")
    if now < begins:
        raise BrokenRuleError(
            f"the certificate is not valid before {begins:%Y-%m-%d}", "check the clock, or wait"
        )


def dns_names(certificate: x509.Certificate) -> list[str]:
    """Its DNS names, in lower case."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def _der(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def read_pem(path: Path) -> bytes:
    """What a file of one's own holds, be it PEM or not."""
    try:
        if not path.is_file():
            raise BrokenRuleError("no such file", "mount it, and give its path in the container")
        return path.read_bytes()
    except OSError as error:
        raise BrokenRuleError(
            f"the file cannot be read ({error.strerror})", "mount it so that root can read it"
        ) from None


def pem(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey,
) -> bytes:
    """An unencrypted private key as PKCS#8 PEM (RFC 5208)."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
