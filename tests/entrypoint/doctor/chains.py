"""Chains of certificates as operators happen to serve them, each by its name in a case."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtensionOID

from ..certificates import Authority

_DAY = timedelta(days=1)
_AIA = x509.AuthorityInformationAccess(
    [
        x509.AccessDescription(
            AuthorityInformationAccessOID.CA_ISSUERS,
            x509.UniformResourceIdentifier("http://r11.authority.example/"),
        )
    ]
)
# The CA/Browser Forum's policy for domain validation, and an empty list of time stamps.
_FORUM = x509.CertificatePolicies(
    [x509.PolicyInformation(x509.ObjectIdentifier("2.23.140.1.2.1"), None)]
)
_STAMPS = x509.UnrecognizedExtension(
    ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS, b"\x04\x02\x00\x00"
)

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Made:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: Key

    def signs(
        self,
        name: str,
        *more: x509.ExtensionType,
        ca: bool = True,
        ends: datetime | None = None,
        key: Key | None = None,
    ) -> Made:
        """One that this one has signed."""
        return _made(name, self.certificate.subject, self.key, *more, ca=ca, ends=ends, key=key)


def _made(
    name: str,
    issuer: x509.Name | None,
    by: Key | None,
    *more: x509.ExtensionType,
    ca: bool,
    ends: datetime | None = None,
    key: Key | None = None,
) -> Made:
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    ends = ends or now + 365 * _DAY
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer or subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, ends) - _DAY)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    for extension in more:
        builder = builder.add_extension(extension, critical=False)
    return Made(builder.sign(by or key, hashes.SHA256()), key)


def root(name: str) -> Made:
    """An authority."""
    return _made(name, None, None, ca=True)


def chain(kind: str, public: Authority, host: str, more: tuple[str, ...], ends: datetime) -> bytes:
    """A chain and its key, PEM. public: the authority that everybody trusts."""
    names = x509.SubjectAlternativeName([x509.DNSName(name) for name in (host, *more)])
    known = x509.load_pem_x509_certificate((public.folder / "ca.pem").read_bytes())
    trusted = Made(known, public.key)
    ours = root("Example \x1b Company Root")  # hostile, too
    r10, r11, below = trusted.signs("R10"), trusted.signs("R11"), ours.signs("Company TLS 1")

    def leaf(by: Made, *more: x509.ExtensionType) -> Made:
        return by.signs(host, names, *more, ca=False, ends=ends)

    def sent(own: Made, *above: Made) -> bytes:
        together = [each.certificate.public_bytes(_PEM) for each in (own, *above)]
        key = own.key.private_bytes(_PEM, _PKCS8, serialization.NoEncryption())
        return b"".join([*together, key])

    match kind:
        case "complete":
            return sent(leaf(r11, _AIA, _FORUM), r11)
        case "complete, out of order":
            deep = r11.signs("R11 below")
            return sent(leaf(deep), r11, deep)
        case "private, without its root":
            return sent(leaf(ours))
        case "private, with its root":
            return sent(leaf(ours), ours)
        case "private, its intermediate alone":
            return sent(leaf(below, _AIA), below)
        case "private, all of it":
            return sent(leaf(below), below, ours)
        case "no intermediate":
            return sent(leaf(r11, _AIA, _FORUM))
        case "no intermediate, and no address of it":
            return sent(leaf(r11, _STAMPS))
        case "no intermediate, and an address alone":
            return sent(leaf(r11, _AIA))
        case "no second intermediate":
            deep = r11.signs("R11 below", _AIA)
            return sent(leaf(deep, _AIA, _FORUM), deep)
        case "the last year's intermediate":
            return sent(leaf(r11, _AIA, _FORUM), r10)
        case "an intermediate of the same name":
            return sent(leaf(r11, _AIA, _FORUM), trusted.signs("R11"))
        case "an expired intermediate":
            old = trusted.signs("R3", ends=datetime.now(UTC) - 3 * _DAY, key=r11.key)
            return sent(leaf(old), old)
        case "a weak intermediate":
            weak = trusted.signs("R1", key=rsa.generate_private_key(65537, 1024))
            return sent(leaf(weak), weak)
        case "an intermediate that is none":
            none = trusted.signs("server.example", ca=False)
            return sent(leaf(none), none)
    raise ValueError(kind)


_PEM, _PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8


def serving(authority: Authority, pem: bytes) -> ssl.SSLContext:
    """A server's context of a chain, which may be weak."""
    file = authority.folder / "chain.pem"
    file.write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(file)
    return context
