"""The addresses of a name in DNS, and whether it points to one of ours.

It must not know whose names these are.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_BOTH = ("A", "AAAA")


@dataclass(frozen=True)
class Addresses:
    """What DNS says, in normal form. error: why there may be more, "" where these are all."""

    known: tuple[str, ...] = ()
    error: str = ""

    def all(self) -> tuple[str, ...]:
        """Every address of the name. Raises DnsTemporaryError where that is not known."""
        if self.error:
            raise DnsTemporaryError(self.error)
        return self.known

    def point_to(self, ours: Collection[str]) -> bool | None:
        """Whether one of them is ours; None where that is not known.

        Half of an answer is enough for a yes, and not for a no.
        """
        if not set(self.known).isdisjoint(ours):
            return True
        return None if self.error or not ours else False


async def addresses_of(name: str, resolver: Resolver, rdtypes: Sequence[str] = _BOTH) -> Addresses:
    """Ask for the addresses of a name, through aliases. Nothing is raised."""
    known: list[str] = []
    error = ""
    for rdtype in rdtypes:
        try:
            answer = await resolver.query(name, rdtype)
        except DnsTemporaryError as failure:
            error = error or failure.reason
        else:
            known += [str(ipaddress.ip_address(address)) for address in answer.names]
    return Addresses(tuple(dict.fromkeys(known)), error)
