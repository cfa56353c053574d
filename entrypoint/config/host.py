"""What the kernel says of the container: is there IPv6, which addresses are gateways or its own.

The only reader of /proc/net. It must not know what follows from it.
"""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path

from entrypoint.config.settings import HostFacts

# Of its own addresses; a machine may have hundreds, and smtpd.conf takes 8,095 bytes in a command.
_MOST = 32


def host_facts(proc: Path = Path("/proc")) -> HostFacts:
    """Read from /proc whether there is IPv6, the default gateways, and the own addresses."""

    def text(name: str) -> str:
        try:
            return (proc / name).read_text("ascii")
        except OSError:  # a kernel without IPv6 has no such file
            return ""

    own = own_v4(text("net/fib_trie")) + own_v6(text("net/if_inet6"))
    return HostFacts(
        ipv6=has_ipv6(text("net/if_inet6")),
        gateways=gateways_v4(text("net/route")) + gateways_v6(text("net/ipv6_route")),
        own=own[:_MOST],
        rootless=text("self/uid_map").split()[1:2] not in ([], ["0"]),
    )


_UP, _GATEWAY, _REJECT = 0x1, 0x2, 0x200  # the kernel's RTF_UP, RTF_GATEWAY, RTF_REJECT


def has_ipv6(if_inet6: str) -> bool:
    """Is there an inet6 address (::1 is enough to listen on)? `if_inet6` is /proc/net/if_inet6.

    net.ipv6.conf.all.disable_ipv6 tells nothing: Docker sets it and gives the interfaces that
    have IPv6 their addresses all the same. An interface without it has none.
    """
    return bool(if_inet6.strip())


def own_v4(fib_trie: str) -> tuple[str, ...]:
    """The addresses that are ours in /proc/net/fib_trie, but for loopback."""
    found = re.findall(r"\|-- (\S+)\n\s*/32 host LOCAL", fib_trie)
    return tuple(dict.fromkeys(each for each in found if not each.startswith("127.")))


_GLOBAL = "00"  # the scope, of all that is neither loopback nor of one link


def own_v6(if_inet6: str) -> tuple[str, ...]:
    """The same in /proc/net/if_inet6."""
    lines = (line.split() for line in if_inet6.splitlines())
    found = [line[0] for line in lines if len(line) == 6 and line[3] == _GLOBAL]
    return tuple(str(ipaddress.IPv6Address(bytes.fromhex(each))) for each in found)


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
