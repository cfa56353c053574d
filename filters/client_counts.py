"""Whether clients show their own addresses: counts for `signpost doctor`.

    {"clients": {"gateway": 41, "other": 0}, "only": "172.18.0.1", "since": 1764041367}

`gateway` are messages from addresses at which anyone may appear, `only` is the one address of all
of them so far. The machine's own messages do not count.
"""

from __future__ import annotations

import ipaddress
import json
import logging
import time
from pathlib import Path

from filters.state_file import write_state
from filters.trouble import Trouble

log = logging.getLogger(__name__)

WRITE_EVERY = 60.0  # seconds


class ClientCounts:
    """The counts in a file, from where an earlier process left them; written now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._trouble = Trouble(log, str(path))
        self._counts = {"gateway": 0, "other": 0}
        self._only: str | None = None
        self._since = int(time.time())
        self._written = -WRITE_EVERY
        try:
            self._read(path.read_text("ascii"))
        except FileNotFoundError:
            pass
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s: begun afresh: %s", path, error)

    def _read(self, text: str) -> None:
        found = json.loads(text)
        counts = {name: int(found["clients"][name]) for name in self._counts}
        self._counts, self._only, self._since = counts, found["only"], int(found["since"])

    def note(self, address: str | None, *, unknown: bool) -> None:
        """A message has come from this address; `unknown`: anyone may appear there."""
        if address is None or ipaddress.ip_address(address).is_loopback:
            return
        first = not any(self._counts.values())
        self._counts["gateway" if unknown else "other"] += 1
        self._only = address if first or self._only == address else None
        if time.monotonic() - self._written < WRITE_EVERY:
            return
        self._written = time.monotonic()
        content = {"clients": self._counts, "only": self._only, "since": self._since}
        try:
            write_state(self._path, content)
        except OSError as error:
            self._trouble.failed(error, "it cannot be written")
        else:
            self._trouble.over()
