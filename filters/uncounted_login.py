"""One login more, for who watches the server: nobody's account, neither counted nor noted.

    {"login": "health-…", "sha256": "…"}

The digest is the password's. The password is random and long, so one round of SHA-256 is enough,
and it is answered before any block is looked at.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class UncountedLogin:
    """A login and the digest of its password."""

    login: bytes
    digest: bytes

    @classmethod
    def read(cls, path: Path) -> UncountedLogin:
        """Raises OSError, or ValueError where the file is not of that form."""
        try:
            found = json.loads(path.read_text("ascii"))
            digest = bytes.fromhex(found["sha256"])
            login = found["login"].encode("ascii")
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"no login: {error!r}") from error
        if not login or len(digest) != hashlib.sha256().digest_size:
            raise ValueError("no login: an empty name or no SHA-256")
        return cls(login, digest)

    def is_right(self, login: bytes, password: bytes) -> bool:
        """Whether this is the login with its own password."""
        if login != self.login:
            return False
        return hmac.compare_digest(hashlib.sha256(password).digest(), self.digest)
