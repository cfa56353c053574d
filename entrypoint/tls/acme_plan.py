"""When a certificate is asked for: facts in, a moment out.

The limits are those of Let's Encrypt, kept with room to spare: 5 failed validations an hour for a
name, 5 certificates a week for the same names. It must not know who asks, nor how.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Outcome = Literal["begun", "failed", "issued"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
# After the first failure, after the second, …; the last for all that follow.
_WAITS = (2 * _MINUTE, 10 * _MINUTE, 20 * _MINUTE, _HOUR, 2 * _HOUR, 4 * _HOUR)
_MOST_AN_HOUR = 4
_MOST_A_DAY = 12
_MOST_ISSUED_A_WEEK = 4
_KEPT = 8 * _DAY


@dataclass(frozen=True)
class Attempt:
    """One try. at: Unix time. One that is `begun` for ever was cut off, and counts as a failure.

    not_before: when the server said that it may be asked again.
    """

    at: float
    outcome: Outcome
    not_before: float = 0.0


@dataclass(frozen=True)
class Validity:
    """When a certificate begins and ends, in Unix time."""

    begins: float
    ends: float

    @property
    def renewal(self) -> float:
        """When a third of its life is left."""
        return self.ends - (self.ends - self.begins) / 3


def next_attempt(
    validity: Validity | None, attempts: Sequence[Attempt], *, restarted: bool = False
) -> float:
    """The moment from which on the next certificate is asked for (Unix time).

    validity: that of the certificate that is there. attempts: oldest first. restarted: nothing was
    tried since the container's start. Who has mended something starts it anew, and then the limits
    alone count.
    """
    wanted = 0.0 if validity is None else validity.renewal
    patience = 0.0 if restarted else _after_failures(attempts)
    return max(wanted, patience, _limit(attempts))


def recent(attempts: Sequence[Attempt], now: float) -> tuple[Attempt, ...]:
    """Those that still count; one that lies in the future tells of a clock that was wrong."""
    return tuple(each for each in attempts if now - _KEPT < each.at <= now + _HOUR)


def _after_failures(attempts: Sequence[Attempt]) -> float:
    failures = 0
    for attempt in reversed(attempts):
        if attempt.outcome == "issued":
            break
        failures += 1
    return attempts[-1].at + _WAITS[min(failures, len(_WAITS)) - 1] if failures else 0.0


def _limit(attempts: Sequence[Attempt]) -> float:
    every = [each.at for each in attempts]
    issued = [each.at for each in attempts if each.outcome == "issued"]
    return max(
        [
            _room(every, _MOST_AN_HOUR, _HOUR),
            _room(every, _MOST_A_DAY, _DAY),
            _room(issued, _MOST_ISSUED_A_WEEK, 7 * _DAY),
            *(each.not_before for each in attempts),
        ]
    )


def _room(moments: Sequence[float], most: int, span: float) -> float:
    """When there is room for one more within any such span."""
    return moments[-most] + span if len(moments) >= most else 0.0
