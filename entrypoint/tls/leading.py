"""Which names lead here: to an address of the host's own name, aliases followed.

    python -m entrypoint.tls.leading [--name-server ADDRESS] HOST NAME…

prints JSON, name → true or false; a name that cannot be asked about now is left out. DNS may be
slow, and the keeper has other things to do: so this is a process of its own. It must not know what
the names are for.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Sequence

from filters.mailauth.resolver import DnsResolver, DnsTemporaryError, Lookup, Resolver

_SECONDS = 20.0  # for all questions
_QUESTIONS = 5000
_TYPES = ("A", "AAAA")


async def leading(host: str, names: Sequence[str], resolver: Resolver) -> dict[str, bool]:
    """What is known of each name. Nothing is raised."""
    ours, _ = await _addresses(host, resolver)
    found = await asyncio.gather(*(_leads(name, ours, resolver) for name in names))
    return {name: led for name, led in zip(names, found, strict=True) if led is not None}


async def _leads(name: str, ours: frozenset[str], resolver: Resolver) -> bool | None:
    addresses, whole = await _addresses(name, resolver)
    if addresses & ours:
        return True
    # Where the host itself leads is not known, or what this name has is not known whole.
    return False if ours and whole else None


async def _addresses(name: str, resolver: Resolver) -> tuple[frozenset[str], bool]:
    """Addresses of a name, and whether these are all."""
    found, whole = set[str](), True
    for rdtype in _TYPES:
        try:
            found.update((await resolver.query(name, rdtype)).names)
        except DnsTemporaryError:
            whole = False
    return frozenset(found), whole


async def _run(host: str, names: Sequence[str], servers: Sequence[str]) -> dict[str, bool]:
    resolver = DnsResolver(tuple(servers) or None)
    lookup = Lookup(resolver, seconds=_SECONDS, queries=_QUESTIONS)
    try:
        return await leading(host, names, lookup)
    finally:
        await resolver.close()


def main() -> None:
    """Ask, and print."""
    parser = argparse.ArgumentParser("entrypoint.tls.leading")
    parser.add_argument("--name-server", action="append", default=[])
    parser.add_argument("host")
    parser.add_argument("names", nargs="+")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_run(options.host, options.names, options.name_server))))


if __name__ == "__main__":
    main()
