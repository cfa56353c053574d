"""How many messages the filter verifies without evaluating SPF again, and what that brings.

The same filter beside one that evaluates each time, by turns, with mail of all SENDERS.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from bench.counting_filter import counts
from bench.listeners import COUNTS, VERIFY_ANEW, VERIFY_COUNTED, Listener, port
from bench.load import LOADS
from bench.markdown import number, table
from bench.messages import SENDERS
from bench.processes import cpu, descendants, memory
from bench.servers import Smtpd
from bench.testbed import MANY_SIGNED

LOAD = next(load for load in LOADS if load.name == "4k-10")
BOTH = (VERIFY_COUNTED, VERIFY_ANEW)


@dataclass
class Found:
    """Of each listener, by name, one a round: messages a second, seconds of the filter's processor
    time a message; and its resident bytes in the end. known, messages: of the one that remembers.
    """

    rates: dict[str, list[float]] = field(default_factory=dict)
    cost: dict[str, list[float]] = field(default_factory=dict)
    resident: dict[str, int] = field(default_factory=dict)
    known: int = 0
    messages: int = 0


def measure(rounds: int, seconds: float, say: Callable[[str], None]) -> Found:
    """As the image starts smtpd; each sender has sent a message before."""
    found = Found()
    with Smtpd(BOTH) as smtpd:
        for listener in BOTH:
            MANY_SIGNED.fill_caches(port(listener))
        guess = MANY_SIGNED.send(LOAD, port(VERIFY_ANEW), LOAD.few)
        count = max(round(guess * seconds), LOAD.connections)
        before = counts(COUNTS)
        for turn in range(rounds):
            for listener in BOTH if turn % 2 else BOTH[::-1]:
                pids = _pids(smtpd, listener)
                spent = cpu(pids)
                rate = MANY_SIGNED.send(LOAD, port(listener), count)
                found.rates.setdefault(listener.name, []).append(rate)
                found.cost.setdefault(listener.name, []).append((cpu(pids) - spent) / count)
        known, others = (now - then for now, then in zip(counts(COUNTS), before, strict=True))
        found.known, found.messages = known, known + others
        for listener in BOTH:
            found.resident[listener.name] = memory(_pids(smtpd, listener)).resident
    say(f"SPF was known for {known} of {known + others} messages")
    return found


def _pids(smtpd: Smtpd, listener: Listener) -> list[int]:
    return [pid for pid, command in descendants(smtpd.pid).items() if command == listener.command]


def section(found: Found) -> str:
    """The results as Markdown."""
    share = found.known / found.messages
    rows = [
        [
            listener.title,
            f"**{number(median(found.rates[listener.name]))}**",
            f"{1e3 * median(found.cost[listener.name]):.3g}",
            f"{found.resident[listener.name] / 1e6:.1f}",
        ]
        for listener in BOTH
    ]
    remembering, anew = (found.cost[listener.name] for listener in BOTH)
    saved = 1 - median(one / other for one, other in zip(remembering, anew, strict=True))
    text = (
        f"Mail of {len(SENDERS):,} domains by turns, {LOAD.title}, with smtpd as the image starts"
        " it. Each domain has its own MX, SPF (with an include), DMARC and key records; the key in"
        " them is one for all. Each has sent a message before, here and under Verifying above. SPF"
        f" was known, and not evaluated again, for **{100 * share:.1f} %** of"
        f" {found.messages:,} messages, which saves {100 * saved:.0f} % of the filter's processor"
        " time."
    )
    head = ["", "messages a second", "ms of the filter's processor time", "MB resident"]
    return f"\n## Verifying: what is known already\n\n{text}\n\n{table(head, rows)}"
