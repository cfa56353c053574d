"""Counts failed logins and says who has to wait: by network, and by account and network.

Failures are water in a bucket that leaks: a full one blocks, longer each time. An IPv6 client is
counted with its /64, and with the wider networks that may be all its own. An account is trusted
where it has logged in before: there it may fail ten times as often, the networks' blocks do not
concern it, and its mistakes do not count for its neighbours. So an attack on an account shuts out
the attacker and never its owner. Times are Unix seconds and come in from outside; it does no I/O
and knows no socket.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice

from filters.guard.networks import (
    address_of,
    client_network,
    is_loopback,
    wider_network,
    wider_networks,
)

WINDOW = 3600.0  # seconds in which a full bucket is empty again
# A person mistypes five times and then looks the password up; who guesses needs thousands.
PAIR_LIMIT, NETWORK_LIMIT = 10, 20
# Of an IPv6 /56 and /48. One attacker in a /64 of its own fills neither, since its blocks grow.
WIDER_LIMITS = 40, 80
TRUSTED_FACTOR = 10
FIRST_BLOCK, LONGEST_BLOCK = 600.0, 86_400.0
FORGIVEN_AFTER = 7 * 86_400.0  # a network that kept quiet so long begins with a short block again
TRUST_LASTS = 90 * 86_400.0
MOST_RECORDS, MOST_TRUSTED = 50_000, 50_000
LONGEST_LOGIN = 255  # characters; smtpd takes no longer one

Key = tuple[str, str]  # network, login; login "" is the network's own record


@dataclass(slots=True)
class FailureRecord:
    """One bucket. level: how often it has blocked; until: when the newest block ends."""

    points: float = 0.0
    at: float = 0.0
    level: int = 0
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Block:
    """A block that has begun or is in force; login "" stands for every login."""

    network: str
    login: str
    until: float
    level: int


class LoginGuard:
    """The counters. `changed` and `changed_trust` are the keys that are not stored yet."""

    def __init__(self, unknown_clients: Collection[str] = ()) -> None:
        """unknown_clients: addresses at which anyone may appear; never counted, never blocked."""
        self._exempt = frozenset(unknown_clients)
        self.records: OrderedDict[Key, FailureRecord] = OrderedDict()
        self.trusted: OrderedDict[Key, float] = OrderedDict()
        self._logins_of: dict[str, set[str]] = {}  # network → logins with a record
        self._friends: Counter[str] = Counter()  # network → trusted logins
        self.changed: set[Key] = set()
        self.changed_trust: set[Key] = set()

    def network(self, address: str | None) -> str | None:
        """What is counted for this client; None where nothing is."""
        if not address or address in self._exempt or is_loopback(address):
            return None
        return client_network(address)

    # -- what happens ------------------------------------------------------------------------

    def failed(self, address: str | None, login: str, now: float) -> list[Block]:
        """A wrong password; the blocks that begin with it. login "": of no account."""
        network = self.network(address)
        if network is None:
            return []
        login = counted_name(login)
        if login and self._is_trusted((network, login), now):
            counted = [((network, login), TRUSTED_FACTOR * PAIR_LIMIT)]
        else:
            counted = [((network, login), PAIR_LIMIT)] if login else []
            counted.append(((network, ""), NETWORK_LIMIT))
            # Who is blocked and goes on is one client, and has not moved on within its network.
            if not any(self._left(key, now) for key, _ in counted):
                wider = ((each, "") for each in wider_networks(address or ""))
                counted += zip(wider, WIDER_LIMITS, strict=False)
        begun = [self._count(key, limit, now) for key, limit in counted]
        return [block for block in begun if block is not None]

    def passed(self, address: str | None, login: str, now: float) -> None:
        """A right password of one who was not refused: it is trusted from here on."""
        network = self.network(address)
        if network is None:
            return
        key = network, counted_name(login)
        if key in self.records:
            self._drop(key)
        # The time is good to the day, so that a busy client costs nothing.
        if now - self.trusted.get(key, 0.0) > 86_400.0:
            self.load_trust(key, now)
            self.changed_trust.add(key)

    # -- what is asked -----------------------------------------------------------------------

    def refused(self, address: str | None, login: str, now: float) -> float:
        """Seconds that this login has to wait at this client; 0 where it may go on."""
        network = self.network(address)
        if network is None:
            return 0.0
        key = network, counted_name(login)
        waits = self._left(key, now)
        if not self._is_trusted(key, now):
            waits = max(waits, self._left((network, ""), now), self._left_wider(address, now))
        return waits

    def is_trusted(self, address: str | None, login: str, now: float) -> bool:
        """Whether this login has logged in at this client before."""
        network = self.network(address)
        return network is not None and self._is_trusted((network, counted_name(login)), now)

    def shut_out(self, address: str | None, now: float) -> float:
        """Seconds that everyone at this client has to wait; 0 where somebody may go on.

        Where no login is known yet, a block of one pair is all that there is to go by. A network
        that somebody has logged in from stays open.
        """
        network = self.network(address)
        if network is None or self._friends[network] > 0:
            return 0.0
        pairs = (self._left((network, login), now) for login in self._logins_of.get(network, ()))
        return max(self._left_wider(address, now), *pairs, 0.0)

    def blocks(self, now: float) -> list[Block]:
        """Every block in force, the one that ends first in front."""
        found = [
            Block(network, login, record.until, record.level)
            for (network, login), record in self.records.items()
            if record.until > now
        ]
        return sorted(found, key=lambda block: (block.until, block.network, block.login))

    def lift(self, what: str) -> int:
        """Forget the failures of a network (or an address in it), a login, or "all"; how many
        records that were. A network goes with those that it lies in, and that lie in it.
        """
        address = what.partition("/")[0]
        around = {client_network(address) or what, *wider_networks(address)}
        inside = wider_network(what)
        name = counted_name(what)
        keys = [
            key
            for key in self.records
            if what == "all"
            or key[0] in around
            or key[1] == name
            or (inside is not None and address_of(key[0].partition("/")[0]) in inside)
        ]
        for key in keys:
            self._drop(key)
        return len(keys)

    # -- how ---------------------------------------------------------------------------------

    def load(self, key: Key, record: FailureRecord) -> None:
        """Put a stored record in."""
        self.records[key] = record
        self._logins_of.setdefault(key[0], set()).add(key[1])

    def load_trust(self, key: Key, at: float) -> None:
        """Put a stored trust in, or a new one."""
        if key not in self.trusted:
            self._friends[key[0]] += 1
        self.trusted[key] = at
        self.trusted.move_to_end(key)
        while len(self.trusted) > MOST_TRUSTED:
            self._distrust(next(iter(self.trusted)))

    def sweep(self, now: float) -> None:
        """Forget what says nothing any more."""
        for key, record in list(self.records.items()):
            if record.at + FORGIVEN_AFTER < now and record.until < now:
                self._drop(key)
        for key, at in list(self.trusted.items()):
            if at + TRUST_LASTS < now:
                self._distrust(key)

    def _count(self, key: Key, limit: int, now: float) -> Block | None:
        record = self.records.get(key)
        if record is None:
            record = FailureRecord(at=now)
            self.load(key, record)
            self._make_room(now)
        if self._left(key, now):
            return None  # who goes on all the same does not wait longer for it
        self.records.move_to_end(key)
        self.changed.add(key)
        elapsed = max(0.0, now - record.at)
        record.points = max(0.0, record.points - elapsed * limit / WINDOW) + 1
        if elapsed > FORGIVEN_AFTER:
            record.level = 0
        record.at = now
        # What leaked out since the first one does not make the last one none.
        if record.points <= limit - 1:
            return None
        record.points, record.level = 0.0, record.level + 1
        record.until = now + min(LONGEST_BLOCK, FIRST_BLOCK * 2 ** min(record.level - 1, 16))
        return Block(*key, record.until, record.level)

    def _left(self, key: Key, now: float) -> float:
        record = self.records.get(key)
        if record is None or record.until <= now:
            return 0.0
        # A clock that was set back must not make a block of an hour last for years.
        return min(record.until - now, LONGEST_BLOCK)

    def _left_wider(self, address: str | None, now: float) -> float:
        wider = wider_networks(address or "")
        return max((self._left((network, ""), now) for network in wider), default=0.0)

    def _is_trusted(self, key: Key, now: float) -> bool:
        return self.trusted.get(key, -TRUST_LASTS) + TRUST_LASTS > now

    def _make_room(self, now: float) -> None:
        """Forget the record that was quiet longest, a block in force only where all of them are."""
        if len(self.records) <= MOST_RECORDS:
            return
        oldest = next(iter(self.records))
        looked_at = islice(self.records.items(), 64)
        self._drop(next((key for key, record in looked_at if record.until <= now), oldest))

    def _drop(self, key: Key) -> None:
        del self.records[key]
        logins = self._logins_of[key[0]]
        logins.discard(key[1])
        if not logins:
            del self._logins_of[key[0]]
        self.changed.add(key)

    def _distrust(self, key: Key) -> None:
        del self.trusted[key]
        self.changed_trust.add(key)
        self._friends[key[0]] -= 1
        if self._friends[key[0]] <= 0:
            del self._friends[key[0]]


def counted_name(login: str) -> str:
    """The login as it is counted: smtpd and Dovecot both ignore case."""
    return login.lower()[:LONGEST_LOGIN]
