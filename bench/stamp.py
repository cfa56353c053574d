"""When a section was measured, of which commit, and how busy the machine was when it began."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime


def stamp() -> str:
    """Now, as a line."""
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    load = " ".join(f"{one:.2f}" for one in os.getloadavg())
    return f"{date}, commit {os.environ.get('BENCH_COMMIT', 'unknown')}, load at its start {load}."


def stamped(section: str, line: str) -> str:
    """The section with that line below each of its headings of the second level."""
    return re.sub(r"(?m)^(## .*)$", lambda found: f"{found[1]}\n\n{line}", section)
