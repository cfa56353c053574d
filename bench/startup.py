"""The section of the container's start and of what small programs hold, from what bench/run saw.

Lines on standard input: `load WORDS`, `start MICROSECONDS` each time, `pss KILOBYTES COMMAND` for
each process at rest. It must not measure anything.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from statistics import median

from bench.end_to_end.cost import process_name
from bench.markdown import table

_START, _HELD = 2.5, 60.0  # seconds; MB
# Log handling, maintenance and the supervisor; what checks logins is none of them.
_COUNTED, _NOT = ("logpipe", "supervise", "maintenance"), ("until_eof",)

_ABOUT = """\
From `docker start`, for volumes that a first start has filled and 10 accounts, to the line
`signpost ready`, as seen from outside, the engine's own work included; {count} starts, one after
the other. Memory is PSS five seconds after the last.

"""


@dataclass
class Seen:
    """Seconds of each start, the load before, bytes by process."""

    load: str = ""
    starts: list[float] = field(default_factory=list)
    memory: Counter[str] = field(default_factory=Counter)


def read(lines: Iterable[str]) -> Seen:
    """What was seen."""
    seen = Seen()
    for line in lines:
        kind, _, rest = line.strip().partition(" ")
        if kind == "load":
            seen.load = rest
        elif kind == "start":
            seen.starts.append(int(rest) / 1e6)
        elif kind == "pss":
            size, _, command = rest.partition(" ")
            if command.strip():
                seen.memory[process_name(command.strip())] += int(size) * 1_024
    return seen


def section(seen: Seen) -> str:
    """As Markdown."""
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    commit = os.environ.get("BENCH_COMMIT", "unknown")
    text = f"\n## Start, and what small programs hold\n\n{now}, commit {commit},"
    text += f" load before {seen.load}.\n\n{_ABOUT.format(count=len(seen.starts))}"
    middle, held = median(seen.starts), sum(_counted(seen).values()) / 1e6
    rows = [
        [
            "start to `ready`, s",
            f"**{middle:.2f}** ({min(seen.starts):.2f}-{max(seen.starts):.2f})",
            f"≤ {_START}",
            _yes(middle <= _START),
        ],
        [
            "log handling, maintenance and supervisor, MB",
            f"**{held:.0f}**",
            f"≤ {_HELD:.0f}",
            _yes(held <= _HELD),
        ],
    ]
    text += table(["", "measured", "wanted", "reached"], rows) + "\n"
    counted = _counted(seen)
    processes = [
        [f"**{name}**" if name in counted else name, f"{size / 1e6:.1f}"]
        for name, size in seen.memory.most_common()
    ]
    return text + table(["process (in bold: those that are counted)", "MB"], processes)


def _counted(seen: Seen) -> dict[str, int]:
    return {
        name: size
        for name, size in seen.memory.items()
        if any(word in name for word in _COUNTED) and not any(word in name for word in _NOT)
    }


def _yes(reached: bool) -> str:
    return "yes" if reached else "**no**"


if __name__ == "__main__":
    print(section(read(sys.stdin)), end="")
