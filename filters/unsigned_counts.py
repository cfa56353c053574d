"""Which messages of ours left without a signature: a small file that `signpost health` reads.

    {"example.org": {"count": 3, "first": 1764056646, "last": 1764056700,
                     "signed": null, "reason": "OSError: …"}}

count: messages since the filter started. first, last: Unix time. signed: when the next message of
the domain got its signature, null as long as none has. The file is made anew when the filter
starts. It must not know why a message could not be signed, nor what becomes of it.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from filters.json_file import write_json
from filters.write_behind import WriteBehind

_LONGEST_REASON = 200  # characters


@dataclass
class UnsignedMail:
    """Of one author domain."""

    count: int
    first: int
    last: int
    signed: int | None
    reason: str


class UnsignedCounts:
    """The counters, in memory and written behind the work. path None: nothing is written.

    Large messages are signed in threads, so it may be called in any.
    """

    def __init__(self, path: Path | None, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._domains: dict[str, UnsignedMail] = {}
        self._changed = True  # what an earlier filter wrote is over
        self._writing: WriteBehind[object] | None = None
        if path is not None:
            self._writing = WriteBehind(path, self._snapshot, functools.partial(write_json, path))

    def start(self) -> None:
        """Make the file anew; on the event loop, before there is mail."""
        self._note_change()

    def unsigned(self, domain: str, reason: str) -> int:
        """Note a message that has no signature; how many that makes."""
        now = int(self._clock())
        mail = self._domains.setdefault(domain, UnsignedMail(0, now, now, None, ""))
        mail.count += 1
        mail.last, mail.signed, mail.reason = now, None, reason[:_LONGEST_REASON]
        self._note_change()
        return mail.count

    def signed(self, domain: str) -> None:
        """Note a message that has its signature; it costs a look into an empty dictionary."""
        if not self._domains:
            return
        mail = self._domains.get(domain)
        if mail is not None and mail.signed is None:
            mail.signed = int(self._clock())
            self._note_change()

    def finish(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            self._writing.finish()

    def _note_change(self) -> None:
        self._changed = True
        if self._writing is not None:
            self._writing.changed()

    def _snapshot(self) -> object | None:
        if not self._changed:
            return None
        self._changed = False
        # A list first: a thread may add a domain meanwhile.
        return {domain: asdict(mail) for domain, mail in list(self._domains.items())}
