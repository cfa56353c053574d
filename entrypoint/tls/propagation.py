"""Does every name server that is authoritative for a name have a TXT record yet?

It must not know what the record is for, nor how often to look.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from entrypoint.keys import authority
from entrypoint.keys.authority import Reply, Server
from filters.mailauth.resolver import DnsTemporaryError, Resolver

Ask = Callable[[str, str], Awaitable[Reply]]
_DEEPEST = 5  # aliases and referrals


async def lacking(name: str, value: bytes, resolver: Resolver, ask: Ask = authority.ask) -> str:
    """What still lacks the value, and why; "" if nothing does. Nothing is raised."""
    try:
        return await _at(None, name, value, resolver, ask, 0)
    except DnsTemporaryError as error:
        return f"the name servers of {name} cannot be found ({error.reason})"


async def _at(
    servers: Sequence[Server] | None,
    name: str,
    value: bytes,
    resolver: Resolver,
    ask: Ask,
    depth: int,
) -> str:
    if depth > _DEEPEST:
        return f"{name} leads on to other names for ever"
    if servers is None:
        servers = await authority.servers_of(name, resolver)
    if not servers:
        return f"no name server of {name} is known"
    for server in servers:
        replies = [await ask(address, name) for address in server.addresses]
        # One address of a server may be out of reach, such as IPv6 from here.
        heard = [reply for reply in replies if reply.trouble is None]
        if not heard:
            return f"the name server {server.name} cannot be asked"
        for reply in heard:
            if reply.alias is not None or reply.referral:
                below = await authority.addressed(reply.referral, resolver) or None
                if trouble := await _at(
                    below, reply.alias or name, value, resolver, ask, depth + 1
                ):
                    return trouble
            elif value not in reply.texts:
                return f"the name server {server.name} does not have {name} yet"
    return ""
