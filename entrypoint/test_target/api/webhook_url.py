"""Which URLs a webhook may have: only this machine's and those of private networks are called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

# Listed, since ipaddress's `is_private` holds much else that others answer at, such as 6to4.
_NEAR = [
    ipaddress.ip_network(network)
    for network in (
        *("127.0.0.0/8", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"),
        *("::1/128", "fc00::/7"),
    )
]
_CLOUDS = ipaddress.ip_network("fd00:ec2::/32")  # Amazon's, with credentials at fd00:ec2::254


def check_url(url: str) -> None:
    """Raises ValueError for a URL that is none, or that names a public address."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write a URL with http:// or https:// and a host")
    _ = parts.port  # raises where it is none
    path = parts.path + parts.query + parts.netloc.rpartition("@")[2]
    if not path.isascii() or any(char <= " " for char in path):
        raise ValueError("the URL has characters that have to be written as %XX")
    if is_address(parts.hostname) and not is_near(parts.hostname):
        raise ValueError("only loopback and private addresses are called")


def is_near(address: str) -> bool:
    """Loopback or private (RFC 1918, RFC 4193); not link-local, where clouds keep credentials."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return ip not in _CLOUDS and any(ip in network for network in _NEAR)


def is_address(name: str) -> bool:
    """Whether it is an IP address, and no name."""
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
