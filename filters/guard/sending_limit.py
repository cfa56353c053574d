"""How many recipients an account may write to in a time: a stolen password is no spam source.

A bucket that leaks: so many recipients at once, and so many again over the period. What is handed
in and not sent is given back. The file is written behind the work; what was sent in the last
seconds before a crash is forgotten. It must not know SMTP.
"""

from __future__ import annotations

import functools
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from filters.json_file import read_state, write_json
from filters.log_throttle import LogThrottle
from filters.write_behind import WriteBehind

log = logging.getLogger(__name__)

WRITE_EVERY = 30.0  # seconds
WARN_EVERY = 600.0  # seconds between two log lines about one account
WARN_SCRIPTS_EVERY = 3600.0  # every stranger can have one written
# What they say: of whom, how many recipients, in what time.
BY_HAND = (
    "login=%s has met its rate limit (%d recipients within %s) and is refused more for now; "
    "if nobody sends a newsletter there, its password is stolen"
)
BY_SCRIPTS = (
    "the Sieve scripts of login=%s have met its rate limit (%d recipients within %s): redirects "
    "stay in INBOX and answers are dropped for now; if its owner redirects less than that, its "
    "password is stolen"
)
_NAMES = {60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}


class SendingLimit:
    """`limit` recipients in `period` seconds, for each account."""

    def __init__(
        self,
        limit: int,
        period: float,
        path: Path | None = None,
        clock: Callable[[], float] = time.time,
        *,
        warning: str = BY_HAND,
        warn_every: float = WARN_EVERY,
    ) -> None:
        self.limit, self.period = limit, period
        self._warning, self._warn_every = warning, warn_every
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}  # account → recipients, when
        self._held: Counter[str] = Counter()  # of transactions that are not over
        self._over: dict[str, LogThrottle] = {}  # account → what is logged of its limit
        self._changed = False
        self._writing: WriteBehind[object] | None = None
        if path is not None:
            read_state(path, self._load)
            self._writing = WriteBehind(
                path, self._snapshot, functools.partial(write_json, path), seconds=WRITE_EVERY
            )

    def hold(self, account: str, recipients: int = 1) -> bool:
        """Whether so many recipients more may be named; they count until `send` or `release`."""
        account = account.lower()
        if self._level(account) + self._held[account] + recipients > self.limit:
            return False
        self._held[account] += recipients
        return True

    def release(self, account: str, recipients: int) -> None:
        """Give back what a transaction held."""
        account = account.lower()
        self._held[account] -= recipients
        if self._held[account] <= 0:
            del self._held[account]

    def send(self, account: str, recipients: int) -> None:
        """What a transaction held is sent."""
        self.release(account, recipients)
        account = account.lower()
        self._spent[account] = self._level(account) + recipients, self._clock()
        self._changed = True
        if self._writing is not None:
            self._writing.changed()

    def warn(self, account: str) -> None:
        """Log that an account has met its limit, now and then."""
        account = account.lower()
        if account not in self._over:
            self._over[account] = LogThrottle(log, self._warn_every, clock=self._clock)
        self._over[account].warning(
            self._warning,
            account,
            self.limit,
            _NAMES.get(self.period, f"{self.period:g} seconds"),
        )

    def finish(self) -> None:
        """Write what is not written yet."""
        if self._writing is not None:
            self._writing.finish()

    def _level(self, account: str) -> float:
        recipients, when = self._spent.get(account, (0.0, 0.0))
        return max(0.0, recipients - max(0.0, self._clock() - when) * self.limit / self.period)

    def _snapshot(self) -> object | None:
        if not self._changed:
            return None
        self._changed = False
        self._spent = {name: spent for name, spent in self._spent.items() if self._level(name)}
        return {name: [round(level, 1), round(at)] for name, (level, at) in self._spent.items()}

    def _load(self, found: Mapping[str, tuple[float, float]]) -> None:
        # A clock that was wrong once must not hold an account up for ever.
        now = self._clock()
        self._spent = {
            name: (float(level), min(float(at), now)) for name, (level, at) in found.items()
        }
