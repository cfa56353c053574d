"""resolv.conf(5): whom the machine's resolvers ask."""

from __future__ import annotations

from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")


def servers_in(text: str) -> list[str]:
    """Every address, in its order."""
    words = (line.split() for line in text.splitlines())
    return [each[1] for each in words if len(each) >= 2 and each[0] == "nameserver"]
