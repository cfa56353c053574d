"""Which addresses are one client: the network that is counted, and the one that is remembered.

It must not know what is counted.
"""

from __future__ import annotations

import functools
import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@functools.lru_cache(maxsize=4096)
def address_of(text: str) -> Address | None:
    """The address, IPv4 where it is mapped into IPv6 (RFC 4291 §2.5.5.2); None for no address."""
    if len(text) > 64:
        return None
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@functools.lru_cache(maxsize=4096)
def client_network(text: str) -> str | None:
    """What one client can move within, as text: the IPv4 address itself, or the IPv6 /64.

    A whole IPv4 /24 would lock out an attacker's neighbours, who share no more than a provider with
    him; behind one IPv4 address there is one household or one NAT already. An IPv6 client has a /64
    at least and takes a new address whenever it likes (RFC 8981).
    """
    return _network(text, 32, 64)


@functools.lru_cache(maxsize=4096)
def wider_networks(text: str) -> tuple[str, ...]:
    """What may be one client's beyond its /64, the narrowest first; none for IPv4.

    A household or a hosted server has a /56 or a /48 (RFC 6177), and so as many /64s as it likes;
    with less in common than that, clients share a provider and no more.
    """
    address = address_of(text)
    if address is None or address.version == 4:
        return ()
    return tuple(str(ipaddress.IPv6Network((address, length), strict=False)) for length in (56, 48))


def wider_network(text: str) -> ipaddress.IPv6Network | None:
    """The network that is written as one of these; None for all else."""
    address, _, length = text.partition("/")
    if length not in {"56", "48"} or getattr(address_of(address), "version", 0) != 6:
        return None
    return ipaddress.IPv6Network((address, int(length)), strict=False)


def sender_network(text: str) -> str | None:
    """Where a mail server's next try may come from: the IPv4 /24, or the IPv6 /64 (RFC 6647 §5)."""
    return _network(text, 24, 64)


def _network(text: str, v4: int, v6: int) -> str | None:
    address = address_of(text)
    if address is None:
        return None
    length = v4 if address.version == 4 else v6
    if length == address.max_prefixlen:
        return str(address)
    return str(ipaddress.ip_network((address, length), strict=False))


def is_loopback(text: str) -> bool:
    """Whether this is the machine itself."""
    address = address_of(text)
    return address is not None and address.is_loopback


@functools.lru_cache(maxsize=4096)
def is_public(text: str) -> bool:
    """Whether the address is one of the Internet's: no private, shared or reserved one."""
    address = address_of(text)
    return address is not None and address.is_global and not address.is_multicast
