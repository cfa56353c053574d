"""One measurement: so many messages over so many connections, by Postfix's smtp-source.

A connection carries one message after the other: smtpd's backlog is 5, and more that connect at
one time would wait a second for their SYN to be sent again. It must not know what listens.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# Connections that one smtp-source opens at one time, and the seconds until the next one does.
MOST_AT_ONCE = 5
PAUSE = 0.01


@dataclass(frozen=True)
class Load:
    """Messages of `size` bytes over `connections` at a time; `few` is enough for a first guess."""

    name: str
    title: str
    size: int
    connections: int
    few: int


LOADS = (
    Load("4k-1", "4 KB x 1", 4_096, 1, 30),
    Load("4k-10", "4 KB x 10", 4_096, 10, 60),
    Load("100k-4", "100 KB x 4", 100_000, 4, 8),
    Load("10m-1", "10 MB x 1", 10_000_000, 1, 1),
)


def write_for_source(message: bytes, path: Path) -> None:
    """smtp-source makes CRLF of LF itself."""
    path.write_bytes(message.replace(b"\r\n", b"\n"))


def send(
    path: Path, *, port: int, sender: str, recipient: str, connections: int, count: int
) -> float:
    """Messages per second. Raises RuntimeError where one was not accepted."""
    command = ["smtp-source", "-4", "-d", "-M", "client.example.net", "-F", str(path)]
    command += ["-f", sender, "-t", recipient]
    total = count
    start = time.perf_counter()
    sources = []
    while connections > 0:
        some = min(connections, MOST_AT_ONCE)
        share = round(count * some / connections)
        sources.append(
            subprocess.Popen(
                [*command, "-s", str(some), "-m", str(share), f"inet:127.0.0.1:{port}"],
                stderr=subprocess.PIPE,
            )
        )
        connections, count = connections - some, count - share
        if connections > 0:
            time.sleep(PAUSE)
    for source in sources:
        _, errors = source.communicate()
        if source.returncode != 0:
            raise RuntimeError(f"smtp-source: {errors.decode('utf-8', 'replace').strip()}")
    return total / (time.perf_counter() - start)
