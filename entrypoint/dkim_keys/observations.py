"""What the name servers say of several keys, all asked at once and in bounded time.

It must not know which keys are due, nor what follows from the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

from entrypoint.dkim_keys import publication
from entrypoint.dkim_keys.expected_key import ExpectedKey
from entrypoint.dkim_keys.model import Observation
from entrypoint.probe import authoritative
from filters.mailauth.dns.resolver import DnsResolver, Lookup

_KEY_QUESTIONS = 100
_AT_ONCE = 20  # keys


async def observe_all(
    keys: Sequence[ExpectedKey],
    servers: Sequence[str],
    port: int,
    seconds: float,
    key_seconds: float,
) -> dict[tuple[str, str], Observation]:
    """By domain and selector. seconds: for all of them; key_seconds: for each."""
    resolver = DnsResolver(servers or None, port=port)
    few, end = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop().time() + seconds
    seen: dict[tuple[str, str], Observation] = {}

    async def look(key: ExpectedKey) -> None:
        lookup = Lookup(resolver, seconds=key_seconds, queries=_KEY_QUESTIONS)
        try:
            async with asyncio.timeout_at(end), few, asyncio.timeout(key_seconds):
                found = await publication.observe(
                    key, lookup, partial(authoritative.ask, port=port)
                )
        except TimeoutError:
            found = Observation("unknown", "the name servers do not answer in time")
        seen[key.domain, key.selector] = found

    try:
        await asyncio.gather(*map(look, keys))
    finally:
        await resolver.close()
    return seen
