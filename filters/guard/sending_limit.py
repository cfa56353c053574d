"""How many recipients an account may write to in a time: a stolen password is no spam source.

A bucket that leaks: so many recipients at once, and so many again over the period. What is handed
in and not sent is given back. Kept in a small JSON file, written behind the work; what was sent in
the last seconds before a crash is forgotten. It must not know SMTP.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from filters.guard.write_behind import WriteBehind
from filters.state_file import write_state

log = logging.getLogger(__name__)

WRITE_EVERY = 30.0  # seconds
TELL_EVERY = 600.0  # seconds between two log lines about one account
_NAMES = {60.0: "a minute", 3600.0: "an hour", 86_400.0: "a day"}


class SendingLimit:
    """`limit` recipients in `period` seconds, for each account."""

    def __init__(
        self,
        limit: int,
        period: float,
        path: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.limit, self.period = limit, period
        self._clock = clock
        self._spent: dict[str, tuple[float, float]] = {}  # account → recipients, when
        self._held: Counter[str] = Counter()  # of transactions that are under way
        self._told: dict[str, float] = {}
        self._changed = False
        self._writing: WriteBehind[object] | None = None
        if path is not None:
            self._read(path)
            self._writing = WriteBehind(
                self._snapshot,
                lambda content: write_state(path, content),
                seconds=WRITE_EVERY,
                what=str(path),
            )

    def hold(self, account: str) -> bool:
        """Whether one recipient more may be named; it counts until `send` or `release`."""
        account = account.lower()
        if self._level(account) + self._held[account] + 1 > self.limit:
            return False
        self._held[account] += 1
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

    def tell(self, account: str) -> None:
        """Log that an account has met its limit, now and then."""
        account, now = account.lower(), self._clock()
        if now - self._told.get(account, -TELL_EVERY) < TELL_EVERY:
            return
        self._told[account] = now
        log.warning(
            "login=%s has written to %d recipients within %s and is refused more for now "
            "(MESSAGE_RATELIMIT); if nobody sends a newsletter there, its password is stolen",
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

    def _read(self, path: Path) -> None:
        try:
            found = json.loads(path.read_text("ascii"))
            # A clock that was wrong once must not hold an account up for ever.
            now = self._clock()
            self._spent = {
                name: (float(level), min(float(at), now)) for name, (level, at) in found.items()
            }
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s: begun afresh: %s", path, error)
