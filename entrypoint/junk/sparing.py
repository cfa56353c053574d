"""Whom not to ask for a while: each question that has no end costs its delivery seconds.

An account is spared after some questions in a row that took too long, and everybody after more of
them. A few may be late where there is much to do; where something hangs, all are. When the time is
over, one question tries; those beside it need not.
"""

from __future__ import annotations

import time
from collections.abc import Callable

SPARED = 10.0  # seconds
IN_A_ROW = 3  # of an account
OF_ALL_IN_A_ROW = 16
_MOST_ACCOUNTS = 1000
_EVERYBODY = ""


class _Late:
    """How many in a row; until when nobody asks, by the clock."""

    number = 0
    until = 0.0


class Sparing:
    """Remembers it; for one thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._late: dict[str, _Late] = {}

    def may_ask(self, account: str) -> bool:
        """Whether a question about the account may begin now."""
        now = self._clock()
        found = [self._late[key] for key in (account, _EVERYBODY) if key in self._late]
        if any(now < each.until for each in found):
            return False
        for each in found:
            if each.until:
                each.until = now + SPARED
        return True

    def ended(self, account: str, *, late: bool) -> None:
        """late: it took too long."""
        if not late:
            self._late.pop(account, None)
            self._late.pop(_EVERYBODY, None)
            return
        if len(self._late) >= _MOST_ACCOUNTS:  # some have long been removed
            self._late.clear()
        for key, most in ((account, IN_A_ROW), (_EVERYBODY, OF_ALL_IN_A_ROW)):
            each = self._late.setdefault(key, _Late())
            each.number += 1
            if each.number >= most:
                each.until = self._clock() + SPARED
