"""Whether clients show their own addresses: counts for `signpost doctor`.

    {"clients": {"gateway": 41, "other": 0}, "only": "172.18.0.1", "since": 1764041367}

`gateway` are messages from addresses at which anyone may appear, `only` is the one address of all
of them so far. The machine's own messages do not count.
"""

from __future__ import annotations

import functools
import ipaddress
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filters.json_file import read_state, write_json
from filters.write_behind import WriteBehind

WRITE_EVERY = 60.0  # seconds


class ClientCounts:
    """The counts in a file, from where an earlier process left them; written now and then."""

    def __init__(self, path: Path) -> None:
        self._counts = {"gateway": 0, "other": 0}
        self._only: str | None = None
        self._since = int(time.time())
        self._changed = False
        read_state(path, self._load)
        self._writing = WriteBehind(
            path, self._snapshot, functools.partial(write_json, path), seconds=WRITE_EVERY
        )

    def note(self, address: str | None, *, unknown: bool) -> None:
        """A message has come from this address; `unknown`: anyone may appear there."""
        if address is None or ipaddress.ip_address(address).is_loopback:
            return
        first = not any(self._counts.values())
        self._counts["gateway" if unknown else "other"] += 1
        self._only = address if first or self._only == address else None
        self._changed = True
        self._writing.changed()

    def finish(self) -> None:
        """Write what is not written yet."""
        self._writing.finish()

    def _load(self, found: Mapping[str, Any]) -> None:
        counts = {name: int(found["clients"][name]) for name in self._counts}
        self._counts, self._only, self._since = counts, found["only"], int(found["since"])

    def _snapshot(self) -> object | None:
        if not self._changed:
            return None
        self._changed = False
        return {"clients": dict(self._counts), "only": self._only, "since": self._since}
