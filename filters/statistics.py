"""What a filter counts for who watches it: how long messages take, and its DNS cache.

    {"started": 1764228000.0, "count": 7, "total": 0.31, "seconds": [[0.005, 2], [0.01, 4], …],
     "dns": {"cached": 12, "asked": 30, "failed": 1, "entries": 25}}

seconds: how many messages took no longer than each bound. All counts begin with the process. The
file is written some seconds after a message, by a thread; nobody waits for it. It must not know who
reads it.
"""

from __future__ import annotations

import argparse
import time
from bisect import bisect_left
from collections.abc import Callable
from functools import partial
from itertools import accumulate
from pathlib import Path
from typing import Protocol

from filters.json_file import write_json
from filters.smtpd import FilterServer
from filters.write_behind import WriteBehind

# Seconds: a message without DNS takes a few milliseconds, and one whose name servers are silent
# what --dns-timeout says.
BOUNDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class CountingResolver(Protocol):
    """What has a cache and counts."""

    @property
    def counts(self) -> dict[str, int]:
        """Questions that were answered from the cache, asked, and failed; entries of the cache."""


class Statistics:
    """The counts, in memory and written behind the work."""

    def __init__(
        self,
        path: Path,
        resolver: CountingResolver | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._resolver = resolver
        self._started = clock()
        self._numbers = [0] * (len(BOUNDS) + 1)
        self._total = 0.0
        self._changed = True  # what an earlier filter wrote is over
        # The folder says who may read it.
        self._writing = WriteBehind(path, self._snapshot, partial(write_json, path, mode=0o644))

    def follow(self, server: FilterServer) -> None:
        """Have every message of the server counted, and the file made anew before there is one."""
        server.time_messages(self.took)
        server.on_ready(lambda handshake: self._writing.changed())

    def took(self, seconds: float) -> None:
        """A message has gone back to smtpd."""
        self._numbers[bisect_left(BOUNDS, seconds)] += 1
        self._total += seconds
        self._changed = True
        self._writing.changed()

    def finish(self) -> None:
        """Write what is not written yet."""
        self._writing.finish()

    def _snapshot(self) -> object | None:
        if not self._changed:
            return None
        self._changed = False
        *sums, count = accumulate(self._numbers)
        return {
            "started": self._started,
            "count": count,
            "total": self._total,
            "seconds": list(zip(BOUNDS, sums, strict=True)),
            "dns": None if self._resolver is None else self._resolver.counts,
        }


def add_statistics_option(parser: argparse.ArgumentParser) -> None:
    """`--statistics`, of both filters."""
    parser.add_argument(
        "--statistics",
        type=Path,
        metavar="FILE",
        help="where to write how long messages take (JSON)",
    )
