"""What the container's limits have done: the kernel counts it, and tells nobody in here.

A process that the memory limit ends says nothing, and what is left of its program names another
cause. In: the control group's files, version 2 or 1. Out: a line, once for each change.
Standard library only: it is in memory as long as the server runs.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ContainerLimit:
    """One limit. files: of its count and of itself, for each version; the first that is there."""

    files: tuple[tuple[str, str], ...]
    counts: str
    text: str


LIMITS = (
    ContainerLimit(
        (
            ("memory.events", "memory.max"),
            ("memory/memory.oom_control", "memory/memory.limit_in_bytes"),
        ),
        "oom_kill",
        "the container's memory limit (%s bytes) has ended a process, and with it what it did "
        "(%d so far); raise `memory` in compose.yaml, or lower MESSAGE_SIZE_LIMIT",
    ),
    ContainerLimit(
        (("pids.events", "pids.max"), ("pids/pids.events", "pids/pids.max")),
        "max",
        "the container's limit of processes (%s) has kept one from being started (%d so far); "
        "raise `pids` in compose.yaml",
    ),
)


class ContainerLimits:
    """`look` is called about each second, and costs two small reads."""

    def __init__(
        self, root: Path = Path("/sys/fs/cgroup"), limits: Sequence[ContainerLimit] = LIMITS
    ) -> None:
        """What happened before, in an earlier run of this container, is not said again."""
        self._watched: list[tuple[ContainerLimit, Path, Path]] = []
        for limit in limits:
            for count, most in limit.files:
                if (root / count).is_file():
                    self._watched.append((limit, root / count, root / most))
                    break
        self._seen = {count: counted(count, limit.counts) for limit, count, _ in self._watched}

    def look(self) -> None:
        """Say what has come since the last look."""
        for limit, count, most in self._watched:
            found = counted(count, limit.counts)
            if found > self._seen[count]:
                log.error(limit.text, said(most), found)
            self._seen[count] = found


def counted(path: Path, name: str) -> int:
    """The number beside the name; 0 where there is none."""
    found = re.search(rf"^{name} (\d+)$", said(path), re.MULTILINE)
    return int(found[1]) if found else 0


def said(path: Path) -> str:
    """What the file has, which the kernel makes on the spot."""
    try:
        return path.read_text("ascii", "replace").strip()
    except OSError:
        return ""
