"""Messages per second through each filter, in rounds, so that all see the same machine.

It must not know how results are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import product
from statistics import median

from bench.listeners import SIGNING, VERIFYING, Listener, port
from bench.load import Load
from bench.processes import cpu, descendants
from bench.servers import Rspamd, Smtpd
from bench.testbed import MANY_SIGNED, PLAIN, Mail


@dataclass(frozen=True)
class Group:
    """Listeners that get the same messages."""

    title: str
    mail: Mail
    listeners: tuple[Listener, ...]


GROUPS = (
    Group("Signing", PLAIN, SIGNING),
    Group("Verifying", MANY_SIGNED, VERIFYING),
)


@dataclass(frozen=True)
class Cost:
    """Seconds of processor time a message: the filter's, with rspamd's, and smtpd's own."""

    filter: float
    smtpd: float


@dataclass
class Rates:
    """Messages per second and what they cost: (group, load, listener) by name → one a round.

    plain: as Plan has it.
    """

    plain: bool
    found: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    cost: dict[tuple[str, str, str], list[Cost]] = field(default_factory=dict)

    def of(self, group: str, load: str, listener: str) -> list[float]:
        """One number a round; empty where it was not measured."""
        return self.found.get((group, load, listener), [])

    def ratio(self, group: str, load: str, listener: str, base: str) -> list[float]:
        """What the listener did in each round by what the base did in the same."""
        pairs = zip(self.of(group, load, listener), self.of(group, load, base), strict=False)
        return [one / other for one, other in pairs]


@dataclass(frozen=True)
class Plan:
    """Rounds for each load, seconds that one measurement should take, and smtpd's own way.

    plain: smtpd runs as Debian starts it, not as the image does.
    """

    loads: Sequence[Load]
    rounds: dict[str, int]
    seconds: float
    groups: Sequence[Group] = GROUPS
    plain: bool = True


def measure(plan: Plan, say: Callable[[str], None]) -> Rates:
    """Run the plan. Raises RuntimeError where a filter does not do its work."""
    rates = Rates(plan.plain)
    guesses: dict[tuple[str, str, str], float] = {}
    most = max(plan.rounds[load.name] for load in plan.loads)
    listeners = list(dict.fromkeys(one for group in plan.groups for one in group.listeners))
    with ExitStack() as stack:
        rspamd = None
        if any(listener.needs_rspamd for listener in listeners):
            rspamd = stack.enter_context(Rspamd())
        # Round 0 warms up, checks the work and finds out how many messages fill the time.
        for number in range(most + 1):
            with Smtpd(listeners, plain=plan.plain) as smtpd:
                _fill_caches(plan.groups)
                for load, group in product(plan.loads, plan.groups):
                    if number > plan.rounds[load.name]:
                        continue
                    turn = number % len(group.listeners)
                    line = []
                    for listener in group.listeners[turn:] + group.listeners[:turn]:
                        key = (group.title, load.name, listener.name)
                        if number == 0:
                            guesses[key] = _warm_up(smtpd, group.mail, load, listener)
                            line.append(f"{listener.name} ok")
                            continue
                        count = max(round(guesses[key] * plan.seconds), load.connections, 2)
                        meter = _Meter(listener, smtpd, rspamd)
                        rate = _send(group.mail, load, listener, count)
                        rates.found.setdefault(key, []).append(rate)
                        rates.cost.setdefault(key, []).append(meter.read(count))
                        line.append(f"{listener.name} {rate:.4g}")
                    say(f"round {number}/{most}  {load.title}  {group.title}: {', '.join(line)}")
    return rates


def _fill_caches(groups: Sequence[Group]) -> None:
    """The filters have just started; rspamd has not."""
    for group in groups:
        for listener in group.listeners:
            if listener.proof:
                group.mail.fill_caches(port(listener))


class _Meter:
    """Processor time from now on, of one listener's filter and of smtpd."""

    def __init__(self, listener: Listener, smtpd: Smtpd, rspamd: Rspamd | None) -> None:
        everybody = descendants(smtpd.pid)
        self._filter = [pid for pid, command in everybody.items() if command == listener.command]
        self._smtpd = [pid for pid, command in everybody.items() if command.startswith("smtpd")]
        if listener.needs_rspamd and rspamd is not None:
            self._filter += descendants(rspamd.pid)
        self._start = (cpu(self._filter), cpu(self._smtpd))

    def read(self, messages: int) -> Cost:
        """What each of so many messages has cost."""
        return Cost(
            (cpu(self._filter) - self._start[0]) / messages,
            (cpu(self._smtpd) - self._start[1]) / messages,
        )


def _send(mail: Mail, load: Load, listener: Listener, count: int) -> float:
    return mail.send(load, port(listener), count)


def _warm_up(smtpd: Smtpd, mail: Mail, load: Load, listener: Listener) -> float:
    before = set(smtpd.messages())
    rate = _send(mail, load, listener, load.few)
    new = set(smtpd.messages()) - before
    if len(new) != load.few:
        raise RuntimeError(f"{listener.title}: {len(new)} of {load.few} messages arrived")
    for path in new:
        with path.open("rb") as file:
            head = file.read(8_192).partition(b"\n\n")[0]
        missing = [mark for mark in listener.proof if mark not in head]
        if missing:
            raise RuntimeError(f"{listener.title}: no {missing[0]!r} in\n{head.decode('latin-1')}")
    return rate


def spread(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, lowest and highest."""
    return median(values), min(values), max(values)
