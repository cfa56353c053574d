"""Memory of a filter and of smtpd's lookup process: at rest, and with large messages at once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.listeners import Listener, port
from bench.load import send
from bench.messages import RECIPIENT
from bench.processes import Memory, descendants, forget_highest, memory
from bench.servers import Smtpd
from bench.testbed import Mail

SMALL = 4_096
LARGE = 25_000_000


@dataclass(frozen=True)
class Footprint:
    """Bytes. `rest` is after one small message, `after` when the large ones are gone."""

    listener: Listener
    rest: int
    peak: int
    after: int
    lookup: Memory
    sent: int
    arrived: int
    seconds: float


def measure(listener: Listener, mail: Mail, at_once: int) -> Footprint:
    """Send `at_once` messages of 25 MB, each over a connection of its own, all at one time."""
    with Smtpd([listener]) as smtpd:
        _send(listener, mail, SMALL, 1)
        smtpd_and_filters = descendants(smtpd.pid)
        program = (listener.command or "").split()[-1]
        filters = _below(smtpd_and_filters, program)
        lookup = _below(smtpd_and_filters, "smtpd: lookup")
        if not filters or not lookup:
            raise RuntimeError(f"{listener.title}: not among {smtpd_and_filters}")
        rest = memory(filters).resident
        forget_highest([*filters, *lookup])
        before = len(smtpd.messages())
        start = time.perf_counter()
        _send(listener, mail, LARGE, at_once)
        return Footprint(
            listener=listener,
            rest=rest,
            peak=memory(filters).highest,
            after=memory(filters).resident,
            lookup=memory(lookup),
            sent=at_once,
            arrived=len(smtpd.messages()) - before,
            seconds=time.perf_counter() - start,
        )


def _below(commands: dict[int, str], mark: str) -> Sequence[int]:
    """The processes whose command line has the mark, and their own descendants."""
    found: dict[int, None] = {}
    for pid, command in commands.items():
        if mark in command:
            found |= dict.fromkeys(descendants(pid))
    return list(found)


def _send(listener: Listener, mail: Mail, size: int, count: int) -> float:
    return send(
        mail.file(size),
        port=port(listener),
        sender=mail.sender,
        recipient=RECIPIENT,
        connections=count,
        count=count,
    )
