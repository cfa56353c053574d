"""Which messages of ours left without a signature: a small file that `signpost health` reads.

    {"example.org": {"count": 3, "first": 1764056646, "last": 1764056700,
                     "signed": null, "reason": "OSError: …"}}

count: messages since the filter started. first, last: Unix time. signed: when the next message of
the domain got its signature, null as long as none has. The file is made anew when the filter
starts. It must not know why a message could not be signed, nor what becomes of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from filters.state_file import write_state
from filters.trouble import Trouble

log = logging.getLogger(__name__)

_LONGEST_REASON = 200  # characters


@dataclass
class Entry:
    """One author domain."""

    count: int
    first: int
    last: int
    signed: int | None
    reason: str


class UnsignedBook:
    """The counters, kept in memory and written at every change. path None: nothing is written.

    Its user is the one writer. Nothing is raised: mail does not wait for a file.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._clock = clock
        self._trouble = Trouble(log, str(path))
        self._entries: dict[str, Entry] = {}
        self._write()

    def unsigned(self, domain: str, reason: str) -> int:
        """Note a message that has no signature; how many that makes."""
        now = int(self._clock())
        entry = self._entries.setdefault(domain, Entry(0, now, now, None, ""))
        entry.count += 1
        entry.last, entry.signed, entry.reason = now, None, reason[:_LONGEST_REASON]
        self._write()
        return entry.count

    def signed(self, domain: str) -> None:
        """Note a message that has its signature; it costs a look into an empty dictionary."""
        if not self._entries:
            return
        entry = self._entries.get(domain)
        if entry is not None and entry.signed is None:
            entry.signed = int(self._clock())
            self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            write_state(self._path, {name: asdict(entry) for name, entry in self._entries.items()})
        except OSError as error:
            self._trouble.failed(error, "it cannot be written")
        else:
            self._trouble.over()
