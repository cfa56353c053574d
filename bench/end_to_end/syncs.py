"""What is made safe on the disk for a message, as strace sees it: by process and kind of file."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Self

from bench.end_to_end.cost import snapshot
from bench.server import RUN

_CALLS = "fsync,fdatasync,syncfs,sync,sync_file_range,msync"
_LINE = re.compile(r"^(\d+) +(?:\S+ )?(\w+)\((?:\d+<([^>]*)>)?")
_QUEUES = ("/var/spool/smtpd", "/var/spool/postfix")
_ATTACHED = 15.0  # seconds


class Watched:
    """All processes of the container, and what they start, while this is open."""

    def __init__(self) -> None:
        self._file = RUN / "strace.txt"
        self._names: dict[int, str] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._names = {pid: one.name for pid, one in snapshot().items() if pid != 1}
        command = ["strace", "-f", "-y", "-qq", "-e", f"trace={_CALLS}", "-o", str(self._file)]
        for pid in self._names:
            command += ["-p", str(pid)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + _ATTACHED
        while not all(_traced(pid) for pid in self._names):
            if time.monotonic() > deadline:
                break
            time.sleep(0.05)
        return self

    def __exit__(self, *details: object) -> None:
        if self._process is not None:
            self._names |= {pid: one.name for pid, one in snapshot().items()}
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)

    def by_process(self, messages: int) -> dict[str, float]:
        """`PROCESS: CALL of WHAT` → how often a message."""
        found: Counter[str] = Counter()
        for line in self._file.read_text("utf-8", "replace").splitlines():
            if (parts := _LINE.match(line)) and "resumed" not in line:
                pid, call, path = int(parts[1]), parts[2], parts[3] or ""
                who = self._names.get(pid, "one that ended")
                found[f"{who}: {call} of {_kind(path)}"] += 1
        return {name: count / messages for name, count in found.most_common()}


def _traced(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True
    return "TracerPid:\t0\n" not in status


def _kind(path: str) -> str:
    if any(path.startswith(queue) for queue in _QUEUES):
        where = "a file" if re.search(r"\d", path.rpartition("/")[2]) else "another file"
        return f"{where} of the queue"
    name = path.rpartition("/")[2]
    if "/tmp/" in path and path.startswith("/data"):
        return "the message in tmp"
    if name in ("new", "cur", "tmp"):
        return f"the folder {name}"
    return re.sub(r"[\d.]{6,}\S*", "N", name) or "something"
