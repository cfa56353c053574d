"""The real resolver: asynchronous DNS over UDP with TCP fallback, and a bounded cache.

Absolute names only: resolv.conf gives the name servers, its search list is never used. It must
not know why a question is asked.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence

import dns.asyncquery
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.resolver
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.MX import MX
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from filters.mailauth.dns_types import Answer, DnsTemporaryError, Record, labels

_LONGEST_TTL = 86_400.0  # one day
_LONGEST_NEGATIVE_TTL = 3_600.0  # RFC 2308 §5 suggests one to three hours
_FAILURE_TTL = 5.0  # RFC 9520 §3.2: failures are cached too, briefly
_MOST_RECORDS = 200

_Key = tuple[tuple[bytes, ...], str]
_Outcome = Answer | DnsTemporaryError


class DnsResolver:
    """A caching stub resolver; share one among all messages of an event loop.

    nameservers: IP addresses, by default those of resolv.conf. attempt_seconds: how long one
    server may take; timeout: seconds for one question over all servers and attempts.
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
        self._servers = tuple(nameservers) if nameservers is not None else system_nameservers()
        if not self._servers or not all(dns.inet.is_address(name) for name in self._servers):
            raise ValueError("name servers must be IP addresses, at least one")
        self._port = port
        self._timeout = timeout
        self._attempt_seconds = attempt_seconds
        self._cache_size = cache_size
        self._cache: OrderedDict[_Key, tuple[float, _Outcome]] = OrderedDict()
        self._in_flight: dict[_Key, asyncio.Task[_Outcome]] = {}

    async def query(self, name: str, rdtype: str) -> Answer:
        """Answer from the cache, from a question under way, or from a name server."""
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
        """Abandon every question under way."""
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _cached(self, key: _Key) -> _Outcome | None:
        entry = self._cache.get(key)
        if entry is None:
            return None
        if entry[0] <= time.monotonic():
            del self._cache[key]
            return None
        self._cache.move_to_end(key)
        return entry[1]

    async def _fetch(self, key: _Key) -> _Outcome:
        ttl = _FAILURE_TTL
        outcome: _Outcome = _failure(key, "the DNS look-up timed out")
        try:
            async with asyncio.timeout(self._timeout):
                ttl, outcome = await self._ask_servers(key)
        except TimeoutError:
            pass
        except (dns.exception.DNSException, ValueError) as error:
            outcome = _failure(key, f"a DNS reply that cannot be used ({type(error).__name__})")
        if ttl > 0:
            self._cache[key] = (time.monotonic() + ttl, outcome)
            while len(self._cache) > self._cache_size:
                self._cache.popitem(last=False)
        return outcome

    async def _ask_servers(self, key: _Key) -> tuple[float, _Outcome]:
        reason = "no name server answered"
        for attempt in range(2 * len(self._servers)):
            server = self._servers[attempt % len(self._servers)]
            try:
                response = await self._exchange(key, server)
            except dns.exception.Timeout:
                reason = "the DNS look-up timed out"
            except (OSError, EOFError, dns.exception.DNSException):
                reason = "no name server could be reached"
            else:
                if response.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}:
                    return _read(response, key[1])
                reason = dns.rcode.to_text(response.rcode())
        return _FAILURE_TTL, _failure(key, reason)

    async def _exchange(self, key: _Key, server: str) -> dns.message.Message:
        question = dns.message.make_query(
            dns.name.Name((*key[0], b"")), dns.rdatatype.from_text(key[1]), use_edns=0, payload=1232
        )
        response = await self._send(question, server)
        if response.rcode() == dns.rcode.FORMERR:
            # RFC 6891 §7: an old server may know no EDNS.
            question.use_edns(False)
            response = await self._send(question, server)
        return response

    async def _send(self, question: dns.message.Message, server: str) -> dns.message.Message:
        response, _tcp = await dns.asyncquery.udp_with_fallback(
            question, server, timeout=self._attempt_seconds, port=self._port, ignore_errors=True
        )
        return response


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


def _read(response: dns.message.Message, rdtype: str) -> tuple[float, Answer]:
    if not isinstance(response, dns.message.QueryMessage):
        raise dns.exception.FormError
    chain = response.resolve_chaining()
    if chain.answer is None:
        ttl = min(float(chain.minimum_ttl), _LONGEST_NEGATIVE_TTL)
        # Without an SOA there is no TTL, and dnspython gives its largest: RFC 2308 §5.
        known = any(rrset.rdtype == dns.rdatatype.SOA for rrset in response.authority)
        nxdomain = response.rcode() == dns.rcode.NXDOMAIN
        return (ttl if known else 0.0), Answer(nxdomain=nxdomain)
    records: list[Record] = []
    for rdata in list(chain.answer)[:_MOST_RECORDS]:
        records.append(_record(rdata))
    return min(float(chain.minimum_ttl), _LONGEST_TTL), Answer(tuple(records))


def _record(rdata: dns.rdata.Rdata) -> Record:
    match rdata:
        case TXT():
            return b"".join(rdata.strings)
        case A() | AAAA():
            return str(rdata.address)
        case MX():
            return int(rdata.preference), _host(rdata.exchange)
        case PTR() | CNAME():
            return _host(rdata.target)
    raise dns.exception.FormError


def _host(name: dns.name.Name) -> str:
    # Not to_text(): its escapes are no bytes of the name. A label with a dot in it is none of ours.
    return b".".join(name.labels[:-1]).decode("utf-8", "surrogateescape")
