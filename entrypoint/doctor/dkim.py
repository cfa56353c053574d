"""Does DNS serve exactly the keys that sign (RFC 6376 §3.6)?"""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrypoint.doctor.finding import Finding, Status, not_checked, quote
from entrypoint.doctor.this_server import ThisServer
from filters.mailauth.dkim.key_record import KeyRecordError, PublicKey, read_record
from filters.mailauth.dkim.signing_key import SigningKey
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver


async def check_dkim(key: SigningKey, server: ThisServer, resolver: Resolver) -> Finding:
    """One key in use against its record."""
    name = f"{key.selector}._domainkey.{key.domain}"
    publish = server.publish(name, "TXT")

    def finding(status: Status, detail: str, cure: str = "") -> Finding:
        return Finding(
            "dkim", server.owner(key.domain), status, f"{name}: {detail}", cure, key.selector
        )

    try:
        texts = (await resolver.query(name, "TXT")).texts
    except DnsTemporaryError as error:
        return not_checked("dkim", server.owner(key.domain), error.reason, key.selector)
    if not texts:
        return finding("fail", "no such record: nobody can verify what this key signs", publish)
    if len(texts) > 1:
        return finding(
            "fail", f"{len(texts)} records, and there must be one", f"keep only this; {publish}"
        )
    try:
        published = read_record(texts[0], key.algorithm)
    except KeyRecordError as error:
        return finding("fail", f"{error}: {quote(texts[0])}", _cure(texts[0], publish))
    if not _same(key, published):
        return finding("fail", "another key is published than the one that signs", publish)
    if published.testing:
        return finding(
            "warn",
            "the key in use, but t=y says that it is only a test",
            f"remove t=y; {publish}",
        )
    return finding("ok", f"the key in use, {_kind(key)}")


def _same(key: SigningKey, published: PublicKey) -> bool:
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    ours = key.private.public_key().public_bytes(*form)
    return published.key.public_bytes(*form) == ours


def _kind(key: SigningKey) -> str:
    if key.algorithm == "ed25519-sha256":
        return "Ed25519"
    return f"RSA of {key.private.key_size} bits"  # type: ignore[union-attr]


def _cure(text: bytes, publish: str) -> str:
    # Some forms of DNS providers cut a value at the length of one character-string.
    cut = "the value was cut at 255 characters: paste it split; " if len(text) == 255 else ""
    return cut + publish
