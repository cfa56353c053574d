"""Memory and processor time of processes, from /proc.

It must not know which processes those are, or why somebody asks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class Memory:
    """Resident bytes of some processes together: now, and the sum of the highest of each.

    What several share, such as libraries, counts with each; `anonymous` is without files.
    """

    resident: int
    highest: int
    anonymous: int


def descendants(of: int) -> dict[int, str]:
    """The process and all below it: id → command line with blanks between its words."""
    parents: dict[int, int] = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal():
            try:
                # The name in brackets may hold anything; the parent is the second word after it.
                words = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry.name)] = int(words[1])
    found = {of}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: _command(pid) for pid in sorted(found)}


def _command(pid: int) -> str:
    try:
        data = (PROC / str(pid) / "cmdline").read_bytes()
    except OSError:
        return ""
    return data.replace(b"\0", b" ").decode("utf-8", "replace").strip()


def memory(pids: Iterable[int]) -> Memory:
    """What these processes hold; those that are gone hold nothing."""
    totals = {"VmRSS": 0, "VmHWM": 0, "RssAnon": 0}
    for pid in pids:
        try:
            status = (PROC / str(pid) / "status").read_text()
        except OSError:
            continue
        for line in status.splitlines():
            name, _, value = line.partition(":")
            if name in totals:
                totals[name] += int(value.split()[0]) * 1024
    return Memory(totals["VmRSS"], totals["VmHWM"], totals["RssAnon"])


def forget_highest(pids: Iterable[int]) -> None:
    """Begin a new high-water mark."""
    for pid in pids:
        (PROC / str(pid) / "clear_refs").write_text("5")


def cpu(pids: Iterable[int]) -> float:
    """Seconds of processor time, user and system, that these have had so far."""
    ticks = 0
    for pid in pids:
        try:
            words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")
