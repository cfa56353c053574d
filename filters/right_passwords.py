"""Passwords that were right, so that each is hashed once: digests, kept over a restart.

    {"key": "…", "right": ["…", "…"]}

A digest is made of the login, the password and the hash that the password was right for, under a
random key. So it says nothing about a password whose hash has changed, and who steals this file
without the hashes cannot try passwords with it. With both he can, faster than crypt(3) lets him:
the file belongs to one user and on another disk than the hashes. It must not know whose logins
there are.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from filters.json_file import read_state, write_json
from filters.write_behind import WriteBehind

WRITE_EVERY = 60.0  # seconds
MOST_RIGHT = 16_384
_SIZE = 32  # bytes of a key and of a digest (SHA-256)


class RightPasswords:
    """The digests, in memory and in a file that is written behind the work.

    path None: they end with the process. A file that cannot be read is begun afresh.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._key = secrets.token_bytes(_SIZE)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._changed = False
        self._path = path
        self._writing: WriteBehind[object] | None = None
        if path is not None:
            read_state(path, self._load)
            self._writing = WriteBehind(path, self._snapshot, self._write, seconds=WRITE_EVERY)

    def find(
        self, login: bytes, password: bytes, hashes: Sequence[bytes], at_least: int = 0
    ) -> bytes | None:
        """Which of these hashes the password was right for.

        at_least: so many digests are made, that nobody can tell by the time how many hashes a
        login has.
        """
        found = None
        for number in range(max(at_least, len(hashes))):
            hashed = hashes[number] if number < len(hashes) else b""
            digest = self._digest(login, password, hashed)
            if digest in self._right and hashed:
                self._right.move_to_end(digest)
                found = hashed
        return found

    def add(self, login: bytes, password: bytes, hashed: bytes) -> None:
        """It was right for this hash."""
        digest = self._digest(login, password, hashed)
        self._right[digest] = None
        self._right.move_to_end(digest)
        if len(self._right) > MOST_RIGHT:
            self._right.popitem(last=False)
        self._changed = True
        if self._writing is not None:
            self._writing.changed()

    def finish(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            self._writing.finish()

    def _digest(self, *parts: bytes) -> bytes:
        framed = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._key, framed, "sha256")

    def _load(self, found: Mapping[str, Any]) -> None:
        key, *digests = (bytes.fromhex(each) for each in (found["key"], *found["right"]))
        if any(len(each) != _SIZE for each in (key, *digests)):
            raise ValueError("a key or a digest is no SHA-256")
        self._key = key
        self._right = OrderedDict.fromkeys(digests[-MOST_RIGHT:])

    def _snapshot(self) -> object | None:
        if not self._changed:
            return None
        self._changed = False
        return {"key": self._key.hex(), "right": [each.hex() for each in self._right]}

    def _write(self, content: object) -> None:
        if self._path is None:
            return
        try:
            write_json(self._path, content)
        except OSError:
            self._changed = True  # the next write has it
            raise
