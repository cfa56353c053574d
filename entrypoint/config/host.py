"""The kernel's network tables as text → facts about the host.

It must not know where the text lies: environ.py reads the files.
"""

from __future__ import annotations

import ipaddress

_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200  # the kernel's RTF_UP, RTF_GATEWAY, RTF_REJECT


def has_ipv6(if_inet6: str) -> bool:
    """Is there an inet6 address (::1 is enough to listen on)? `if_inet6` is /proc/net/if_inet6.

    net.ipv6.conf.all.disable_ipv6 tells nothing: Docker sets it and gives the interfaces that
    have IPv6 their addresses all the same. An interface without it has none.
    """
    return bool(if_inet6.strip())


def gateways_v4(route: str) -> tuple[str, ...]:
    """The default gateways in /proc/net/route, whose addresses are little-endian hexadecimal."""
    found = []
    for line in route.splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8 or fields[1] != "00000000" or fields[7] != "00000000":
            continue
        if int(fields[3], 16) & _GATEWAY:
            found.append(str(ipaddress.IPv4Address(bytes.fromhex(fields[2])[::-1])))
    return tuple(dict.fromkeys(found))


def gateways_v6(ipv6_route: str) -> tuple[str, ...]:
    """The default gateways in /proc/net/ipv6_route."""
    found = []
    for line in ipv6_route.splitlines():
        fields = line.split()
        if len(fields) < 10 or fields[0] != "0" * 32 or fields[1] != "00":
            continue
        flags = int(fields[8], 16)
        if flags & _UP and flags & _GATEWAY and not flags & _REJECT:
            found.append(str(ipaddress.IPv6Address(bytes.fromhex(fields[4]))))
    return tuple(dict.fromkeys(found))
