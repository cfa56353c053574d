"""Keys of a backup that DNS has moved past: another key stands there now, or none.

Such a key was replaced after the backup, perhaps because somebody else had it. It is not restored:
its domain gets a new one, of another name for DKIM, as the state of the keys says of any that is
removed. ARC's has no state, and no other name; it counts as one that DNS had. It must not know
archives.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

from entrypoint.dkim_keys.expected_key import ExpectedKey
from entrypoint.dkim_keys.model import DomainKeys, Observation
from entrypoint.dkim_keys.publication import observe
from entrypoint.dkim_keys.state_file import as_text, read_state
from entrypoint.probe import authoritative
from filters.mailauth.dkim.signing_key import BadKey, load_signing_key
from filters.mailauth.dns.resolver import DnsResolver, Lookup

Use = Literal["DKIM", "ARC"]
STATE = "data/dkim/state.json"
_ARC = re.compile(r"data/arc/(?P<host>[^/]+)/(?P<selector>[^/]+)\.pem")
_SECONDS, _KEY_SECONDS, _QUESTIONS, _AT_ONCE = 30.0, 12.0, 100, 20
_MOVED = ("missing", "wrong")


@dataclass(frozen=True)
class RestoredKey:
    """A key that signed, that DNS had once, and what DNS says now. use: DKIM or ARC."""

    domain: str
    selector: str
    seen: Observation
    use: Use = "DKIM"

    @property
    def moved(self) -> bool:
        """Has DNS moved past it?"""
        return self.seen.answer in _MOVED

    @property
    def member(self) -> str:
        """Its file."""
        return f"data/{self.use.lower()}/{self.domain}/{self.selector}.pem"


def signing_keys_in(files: Mapping[str, bytes]) -> list[tuple[Use, ExpectedKey]]:
    """The keys that signed and were seen in DNS. files: by member. Raises ValueError."""
    found: list[tuple[Use, ExpectedKey]] = []
    state = read_state(files[STATE].decode("utf-8")) if STATE in files else {}
    for domain, keys in state.items():
        for key in keys.signing:
            pem = files.get(f"data/dkim/{domain}/{key.selector}.pem")
            if key.published is not None and pem is not None:
                found.append(("DKIM", _expected(domain, key.selector, pem)))
    for name, pem in files.items():
        if (parts := _ARC.fullmatch(name)) is not None:
            found.append(("ARC", _expected(parts["host"], parts["selector"], pem)))
    return found


def _expected(domain: str, selector: str, pem: bytes) -> ExpectedKey:
    try:
        return ExpectedKey.of(load_signing_key(domain, selector, pem))
    except BadKey as error:
        raise ValueError(f"{domain}/{selector}: {error}") from None


async def look(
    files: Mapping[str, bytes], servers: Sequence[str] = (), port: int = 53
) -> list[RestoredKey]:
    """What DNS says of each; within half a minute. Raises ValueError."""
    expected = signing_keys_in(files)
    if not expected:
        return []
    resolver = DnsResolver(servers or None, port=port)
    few, end = asyncio.Semaphore(_AT_ONCE), asyncio.get_running_loop().time() + _SECONDS

    async def of(use: Use, key: ExpectedKey) -> RestoredKey:
        lookup = Lookup(resolver, seconds=_KEY_SECONDS, queries=_QUESTIONS)
        try:
            async with asyncio.timeout_at(end), few, asyncio.timeout(_KEY_SECONDS):
                seen = await observe(key, lookup, partial(authoritative.ask, port=port))
        except TimeoutError:
            seen = Observation("unknown", "the name servers do not answer in time")
        return RestoredKey(key.domain, key.selector, seen, use)

    try:
        return list(await asyncio.gather(*(of(*each) for each in expected)))
    finally:
        await resolver.close()


def state_without(files: Mapping[str, bytes], moved: Sequence[RestoredKey]) -> bytes:
    """The state in which DKIM's of these were removed: their names are never used again."""
    state: dict[str, DomainKeys] = read_state(files[STATE].decode("utf-8"))
    for key in moved:
        if key.use != "DKIM":
            continue
        before = state[key.domain]
        state[key.domain] = replace(
            before,
            keys=tuple(each for each in before.keys if each.selector != key.selector),
            removed=(*before.removed, key.selector),
        )
    return as_text(state).encode()
