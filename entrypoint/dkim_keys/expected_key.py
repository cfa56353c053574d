"""What DNS should say of a key. It must not know who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filters.mailauth.dkim.signing_key import SigningKey


@dataclass(frozen=True)
class ExpectedKey:
    """What a record must have. public: the SubjectPublicKeyInfo in DER."""

    domain: str
    selector: str
    algorithm: str
    public: bytes

    @classmethod
    def of(cls, key: SigningKey) -> ExpectedKey:
        """The public part of a key."""
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        public = key.private.public_key().public_bytes(
            Encoding.DER, PublicFormat.SubjectPublicKeyInfo
        )
        return cls(key.domain, key.selector, key.algorithm, public)

    @property
    def name(self) -> str:
        """Where the record stands."""
        return f"{self.selector}._domainkey.{self.domain}"
