"""How many passwords are looked at for one account, from all networks where it is not known.

A client may be one of many (a botnet, an IPv6 network full of addresses) or look like all others
(at a gateway), so that no block of its address slows it. Beyond the limit nothing more is looked at
for that account for now. Whatever is said of a login that nobody has is the same. Where the account
has logged in before, ten times as many are looked at, counted apart. Memory is bounded. Times are
Unix seconds and come in from outside; it does no I/O and knows no
password.
"""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

# At once, and again over so many seconds. A person, or a household of phones with an old password,
# needs a few; who guesses has 1,460 a day.
MOST_AT_ONCE, REFILL = 20, 1200.0
WELCOME_FACTOR = 10
# Forgotten is first what is full again. Of logins that are tried once each, those of one minute are
# not; so many passwords are not hashed in that time.
MOST_LOGINS = 50_000
LOG_EVERY = 3600.0  # seconds between two lines about one account
# Of so many accounts is known how they are attacked, and of so many networks that each is new.
MOST_ATTACKED, MOST_NETWORKS = 1000, 200


@dataclass(slots=True)
class Attack:
    """Failed logins at one account: how many, from which networks; when that was last logged."""

    failures: int = 0
    networks: set[str] = field(default_factory=set)
    last: float = 0.0
    logged: float = -math.inf

    def origin(self) -> str:
        """From how many networks, for the log."""
        count = len(self.networks)
        least = "at least " if count >= MOST_NETWORKS else ""
        return f"{least}{count} network{'' if count == 1 else 's'}"


class AccountLimit:
    """The limits of all accounts. Logins are in lower case."""

    def __init__(self) -> None:
        # What is left is not kept, but when all of it will be there again: the one that was
        # touched last is at the end.
        self._full_at: OrderedDict[tuple[str, bool], float] = OrderedDict()
        self._attacks: OrderedDict[str, Attack] = OrderedDict()

    def reached(self, login: str, now: float, *, welcome: bool) -> bool:
        """Whether no password more may be looked at for now. welcome: it has logged in there."""
        return self._owed((login, welcome), now) > REFILL - self._step(welcome) + 1e-6

    def take(self, login: str, now: float, *, welcome: bool) -> bool:
        """Count one password that is about to be looked at; False where it must not be."""
        if self.reached(login, now, welcome=welcome):
            return False
        self._set((login, welcome), now, self._owed((login, welcome), now) + self._step(welcome))
        return True

    def give_back(self, login: str, now: float, *, welcome: bool) -> None:
        """The password was right, and so no guess."""
        owed = self._owed((login, welcome), now) - self._step(welcome)
        self._set((login, welcome), now, max(0.0, owed))

    def note_failure(self, login: str, network: str, now: float) -> None:
        """A login failed there, or nothing more was looked at; for the log alone."""
        attack = self._attack(login, now)
        attack.failures += 1
        if len(attack.networks) < MOST_NETWORKS:
            attack.networks.add(network)

    def news(self, login: str, now: float) -> Attack | None:
        """What is known of an account whose limit is reached, if it is time to log that."""
        attack = self._attack(login, now)
        if now - attack.logged < LOG_EVERY:
            return None
        attack.logged = now
        return attack

    def forget(self, login: str) -> int:
        """Everything about a login, or "all"; how many limits that were."""
        found = [key for key in self._full_at if login in {"all", key[0]}]
        for key in found:
            del self._full_at[key]
        if login == "all":
            self._attacks.clear()
        else:
            self._attacks.pop(login, None)
        return len(found)

    def _step(self, welcome: bool) -> float:
        """The seconds that one password takes to be made good for."""
        return REFILL / (MOST_AT_ONCE * (WELCOME_FACTOR if welcome else 1))

    def _owed(self, key: tuple[str, bool], now: float) -> float:
        # A clock that was set back must not close an account for years.
        return min(max(0.0, self._full_at.get(key, now) - now), REFILL)

    def _set(self, key: tuple[str, bool], now: float, owed: float) -> None:
        self._full_at[key] = now + owed
        self._full_at.move_to_end(key)
        if len(self._full_at) > MOST_LOGINS:
            first = islice(self._full_at.items(), 64)
            full = (each for each, full_at in first if full_at <= now)
            del self._full_at[next(full, next(iter(self._full_at)))]

    def _attack(self, login: str, now: float) -> Attack:
        attack = self._attacks.get(login)
        if attack is None or now - attack.last > LOG_EVERY:
            attack = self._attacks[login] = Attack()
        attack.last = now
        self._attacks.move_to_end(login)
        if len(self._attacks) > MOST_ATTACKED:
            self._attacks.popitem(last=False)
        return attack


class LookupLimit:
    """The limit that one question meets."""

    def __init__(
        self,
        limit: AccountLimit | None,
        login: str = "",
        clock: Callable[[], float] = time.time,
        *,
        welcome: bool = False,
        hides_wrong: bool = False,
    ) -> None:
        """limit None: there is none. hides_wrong: a wrong password is answered as one beyond it."""
        self._limit = limit
        self._login = login
        self._clock = clock
        self._welcome = welcome
        self.hides_wrong = hides_wrong

    def is_reached(self) -> bool:
        """Whether the password must not be looked at."""
        if self._limit is None:
            return False
        return self._limit.reached(self._login, self._clock(), welcome=self._welcome)

    def take(self) -> bool:
        """Count the password that is about to be looked at; False where it must not be."""
        if self._limit is None:
            return True
        return self._limit.take(self._login, self._clock(), welcome=self._welcome)

    def give_back(self) -> None:
        """The password was right, and so no guess."""
        if self._limit is not None:
            self._limit.give_back(self._login, self._clock(), welcome=self._welcome)


NO_LIMIT = LookupLimit(None)
