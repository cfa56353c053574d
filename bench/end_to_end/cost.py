"""Processor time and memory of a stack by process, those that have ended meanwhile included.

It must not know which stack it is. All processes of the container count but this one.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
_TICK = os.sysconf("SC_CLK_TCK")
# At rest: so much of a processor at most, over so many seconds.
_BUSY, _REST, _REST_WITHIN = 0.05, 1.0, 120.0


@dataclass(frozen=True)
class _Process:
    name: str
    parent: int
    start: int
    own: int  # ticks
    children: int  # ticks of those that it has waited for


Snapshot = dict[int, _Process]


def snapshot() -> Snapshot:
    """All processes now."""
    found = {}
    for entry in PROC.iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            try:
                head, _, rest = (entry / "stat").read_text().rpartition(")")
                line = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
            except OSError:
                continue
            words = rest.split()
            own, children = (int(words[at]) + int(words[at + 1]) for at in (11, 13))
            name = process_name(line.replace("\0", " ").strip() or head.partition("(")[2])
            found[int(entry.name)] = _Process(name, int(words[1]), int(words[19]), own, children)
    return found


def spent(before: Snapshot, after: Snapshot) -> dict[str, float]:
    """Seconds between the two by name; `NAME > children` are those of NAME that have ended."""
    ticks: Counter[str] = Counter()
    ended = {pid: one for pid, one in before.items() if not _same(one, after.get(pid))}
    for pid, one in after.items():
        old = before.get(pid)
        known = old if old is not None and _same(old, one) else None
        ticks[one.name] += one.own - (known.own if known else 0)
        ticks[f"{one.name} > children"] += one.children - (known.children if known else 0)
    for one in ended.values():
        # What it had spent before is now among the children of who waited for it.
        parent = before.get(one.parent)
        while parent is not None and parent in ended.values():
            parent = before.get(parent.parent)
        if parent is not None:
            ticks[f"{parent.name} > children"] -= one.own + one.children
    return {name: value / _TICK for name, value in ticks.items() if value}


def _same(old: _Process, new: _Process | None) -> bool:
    return new is not None and new.start == old.start


def process_name(line: str) -> str:
    """The program of a command line, and of one in Python the module."""
    words = line.split()
    first = words[0].rstrip(":").rpartition("/")[2] if "dovecot/" not in words[0] else words[0]
    if first.startswith("python") and len(words) > 1:
        rest = [word for word in words[1:] if word not in ("-m", "-I", "-E")]
        name = rest[0].rpartition("/")[2] if "/" in rest[0] else rest[0]
        if name.endswith("until_eof") and len(rest) > 1:
            return rest[1]  # the module that it has become
        if name.endswith("logpipe"):
            # Whose lines it carries: the word before the command.
            whose = next((word for word in rest if word in _CARRIED), "")
            return f"{name} {whose}".strip()
        return name
    if first == "smtpd" and len(words) > 1 and words[0].endswith(":"):
        return f"smtpd: {words[1]}"
    return first


_CARRIED = ("smtpd", "dovecot", "logins", "web", "metrics", "junk")


def wait_for_rest() -> None:
    """Until next to nothing is done. Raises RuntimeError where that does not come."""
    deadline = time.monotonic() + _REST_WITHIN
    before = snapshot()
    while time.monotonic() < deadline:
        time.sleep(_REST)
        after = snapshot()
        if sum(spent(before, after).values()) < _BUSY * _REST:
            return
        before = after
    raise RuntimeError(f"no rest: {spent(before, snapshot())}")


def memory() -> dict[str, int]:
    """Bytes by name, what several share divided among them (PSS)."""
    found: Counter[str] = Counter()
    for pid, one in snapshot().items():
        try:
            for line in (PROC / str(pid) / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    found[one.name] += int(line.split()[1]) * 1_024
        except PermissionError as error:
            raise RuntimeError("the container needs --cap-add SYS_PTRACE") from error
        except OSError:
            continue
    return dict(found)
