"""One resolver under load, in a process of its own: its figures go to stdout, as JSON.

    python -m bench.dns_load RESOLVER answering SECONDS
    python -m bench.dns_load RESOLVER silent LOOKUPS

Every question goes to the name server, but where it says that there is a cache. It must not know
the other resolver's figures, nor how any are shown.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import Protocol

from bench.messages import MANY, STUCK
from bench.processes import memory
from bench.server import RUN
from filters.mailauth.authenticate import authenticate
from filters.mailauth.dns import wire
from filters.mailauth.dns.resolver import Answer, DnsResolver, DnsTemporaryError, Lookup
from filters.mailauth.envelope import Envelope
from filters.mailauth.message import Message

OURS, DNSPYTHON = "ours", "dnspython"
AT_A_TIME = (1, 10, 100)
MESSAGES_AT_A_TIME = 10
# Of resolv.conf's three: one is enough where all are the same server.
SERVER = "127.0.0.1"
SILENT = "127.0.0.9"  # a socket that nobody reads
STUCK_AT_ONCE = 100
# So that a silent server is given up soon: seconds for one try, and for a question.
ATTEMPT, LIMIT = 0.5, 3.0


class Resolver(Protocol):
    """What both are."""

    async def query(self, name: str, rdtype: str) -> Answer: ...


class Dnspython:
    """dnspython's own asynchronous resolver behind the engine's interface."""

    def __init__(self, servers: Sequence[str], attempt: float, limit: float, cache: int) -> None:
        # Here, so that the memory of the other does not have it.
        import dns.asyncresolver
        import dns.exception
        import dns.resolver

        self._nxdomain = dns.resolver.NXDOMAIN
        self._failure = dns.exception.DNSException
        self._resolver = dns.asyncresolver.Resolver(configure=False)
        self._resolver.nameservers = list(servers)
        self._resolver.timeout, self._resolver.lifetime = attempt, limit
        self._resolver.use_edns(0, 0, 1_232)
        if cache:
            self._resolver.cache = dns.resolver.LRUCache(cache)

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer as DnsResolver does."""
        try:
            found = await self._resolver.resolve(
                name, rdtype, search=False, raise_on_no_answer=False
            )
        except self._nxdomain:
            return Answer(nxdomain=True)
        except self._failure as error:
            raise DnsTemporaryError(str(error)) from None
        return Answer(tuple(wire._record(record) for record in found.rrset or ()))


def resolver(
    name: str, servers: Sequence[str], attempt: float, limit: float, cache: int = 0
) -> Resolver:
    """The resolver of this name. cache: how many answers it keeps."""
    if name == DNSPYTHON:
        return Dnspython(servers, attempt, limit, cache)
    return DnsResolver(servers, attempt_seconds=attempt, timeout=limit, cache_size=cache)


def message_file(domain: str) -> Path:
    """A signed message of this domain's."""
    return RUN / f"dns-{domain}.eml"


def messages() -> Iterator[tuple[Message, Envelope]]:
    """Messages of one domain after the other, without an end."""
    read = {domain: message_file(domain).read_bytes() for domain in MANY}
    for domain in cycle(MANY):
        yield Message(read[domain]), Envelope("127.0.0.1", f"mx.{domain}", f"alice@{domain}")


class Noting:
    """A resolver that notes what it is asked."""

    def __init__(self, inner: Resolver) -> None:
        self._inner = inner
        self.asked: list[tuple[str, str]] = []

    async def query(self, name: str, rdtype: str) -> Answer:
        self.asked.append((name, rdtype))
        return await self._inner.query(name, rdtype)


async def answering(name: str, seconds: float) -> dict[str, float]:
    """Look-ups a second and the cost of each, by how many there are at a time; and messages."""
    asked = resolver(name, [SERVER], 3.0, 10.0)
    caching = resolver(name, [SERVER], 3.0, 10.0, cache=10_000)
    mails = messages()
    noting = Noting(asked)
    for _ in MANY:
        verdict = await authenticate(*next(mails), Lookup(noting))
        results = [found.result for found in (verdict.spf, *verdict.dkim) if found is not None]
        if results != ["pass", "pass"]:
            raise RuntimeError(f"{name}: {verdict}")
    questions = cycle(noting.asked)
    found = {"questions": len(noting.asked) / len(MANY)}
    found["rest"] = memory([os.getpid()]).resident

    async def one_lookup() -> None:
        await asked.query(*next(questions))

    async def one_message() -> None:
        await authenticate(*next(mails), Lookup(asked))

    async def one_cached() -> None:
        await authenticate(*next(mails), Lookup(caching))

    for at_a_time in AT_A_TIME:
        rate, cost = await _load(one_lookup, at_a_time, seconds)
        found |= {f"rate {at_a_time}": rate, f"cost {at_a_time}": cost}
    rate, cost = await _load(one_message, MESSAGES_AT_A_TIME, seconds)
    found |= {"message rate": rate, "message cost": cost}
    for _ in MANY:
        await one_cached()
    rate, cost = await _load(one_cached, MESSAGES_AT_A_TIME, seconds)
    found |= {"cached rate": rate, "cached cost": cost}
    found["peak"] = memory([os.getpid()]).highest
    return found


async def _load(
    one: Callable[[], Awaitable[None]], at_a_time: int, seconds: float
) -> tuple[float, float]:
    """How many a second, and seconds of processor time of each."""
    done = 0

    async def worker() -> None:
        nonlocal done
        while time.perf_counter() < end:
            await one()
            done += 1

    gc.collect()
    begin, spent = time.perf_counter(), time.process_time()
    end = begin + seconds
    await asyncio.gather(*(worker() for _ in range(at_a_time)))
    return done / (time.perf_counter() - begin), (time.process_time() - spent) / done


async def silent(name: str, lookups: int) -> dict[str, float]:
    """What a server costs that never answers: alone, and with another one behind it."""
    alone = resolver(name, [SERVER], ATTEMPT, LIMIT)
    before = _descriptors()
    begin, spent = time.perf_counter(), time.process_time()
    stuck = [
        asyncio.create_task(_fails(alone, f"d{number}.{STUCK}")) for number in range(STUCK_AT_ONCE)
    ]
    await asyncio.sleep(ATTEMPT / 2)
    found = {"descriptors": float(_descriptors() - before)}
    await asyncio.gather(*stuck)
    found["gives up"] = time.perf_counter() - begin
    found["stuck cost"] = (time.process_time() - spent) / STUCK_AT_ONCE
    found["stuck peak"] = memory([os.getpid()]).highest

    both = resolver(name, [SILENT, SERVER], ATTEMPT, LIMIT)
    begin = time.perf_counter()
    for domain in MANY[:lookups]:
        if not (await both.query(domain, "TXT")).texts:
            raise RuntimeError(f"{name}: {domain} has no SPF record")
    found["beside"] = (time.perf_counter() - begin) / lookups
    return found


async def _fails(asked: Resolver, name: str) -> None:
    with suppress(DnsTemporaryError):
        await asked.query(name, "TXT")
        raise RuntimeError(f"{name} has an answer")


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


if __name__ == "__main__":
    which, load, amount = sys.argv[1:]
    measured = (
        answering(which, float(amount)) if load == "answering" else silent(which, int(amount))
    )
    print(json.dumps(asyncio.run(measured)))
