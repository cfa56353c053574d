"""Does every authoritative server of the zone serve exactly this key?

It must not know what follows from the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrypoint.dkim_keys.model import Answer, Observation
from entrypoint.probe import authoritative as authority
from entrypoint.probe.authoritative import Reply, Server
from entrypoint.text import neutral
from filters.mailauth.dkim.key_record import KeyRecordError, read_record
from filters.mailauth.dkim.sign import SigningKey
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_DEEPEST = 4  # aliases and referrals
_STRING = 255
_FORM = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
_WORST: tuple[Answer, ...] = ("wrong", "partial", "missing", "unreachable", "unknown", "served")

Ask = Callable[[str, str], Awaitable[Reply]]


@dataclass(frozen=True)
class PublicKey:
    """What a record must have. public: the SubjectPublicKeyInfo in DER."""

    domain: str
    selector: str
    algorithm: str
    public: bytes

    @classmethod
    def of(cls, key: SigningKey) -> PublicKey:
        """The public part of a key."""
        public = key.private.public_key().public_bytes(*_FORM)
        return cls(key.domain, key.selector, key.algorithm, public)

    @property
    def name(self) -> str:
        """Where the record stands."""
        return f"{self.selector}._domainkey.{self.domain}"


async def observe(key: PublicKey, resolver: Resolver, ask: Ask = authority.ask) -> Observation:
    """Ask every server of the zone. Nothing is raised; bound the time from outside."""
    try:
        servers = await authority.servers_of(key.domain, resolver)
        if not servers:
            return Observation("unknown", f"no name server of {key.domain} is known")
        return await _Look(key, resolver, ask).at(servers, key.name, 0)
    except DnsTemporaryError as error:
        return Observation("unknown", neutral(error.reason))


def judge(texts: Sequence[bytes], key: PublicKey) -> Observation:
    """What one server's records at the key's name are."""
    if not texts:
        return Observation("missing", "has no such record")
    if len(texts) > 1:
        return Observation("wrong", f"has {len(texts)} records, and there must be one")
    try:
        published = read_record(texts[0], key.algorithm)
    except KeyRecordError as error:
        cut = " (it was cut at 255 characters)" if len(texts[0]) == _STRING else ""
        return Observation("wrong", f"has a record that is no use: {error}{cut}")
    if published.key.public_bytes(*_FORM) != key.public:
        return Observation("wrong", "has another key")
    return Observation("served")


class _Look:
    """One look: follows aliases and referrals, each once."""

    def __init__(self, key: PublicKey, resolver: Resolver, ask: Ask) -> None:
        self._key, self._resolver, self._ask = key, resolver, ask
        # By depth, too: a look that waited for itself would wait for ever.
        self._known: dict[tuple[int, str, tuple[str, ...]], asyncio.Task[Observation]] = {}

    async def at(self, servers: Sequence[Server], name: str, depth: int) -> Observation:
        """What all servers together say."""
        each = await asyncio.gather(*(self._server(server, name, depth) for server in servers))
        found = list(zip(servers, each, strict=True))
        answers = {seen.answer for _, seen in found}
        if answers == {"served"}:
            return Observation("served")
        # A server that is told from others: those that have the key are not named.
        details = [f"{neutral(server.name)} {seen.detail}" for server, seen in found if seen.detail]
        answer = min(answers, key=_WORST.index)
        if answer == "missing" and "served" in answers:
            answer = "partial"
        if answer == "missing" and answers == {"missing"}:
            return Observation("missing", "no name server of the zone has the record yet")
        return Observation(answer, "; ".join(details))

    async def _server(self, server: Server, name: str, depth: int) -> Observation:
        """What one server says at its addresses; those without an answer count if all are so."""
        if not server.addresses:
            return Observation("unreachable", f"cannot be asked: {server.trouble}")
        said = [await self._address(address, name, depth) for address in server.addresses]
        heard = [seen for seen in said if seen.answer != "unreachable"]
        return min(heard or said, key=lambda seen: _WORST.index(seen.answer))

    async def _address(self, address: str, name: str, depth: int) -> Observation:
        reply = await self._ask(address, name)
        if reply.trouble is not None:
            return Observation("unreachable", f"cannot be asked: {reply.trouble}")
        if reply.alias is None and not reply.referral:
            return judge(reply.texts, self._key)
        if depth >= _DEEPEST:
            return Observation("wrong", "leads on to other names for ever")
        target = reply.alias or name
        where = depth, target, tuple(sorted(reply.referral))
        if where not in self._known:
            self._known[where] = asyncio.create_task(self._follow(reply, name, depth + 1))
        seen = await self._known[where]
        if seen.answer == "served":
            return seen
        return Observation(seen.answer, f"leads to {neutral(target)}: {seen.detail}")

    async def _follow(self, reply: Reply, name: str, depth: int) -> Observation:
        if reply.alias is None:
            servers = await authority.addressed(reply.referral, self._resolver)
            return await self.at(servers, name, depth)
        servers = await authority.servers_of(reply.alias, self._resolver)
        if not servers:
            return Observation("unknown", "no name server of that is known")
        return await self.at(servers, reply.alias, depth)
