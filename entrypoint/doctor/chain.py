"""Why does a chain not verify: a part is missing, it is self-signed, or its root is a private one?

Who cannot know asks the chain itself. An authority that browsers know puts signed certificate time
stamps (RFC 6962 §3.3) or a policy of the CA/Browser Forum into each certificate; one of a
company's own does neither. It must not know ports, nor what makes a certificate good in itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from entrypoint.config.settings import Settings
from entrypoint.doctor.finding import Status, quote

# X509_V_ERR_… where OpenSSL found no trusted end of the chain (x509_vfy.h): 2 and 20 no issuer, 18
# and 19 self-signed, 7 and 21 one with the issuer's name, but another key.
_NO_END = frozenset({2, 7, 18, 19, 20, 21})
_FULL_CHAIN = "give the full chain in SSL_CERT_PATH, the server's own certificate first"
_LETS_ENCRYPT = Settings.model_fields["acme_server"].default

_LEAST_RSA_BITS = 2048
_WEAK_HASHES = frozenset({"md5", "sha1"})
_FORUM = "2.23.140.1.2."  # the CA/Browser Forum's policies for servers
_NAMED = (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME)


@dataclass(frozen=True)
class ChainVerdict:
    """What is to be said of a chain, and what to do."""

    status: Status
    detail: str
    cure: str


@dataclass(frozen=True)
class IssuedBy:
    """Where the certificate comes from, for the cure. server: the ACME server, None without."""

    server: str | None

    @classmethod
    def of(cls, settings: Settings) -> IssuedBy:
        """That of a configuration."""
        return cls(settings.acme_server if settings.ssl_type == "acme" else None)


def judge_chain(
    sent: Sequence[x509.Certificate], code: int, message: str, now: datetime, source: IssuedBy
) -> ChainVerdict:
    """sent: a chain that does not verify, the server's own certificate first. code, message: what
    OpenSSL says of it. now: a time with a zone.
    """
    path, rest = _path(sent)
    if is_self_signed(path[0]):
        return ChainVerdict(
            "warn",
            f"self-signed, {left(path[0], now)}: mail programs will warn",
            "set SSL_TYPE=acme, or manual with a certificate for the host's name",
        )
    if expired := [each for each in path[1:] if now > each.not_valid_after_utc]:
        named, ended = _called(expired[0].subject), f"{expired[0].not_valid_after_utc:%Y-%m-%d}"
        return ChainVerdict(
            "fail",
            f"the certificate of the authority {named} in its chain expired on {ended}",
            "get the certificate anew, and give the chain that comes with it",
        )
    if weak := [why for each in path if (why := _weakness(each))]:
        return ChainVerdict(
            "fail", f"it is too weak: {weak[0]}", "get it anew from another authority"
        )
    if code not in _NO_END:
        return ChainVerdict(
            "fail",
            f"it does not verify: {message}",
            "have its authority issue it anew for a TLS server, or set SSL_TYPE=acme",
        )
    return _without_end(path, rest, now, source)


def _without_end(
    path: Sequence[x509.Certificate],
    rest: Sequence[x509.Certificate],
    now: datetime,
    source: IssuedBy,
) -> ChainVerdict:
    last = path[-1]
    if is_self_signed(last):
        return _private(_called(last.subject), path[0], now, source)
    issuer = _called(last.issuer)
    if source.server is not None:  # RFC 8555 §9.1: what an ACME server gives is the whole chain
        if source.server != _LETS_ENCRYPT:
            return _private(issuer, path[0], now, source)
        return ChainVerdict(
            "warn",
            f"this image does not know the authority {issuer} yet, {left(path[0], now)}",
            "get the present list of authorities: docker compose build --pull, and start it again",
        )
    if any(each.subject == last.issuer for each in rest):
        return ChainVerdict(
            "fail",
            f"the chain is not complete: its {issuer} has another key than the one that signed",
            f"{_FULL_CHAIN}; take the chain that came with this certificate",
        )
    if rest:
        return ChainVerdict(
            "fail",
            f"the chain is not complete: it has no {issuer}, which issued {_called(last.subject)}, "
            f"but {_called(rest[0].subject)}",
            f"{_FULL_CHAIN}; take the chain that came with this certificate",
        )
    found = _issuer_url(last)
    if _is_public(path[0]) or (len(path) == 1 and found):
        where = f", which is at {quote(found)}" if found else ""
        old = "; if it is complete, the image is old: docker compose build --pull"
        return ChainVerdict(
            "fail",
            f"the chain is not complete: the intermediate certificate {issuer} is missing{where}",
            _FULL_CHAIN + ("" if len(path) == 1 else old),
        )
    return _private(issuer, path[0], now, source)


def _private(
    authority: str, certificate: x509.Certificate, now: datetime, source: IssuedBy
) -> ChainVerdict:
    """An authority that nobody knows but those who have its root certificate."""
    if source.server is None:
        for_all = "for everybody else, set SSL_TYPE=acme"
    else:
        for_all = "for everybody else, leave ACME_SERVER out, and Let's Encrypt issues it"
    return ChainVerdict(
        "warn",
        f"issued by {authority}, an authority that is not public, {left(certificate, now)}: mail "
        "programs will warn where its root certificate is not installed",
        f"install the root certificate of {authority} on each device; {for_all}",
    )


def left(certificate: x509.Certificate, now: datetime) -> str:
    """`valid until 2027-01-31, 66 days left`."""
    ends = certificate.not_valid_after_utc
    return f"valid until {ends:%Y-%m-%d}, {(ends - now).days} days left"


def is_self_signed(certificate: x509.Certificate) -> bool:
    """Does its own key verify it?"""
    return _issued(certificate, certificate)


def _path(
    sent: Sequence[x509.Certificate],
) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """From the server's own certificate upwards as far as the chain goes, and what is not on it."""
    path, rest = [sent[0]], list(sent[1:])
    while not is_self_signed(path[-1]):
        issuer = next((each for each in rest if _issued(path[-1], each)), None)
        if issuer is None:
            break
        rest.remove(issuer)
        path.append(issuer)
    return path, rest


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _weakness(certificate: x509.Certificate) -> str:
    """What clients do not take any more, "" if it is strong enough."""
    try:
        key, digest = certificate.public_key(), certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return ""
    if isinstance(key, rsa.RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        return f"{_called(certificate.subject)} has an RSA key of {key.key_size} bits"
    # Nobody verifies a root's own signature.
    if digest is not None and digest.name in _WEAK_HASHES and not is_self_signed(certificate):
        return f"{_called(certificate.subject)} is signed with {digest.name.upper()}"
    return ""


def _is_public(certificate: x509.Certificate) -> bool:
    """Is it from an authority that browsers know?"""
    for extension in _extensions(certificate):
        if isinstance(extension, x509.PrecertificateSignedCertificateTimestamps):
            return True
        if isinstance(extension, x509.CertificatePolicies):
            return any(
                each.policy_identifier.dotted_string.startswith(_FORUM) for each in extension
            )
    return False


def _issuer_url(certificate: x509.Certificate) -> str:
    """Where the issuer's certificate can be had (RFC 5280 §4.2.2.1), "" if it does not say."""
    for extension in _extensions(certificate):
        if isinstance(extension, x509.AuthorityInformationAccess):
            for each in extension:
                place = each.access_location
                if each.access_method == AuthorityInformationAccessOID.CA_ISSUERS and isinstance(
                    place, x509.UniformResourceIdentifier
                ):
                    return place.value
    return ""


def _extensions(certificate: x509.Certificate) -> list[x509.ExtensionType]:
    try:
        return [each.value for each in certificate.extensions]
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return []


def _called(name: x509.Name) -> str:
    """A name as a person knows it, quoted: it is a stranger's."""
    for kind in _NAMED:
        if found := name.get_attributes_for_oid(kind):
            value = found[0].value
            return quote(value if isinstance(value, (str, bytes)) else str(value))
    return quote(name.rfc4514_string() or "no name")
