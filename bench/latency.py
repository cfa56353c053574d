"""How long other mail takes while messages wait for a name server: what is sent, how often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.listeners import SIGN_RSA, VERIFY, Listener, port
from bench.messages import RECIPIENT, STUCK, plain, signed
from bench.servers import Smtpd
from bench.stuck import Cycle, Mail, cycle, many_descriptors, percentile
from bench.testbed import PLAIN, SELECTOR, SIGNED
from filters.mailauth.dkim.signing_key import SigningKey

SIZE = 4_096


@dataclass
class Latencies:
    """Latencies in seconds, idle and with the stuck messages in hand, and the cycles' facts."""

    messages: int
    cycles: list[Cycle] = field(default_factory=list)

    def idle(self, listener: Listener) -> list[float]:
        """Every probe of the idle server."""
        return [value for one in self.cycles for value in one.idle[port(listener)]]

    def held(self, listener: Listener) -> list[float]:
        """Every probe with as many sessions open that have not ended their messages."""
        return [value for one in self.cycles for value in one.held[port(listener)]]

    def stuck(self, listener: Listener) -> list[float]:
        """Every probe with the stuck messages in hand."""
        return [value for one in self.cycles for value in one.stuck[port(listener)]]

    def held_by_idle(self, listener: Listener) -> list[float]:
        """The p99 beside open sessions by the idle server's, of each cycle."""
        return [_p99(one.held, listener) / _p99(one.idle, listener) for one in self.cycles]

    def stuck_by_idle(self, listener: Listener) -> list[float]:
        """The same with the stuck messages in hand."""
        return [_p99(one.stuck, listener) / _p99(one.idle, listener) for one in self.cycles]


def _p99(found: Mapping[int, Sequence[float]], listener: Listener) -> float:
    return percentile(found[port(listener)], 0.99)


def measure(messages: int, cycles: int, say: Callable[[str], None]) -> Latencies:
    """Stick `messages` messages, each of a domain of its own, and probe beside them."""
    outcome = Latencies(messages)
    private = Ed25519PrivateKey.generate()
    probes = [
        Mail(port(VERIFY), SIGNED.sender, RECIPIENT, _wire(SIGNED.file(SIZE).read_bytes())),
        Mail(port(SIGN_RSA), PLAIN.sender, RECIPIENT, plain(SIZE, PLAIN.sender)),
    ]
    for number in range(cycles):
        stuck = []
        for which in range(messages):
            domain = f"d{number}-{which}.{STUCK}"
            data = signed(1_024, SigningKey(domain, SELECTOR, "ed25519-sha256", private))
            stuck.append(Mail(port(VERIFY), f"alice@{domain}", RECIPIENT, data))
        with Smtpd([VERIFY, SIGN_RSA]), many_descriptors():
            found = asyncio.run(cycle(probes, stuck))
        outcome.cycles.append(found)
        say(
            f"stuck DNS {number + 1}/{cycles}: {found.in_hand} in hand for {found.window:.1f} s,"
            f" {found.accepted} accepted in the end, the last after {found.longest:.1f} s"
        )
    return outcome


def _wire(text: bytes) -> bytes:
    return text.replace(b"\n", b"\r\n")
