"""filters.inbound, but for the results of SPF that it knows: they are counted, or there are none.

    python counting_filter.py FILE …
    python counting_filter.py - …

FILE gets two numbers of eight bytes: messages whose result was known, and others. `-`: every result
is evaluated.
"""

from __future__ import annotations

import mmap
import struct
import sys
from pathlib import Path

from filters import inbound
from filters.mailauth.dns.types import Known
from filters.mailauth.spf import check
from filters.mailauth.spf.result_cache import Client, Result, ResultCache, Sender

_COUNTS = struct.Struct("QQ")


def counts(path: Path) -> tuple[int, int]:
    """How many were known, and how many were not."""
    known, others = _COUNTS.unpack(path.read_bytes())
    return known, others


class _Counting(ResultCache):
    def __init__(self, path: Path) -> None:
        super().__init__()
        path.write_bytes(bytes(_COUNTS.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), _COUNTS.size)
        self._counts = [0, 0]

    def find(self, client: Client, sender: Sender, known: Known) -> Result | None:
        found = super().find(client, sender, known)
        self._counts[found is None] += 1
        _COUNTS.pack_into(self._shared, 0, *self._counts)
        return found


if __name__ == "__main__":
    where, arguments = sys.argv[1], sys.argv[2:]
    check._results = ResultCache(most=0) if where == "-" else _Counting(Path(where))
    inbound.main(arguments)
