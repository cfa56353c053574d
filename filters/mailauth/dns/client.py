"""The real resolver: asynchronous, with a bounded cache and one question for all who ask it.

Absolute names only: resolv.conf gives the name servers, its search list is never used. It must
not know why a question is asked, nor how one travels (name_server.py, wire.py).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

import dns.exception
import dns.inet
import dns.resolver

from filters.mailauth.dns import wire as dns_wire
from filters.mailauth.dns.name_server import NameServer
from filters.mailauth.dns.types import Answer, DnsTemporaryError, Outcome, labels

_FAILURE_TTL = 5.0  # RFC 9520 §3.2: failures are cached too, briefly
_ROUNDS = 2

_Key = tuple[tuple[bytes, ...], str]


class DnsResolver:
    """A caching stub resolver; share one among all messages of an event loop.

    nameservers: IP addresses, by default those of resolv.conf. attempt_seconds: how long one
    server may take, twice that in the second round; timeout: seconds for one question over all
    servers and rounds.
    """

    def __init__(
        self,
        nameservers: Sequence[str] | None = None,
        *,
        port: int = 53,
        timeout: float = 10.0,
        attempt_seconds: float = 3.0,
        cache_size: int = 10_000,
    ) -> None:
        addresses = tuple(nameservers) if nameservers is not None else system_nameservers()
        if not addresses or not all(dns.inet.is_address(address) for address in addresses):
            raise ValueError("name servers must be IP addresses, at least one")
        self._servers = tuple(NameServer(address, port) for address in addresses)
        self._timeout = timeout
        self._attempt_seconds = attempt_seconds
        self._cache_size = cache_size
        self._cache: OrderedDict[_Key, tuple[float, Outcome]] = OrderedDict()
        self._in_flight: dict[_Key, asyncio.Task[Outcome]] = {}
        self._from_cache = self._asked = self._failed = 0

    @property
    def counts(self) -> dict[str, int]:
        """How many questions were answered from the cache, asked of a name server, and of these
        in vain; how many answers the cache has.
        """
        return {
            "cached": self._from_cache,
            "asked": self._asked,
            "failed": self._failed,
            "entries": len(self._cache),
        }

    def cached(self, name: str, rdtype: str) -> Outcome | None:
        """Return what is known without asking anybody."""
        parts = labels(name)
        return Answer(nxdomain=True) if parts is None else self._cached((parts, rdtype))

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer from the cache, from a question that is open, or from a name server."""
        parts = labels(name)
        if parts is None:
            return Answer(nxdomain=True)
        key = (parts, rdtype)
        outcome = self._cached(key)
        if outcome is None:
            task = self._in_flight.get(key)
            if task is None:
                task = asyncio.get_running_loop().create_task(self._fetch(key))
                self._in_flight[key] = task
                task.add_done_callback(lambda _task: self._in_flight.pop(key, None))
            # One message's deadline must not take the answer from the others that wait.
            outcome = await asyncio.shield(task)
        if isinstance(outcome, DnsTemporaryError):
            raise DnsTemporaryError(outcome.reason)
        return outcome

    async def close(self) -> None:
        """Abandon every open question."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cached(self, key: _Key) -> Outcome | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        if entry[0] <= time.monotonic():
            del self._cache[key]
            return None
        self._cache.move_to_end(key)
        self._from_cache += 1
        return entry[1]

    async def _fetch(self, key: _Key) -> Outcome:
        self._asked += 1
        try:
            ttl, outcome = await self._ask_servers(key)
        except ValueError as error:
            ttl, outcome = _FAILURE_TTL, _failure(key, str(error))
        if isinstance(outcome, DnsTemporaryError):
            self._failed += 1
        if ttl > 0:
            self._cache[key] = (time.monotonic() + ttl, outcome)
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return outcome

    async def _ask_servers(self, key: _Key) -> tuple[float, Outcome]:
        asked = dns_wire.question(*key)
        clock = asyncio.get_running_loop().time
        end = clock() + self._timeout
        reason = "the DNS look-up timed out"
        for seconds, server in self._plan(clock()):
            left = end - clock()
            if left <= 0:
                break
            try:
                reply = await _ask(server, asked, min(seconds, left))
            except TimeoutError:
                reason = "the DNS look-up timed out"
                continue
            except OSError:
                reason = "no name server could be reached"
                continue
            refusal = dns_wire.failure(reply)
            if refusal is not None:
                reason = refusal
                continue
            try:
                return dns_wire.read(reply, key[1])
            except (dns.exception.DNSException, ValueError) as error:
                reason = f"a DNS reply that cannot be used ({type(error).__name__})"
        return _FAILURE_TTL, _failure(key, reason)

    def _plan(self, now: float) -> list[tuple[float, NameServer]]:
        """Return whom to ask, and for how many seconds; who has been silent comes last."""
        order = sorted(self._servers, key=lambda server: server.silent(now))
        return [
            (self._attempt_seconds * 2**turn, server) for turn in range(_ROUNDS) for server in order
        ]


async def _ask(server: NameServer, asked: bytes, seconds: float) -> bytes:
    reply = await server.ask(asked, seconds)
    if dns_wire.failure(reply) == "FORMERR":
        # RFC 6891 §7: an old server may know no EDNS.
        return await server.ask(asked, seconds, edns=False)
    return reply


def system_nameservers() -> tuple[str, ...]:
    """Return the name servers of resolv.conf; the local host where it names none."""
    try:
        found = dns.resolver.Resolver(configure=True).nameservers
    except dns.resolver.NoResolverConfiguration:
        return ("127.0.0.1",)
    return tuple(str(server) for server in found) or ("127.0.0.1",)


def _failure(key: _Key, reason: str) -> DnsTemporaryError:
    name = b".".join(key[0]).decode("ascii", "backslashreplace")
    return DnsTemporaryError(f"{reason} for {key[1]} of {name}")
