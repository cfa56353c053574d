"""Which hash that is rendered belongs to a plain password, found without crypt(3) the second time.

With a thousand plain passwords in ACCOUNTS_FILE each change would take seconds. What is remembered
are keyed digests, in a file of root's beside everything rendered: root reads ACCOUNTS_FILE, too.

An account has one salt for good, so that a password has the same hash after each start: what is
remembered by the hash (filters.right_passwords) is lost with it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from entrypoint.config.passwords import SALT, hash_password
from entrypoint.disks import takes_nothing
from entrypoint.files import write_file
from entrypoint.json_model import JsonModel, read_json
from entrypoint.paths import RUN
from entrypoint.render import rendered_hashes
from filters.credentials import matches

_NAME = "known-hashes.json"


class KnownHashes:
    """The hashes as they were rendered last. root: who runs this. salt_key: what no other server
    has, None where there is none; it is asked for once a password has to be hashed.
    """

    def __init__(
        self,
        run: Path = RUN,
        root: str = "root",
        salt_key: Callable[[], str | None] = lambda: None,
    ) -> None:
        self._path, self._root, self._salt_key = run / _NAME, root, salt_key
        self._hashes = rendered_hashes(run)
        self._key, self._before = _read(self._path)
        self._now: dict[str, str] = {}

    def of(self, address: str, plain: str) -> str | None:
        """The hash of the address, if it is one of this password."""
        hashed = self._hashes.get(address)
        if hashed is None:
            return None
        digest = self._digest(address, plain, hashed)
        known = hmac.compare_digest(self._before.get(address, ""), digest)
        if not known and not matches(plain.encode(), hashed.encode("ascii")):
            return None
        self._now[address] = digest
        return hashed

    def hash_of(self, address: str, plain: str) -> str:
        """The hash of the address if it is one of this password, else a new one."""
        hashed = self.of(address, plain)
        if hashed is None:
            hashed = hash_password(plain, self._salt(address))
            self._now[address] = self._digest(address, plain, hashed)
        return hashed

    def _salt(self, address: str) -> str | None:
        """Of the address alone: one that told of the password could be tried without crypt(3)."""
        if (key := self._salt_key()) is None:
            return None
        digest = hmac.new(key.encode(), address.encode(), hashlib.sha256).digest()
        return "".join(SALT[byte % len(SALT)] for byte in digest[:16])

    def _digest(self, address: str, plain: str, hashed: str) -> str:
        question = "\0".join((address, plain, hashed)).encode()
        return hmac.new(self._key, question, hashlib.sha256).hexdigest()

    def remember(self) -> None:
        """Know next time what was asked for, once it is rendered. Raises OSError."""
        if self._now == self._before:
            return
        content = json.dumps({"key": self._key.hex(), "digests": self._now}).encode("ascii")
        try:
            write_file(self._path, content, self._root, self._root, 0o600)
        except OSError as error:  # it saves time, and nothing else
            if not takes_nothing(error):
                raise


class _File(JsonModel):
    key: str
    digests: dict[str, str]


def _read(path: Path) -> tuple[bytes, Mapping[str, str]]:
    try:
        found = read_json(_File, path.read_text("ascii"))
        return bytes.fromhex(found.key), found.digests
    except (OSError, ValueError):  # none yet
        return secrets.token_bytes(32), {}
