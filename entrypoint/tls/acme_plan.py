"""When a certificate is asked for, and with which names: facts in, an order out.

The host's own name goes before all others: what becomes of a further name never holds it up. The
limits are those of Let's Encrypt, kept with room to spare: 5 failed validations an hour for a
name, 5 certificates a week for the same names, 50 a week for a registered domain, 100 names. It
must not know who asks, nor how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["begun", "failed", "issued"]

MOST_NAMES = 100  # of a certificate
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_WEEK = 7 * _DAY
# After the first failure, after the second, …; the last for all that follow.
_WAITS = (2 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR)
_FURTHER_WAITS = (10 * _MINUTE, _HOUR, 4 * _HOUR, 12 * _HOUR, _DAY)
_MOST_AN_HOUR = 4
_MOST_A_DAY = 12
_MOST_ISSUED_A_WEEK = 4  # for the same names
_MOST_GROWN_A_WEEK = 12  # with further names
_MOST_OF_ANY_A_WEEK = 20
# Records are published one after the other, and each name is not worth a certificate of its own.
_BETWEEN = 10 * _MINUTE
_KEPT = 8 * _DAY


@dataclass(frozen=True)
class Attempt:
    """One try. at: Unix time. One that is `begun` for ever was cut off, and counts as a failure.

    not_before: when the server said that it may be asked again. names: those asked for, the host's
    first; none where that was not written down. blamed: those that it failed for; none where that
    is not known.
    """

    at: float
    outcome: Outcome
    not_before: float = 0.0
    names: tuple[str, ...] = ()
    blamed: tuple[str, ...] = ()

    def against(self, name: str) -> bool:
        """Does it count as a failure of this name?"""
        if self.outcome == "issued":
            return False
        return name in self.blamed if self.blamed else not self.names or name in self.names


@dataclass(frozen=True)
class Held:
    """The certificate that is there: when it begins and ends, in Unix time, and its names."""

    begins: float
    ends: float
    names: frozenset[str] = frozenset()

    @property
    def renewal(self) -> float:
        """When a third of its life is left."""
        return self.ends - (self.ends - self.begins) / 3


@dataclass(frozen=True)
class Order:
    """The moment from which on the next certificate is asked for (Unix time), and its names."""

    at: float
    names: tuple[str, ...]


def next_order(
    host: str,
    further: Sequence[str],
    held: Held | None,
    attempts: Sequence[Attempt],
    now: float,
    *,
    restarted: bool = False,
) -> Order:
    """What is asked for next.

    further: names beside the host that point here. held: the certificate that exists. attempts:
    oldest first. restarted: nothing was tried since the container's start. Who has repaired
    something restarts it, and then only the limits count.
    """
    history = _History(attempts, restarted)
    if held is None:
        # As soon as can be, so with nothing that could fail beside it.
        return Order(history.due((host,)), (host,))
    fit = [name for name in further if history.further(name) <= now][: MOST_NAMES - 1]
    whole, alone = (host, *fit), (host,)
    # A name that fails now and is held is not given up for another one.
    at_stake = any(name in held.names and name not in fit for name in further)
    if set(fit) - held.names and not at_stake:
        grown = max(history.due(whole), history.beside(), history.since_last())
        if grown < held.renewal:
            return Order(grown, whole)
    by_itself = max(held.renewal, history.due(alone))
    all_names = max(held.renewal, history.due(whole), history.beside() if fit else 0.0)
    return Order(all_names, whole) if all_names <= max(by_itself, now) else Order(by_itself, alone)


def next_try(name: str, attempts: Sequence[Attempt]) -> float:
    """From when on a further name that has failed is asked for again (Unix time)."""
    return _History(attempts, restarted=False).further(name)


def recent(attempts: Sequence[Attempt], now: float) -> tuple[Attempt, ...]:
    """Those that still count; one that lies in the future tells of a clock that was wrong."""
    return tuple(each for each in attempts if now - _KEPT < each.at <= now + _HOUR)


class _History:
    """What the attempts so far allow; every answer is a moment from which on it is allowed."""

    def __init__(self, attempts: Sequence[Attempt], restarted: bool) -> None:
        self._attempts, self._restarted = attempts, restarted
        self._issued = [each for each in attempts if each.outcome == "issued"]

    def due(self, names: Sequence[str]) -> float:
        """An order of these names, as far as the first of them, the host's, is concerned."""
        host = names[0]
        same = [each for each in self._issued if not each.names or set(each.names) == set(names)]
        of_host = [
            each for each in self._attempts if each.outcome == "issued" or each.against(host)
        ]
        wait = 0.0 if self._restarted else self._after(self._failures(host), _WAITS)
        return max(
            wait,
            _bounded(of_host),
            _room(same, _MOST_ISSUED_A_WEEK, _WEEK),
            _room(self._issued, _MOST_OF_ANY_A_WEEK, _WEEK),
            self._not_before(host),
        )

    def further(self, name: str) -> float:
        """An order in which this name is among the further ones."""
        failures = self._failures(name)
        # Whose fault it is may not be known, as when the server is down: once is forgiven.
        unclear = [each for each in failures if not each.blamed]
        counted = [each for each in failures if each not in unclear[:1]]
        wait = 0.0 if self._restarted else self._after(counted, _FURTHER_WAITS)
        return max(wait, self._not_before(name))

    def beside(self) -> float:
        """An order with any further name: what fails for one after the other is bounded, too."""
        all_names = [each for each in self._attempts if len(each.names) > 1]
        failed = [each for each in all_names if each.outcome != "issued"]
        return _bounded(failed)

    def since_last(self) -> float:
        """An order for nothing but further names."""
        grown = [each for each in self._issued if len(each.names) > 1]
        pause = grown[-1].at + _BETWEEN if grown and not self._restarted else 0.0
        return max(pause, _room(grown, _MOST_GROWN_A_WEEK, _WEEK))

    def _failures(self, name: str) -> list[Attempt]:
        """Those since a certificate with the name was issued."""
        failures: list[Attempt] = []
        for each in self._attempts:
            if each.outcome == "issued" and (not each.names or name in each.names):
                failures = []
            elif each.against(name):
                failures.append(each)
        return failures

    def _after(self, failures: Sequence[Attempt], waits: Sequence[int]) -> float:
        return failures[-1].at + waits[min(len(failures), len(waits)) - 1] if failures else 0.0

    def _not_before(self, name: str) -> float:
        return max((each.not_before for each in self._attempts if each.against(name)), default=0.0)


def _bounded(attempts: Sequence[Attempt]) -> float:
    return max(_room(attempts, _MOST_AN_HOUR, _HOUR), _room(attempts, _MOST_A_DAY, _DAY))


def _room(attempts: Sequence[Attempt], most: int, span: float) -> float:
    """When there is room for one more within any such span."""
    return attempts[-most].at + span if len(attempts) >= most else 0.0
