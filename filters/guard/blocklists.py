"""DNS blocklists at connect (RFC 5782): is the client's address listed, and what is said of it?

Only a clear word counts: an answer within 127.0.0.0/8, from a zone that does not list 127.0.0.1 as
well. A time-out, a SERVFAIL and the codes by which a zone complains about its asker are no listing.
A zone that keeps failing is left alone for a while. It must not know SMTP.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from filters.guard.networks import Address, address_of, is_public
from filters.log_throttle import LogThrottle
from filters.mailauth.dns.lookup import Lookup
from filters.mailauth.dns.types import DnsTemporaryError, Resolver

log = logging.getLogger(__name__)

# The client waits for its greeting meanwhile; enough for one lost datagram to be sent again.
SECONDS = 5.0
_FAILURES, _REST = 3, 60.0  # so many in a row, and a zone is not asked for so many seconds
_COMPLAIN_EVERY = 3600.0
_LISTED = ipaddress.ip_network("127.0.0.0/8")
# Spamhaus and others: the query came by a public resolver, there were too many, the zone's name
# is misspelt.
_COMPLAINTS = ipaddress.ip_network("127.255.255.0/24")
# RFC 5782 §5: what no zone may list.
_NEVER_LISTED = {
    4: ipaddress.ip_address("127.0.0.1"),
    6: ipaddress.ip_address("::ffff:7f00:1"),
}
_LONGEST_REASON = 200
# Paid lists have the customer's key as the zone's first label; it is nobody else's business.
_KEY = re.compile(r"^[a-z0-9]{20,}\.")


@dataclass(frozen=True)
class Listing:
    """A zone lists the address.

    zone: its name as it may be shown. reason: its TXT record, printable ASCII, "" for none.
    """

    zone: str
    reason: str


class Blocklists:
    """The zones that are asked. `resolver` is shared with others."""

    def __init__(
        self,
        zones: Sequence[str],
        resolver: Resolver,
        *,
        seconds: float = SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._zones = [_Zone(zone, clock) for zone in zones]
        self._resolver = resolver
        self._seconds = seconds
        self._clock = clock

    async def find(self, address: str) -> Listing | None:
        """The first zone that lists an address; None for none and for one that is not public.

        Nothing is raised.
        """
        client = _public(address)
        if client is None:
            return None
        lookup = Lookup(self._resolver, seconds=self._seconds)
        asked = [
            asyncio.ensure_future(self._listed(zone, client, lookup)) for zone in self._awake()
        ]
        try:
            # The first that lists it is enough: nobody waits for a zone that is silent.
            for answer in asyncio.as_completed(asked):
                if (listing := await answer) is not None:
                    return listing
        except Exception:
            log.exception("the blocklists could not be asked")
        finally:
            for task in asked:
                task.cancel()
        return None

    async def find_all(self, address: str) -> tuple[str, ...]:
        """The names of all zones that list an address, as they may be shown; of those that answer
        in time. Nothing is raised.
        """
        client = _public(address)
        if client is None:
            return ()
        lookup, zones = Lookup(self._resolver, seconds=self._seconds), self._awake()
        try:
            found = await asyncio.gather(*(self._lists(zone, client, lookup) for zone in zones))
        except Exception:
            log.exception("the blocklists could not be asked")
            return ()
        return tuple(zone.shown for zone, lists in zip(zones, found, strict=True) if lists)

    def _awake(self) -> list[_Zone]:
        return [zone for zone in self._zones if zone.rests_until <= self._clock()]

    async def _listed(self, zone: _Zone, client: Address, lookup: Lookup) -> Listing | None:
        if not await self._lists(zone, client, lookup):
            return None
        return Listing(zone.shown, await self._reason(zone, client, lookup))

    async def _lists(self, zone: _Zone, client: Address, lookup: Lookup) -> bool:
        try:
            answer = await lookup.query(query_name(client, zone.name), "A")
            zone.failures = 0
            if not self._means_listed(zone, answer.names):
                return False
            never = query_name(_NEVER_LISTED[client.version], zone.name)
            if (await lookup.query(never, "A")).records:
                self._complain(zone, "it lists the whole world")
                return False
        except DnsTemporaryError:
            zone.failures += 1
            if zone.failures >= _FAILURES:
                zone.rests_until = self._clock() + _REST
                self._complain(zone, "it does not answer")
            return False
        return True

    def _means_listed(self, zone: _Zone, names: Sequence[str]) -> bool:
        codes = [ipaddress.ip_address(name) for name in names]
        if any(code in _COMPLAINTS for code in codes):
            self._complain(zone, f"it refuses to answer us ({', '.join(names)})")
            return False
        return any(code in _LISTED for code in codes)

    async def _reason(self, zone: _Zone, client: Address, lookup: Lookup) -> str:
        try:
            texts = (await lookup.query(query_name(client, zone.name), "TXT")).texts
        except DnsTemporaryError:
            return ""
        text = texts[0][:_LONGEST_REASON].decode("ascii", "replace") if texts else ""
        return re.sub(r"[^ -~]+", "?", text).strip()

    def _complain(self, zone: _Zone, what: str) -> None:
        zone.useless.warning("DNSBL %s is of no use at the moment: %s", zone.shown, what)


class _Zone:
    """A zone and how it has done. shown: its name without the customer's key in front of it."""

    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        self.name = name
        self.shown = _KEY.sub("", name)
        self.failures = 0
        self.rests_until = float("-inf")
        self.useless = LogThrottle(log, _COMPLAIN_EVERY, clock=clock)


def _public(address: str) -> Address | None:
    return address_of(address) if is_public(address) else None


def query_name(address: Address, zone: str) -> str:
    """The name to ask for: octets or nibbles backwards (RFC 5782 §2.1, §2.4)."""
    backwards = address.reverse_pointer.removesuffix(".in-addr.arpa").removesuffix(".ip6.arpa")
    return f"{backwards}.{zone}"
