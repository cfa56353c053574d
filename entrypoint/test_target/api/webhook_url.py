"""Which URLs a webhook may have: only this machine's and those of private networks are called."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def check_url(url: str) -> None:
    """Raises ValueError for a URL that is none, or that names a public address."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError("write a URL with http:// or https:// and a host")
    _ = parts.port  # raises where it is none
    path = parts.path + parts.query + parts.netloc.rpartition("@")[2]
    if not path.isascii() or any(char <= " " for char in path):
        raise ValueError("the URL has characters that have to be written as %XX")
    if _is_address(parts.hostname) and not is_near(parts.hostname):
        raise ValueError("only loopback and private addresses are called")


def is_near(address: str) -> bool:
    """Loopback or private (RFC 1918, RFC 4193); not link-local, where clouds keep credentials."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = mapped or ip
    usable = not (ip.is_link_local or ip.is_unspecified or ip.is_multicast or ip.is_reserved)
    return bool(ip.is_loopback or (ip.is_private and usable))


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.partition("%")[0])
    except ValueError:
        return False
    return True
