"""The filters' own stub resolver beside dnspython's: rounds by turns, each in a fresh process.

It must not know how results are shown.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median

from bench.dns_load import DNSPYTHON, OURS, SILENT, message_file
from bench.messages import MANY, signed
from filters.mailauth.dkim.signing_key import SigningKey

SIZE = 4_096


@dataclass
class Comparison:
    """Figures of dns_load by name: one a round, for each resolver."""

    found: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def note(self, resolver: str, figures: dict[str, float]) -> None:
        """One round of one resolver."""
        of_resolver = self.found.setdefault(resolver, {})
        for name, value in figures.items():
            of_resolver.setdefault(name, []).append(value)

    def of(self, resolver: str, name: str) -> float:
        """The median of a figure."""
        return median(self.found[resolver][name])

    def ratio(self, name: str) -> list[float]:
        """Ours by dnspython's, a round each."""
        pairs = zip(self.found[OURS][name], self.found[DNSPYTHON][name], strict=True)
        return [ours / other for ours, other in pairs]


def measure(
    key: SigningKey, rounds: int, seconds: float, lookups: int, say: Callable[[str], None]
) -> Comparison:
    """Both, with a name server that answers, and once with one that does not."""
    for domain in MANY:
        message_file(domain).write_bytes(signed(SIZE, replace(key, domain=domain)))
    outcome = Comparison()
    for number in range(rounds):
        for resolver in (OURS, DNSPYTHON) if number % 2 else (DNSPYTHON, OURS):
            figures = _run(resolver, "answering", seconds)
            outcome.note(resolver, figures)
            say(
                f"DNS {number + 1}/{rounds}, {resolver}: {figures['rate 10']:.0f} lookups a second,"
                f" 10 at a time, {1e6 * figures['cost 10']:.0f} µs each"
            )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unread:
        unread.bind((SILENT, 53))
        for resolver in (OURS, DNSPYTHON):
            figures = _run(resolver, "silent", lookups)
            outcome.note(resolver, figures)
            say(f"DNS, a silent server, {resolver}: {1e3 * figures['beside']:.0f} ms a lookup")
    return outcome


def _run(resolver: str, load: str, amount: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.dns_load", resolver, load, str(amount)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    found: dict[str, float] = json.loads(done.stdout)
    return found
