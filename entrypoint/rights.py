"""What root may do here: the engine decides, and without some of it no mail server runs.

In: /proc. Out: what is missing, in words for whoever wrote the container's settings.
"""

from __future__ import annotations

import re
from pathlib import Path

# Linux's numbers (capabilities(7)); what compose.yaml adds.
_NEEDED = {"CHOWN": 0, "DAC_OVERRIDE": 1, "FOWNER": 3, "SETGID": 6, "SETUID": 7, "SYS_CHROOT": 18}
_NET_BIND_SERVICE = 10
_LOWEST = 25  # of the ports that no mail server is without


def missing_capabilities(proc: Path = Path("/proc")) -> list[str]:
    """Those that the server cannot do without."""
    given = _given(proc)
    return [name for name, number in _NEEDED.items() if not given >> number & 1]


def refused_ports(proc: Path = Path("/proc")) -> str | None:
    """Why the kernel would let nobody here listen on the ports of mail; None where it does."""
    try:
        first = int((proc / "sys/net/ipv4/ip_unprivileged_port_start").read_text("ascii"))
    except (OSError, ValueError):
        return None
    if first <= _LOWEST or _given(proc) >> _NET_BIND_SERVICE & 1:
        return None
    return (
        f"ports below {first} are closed to this container, such as {_LOWEST}; have the engine set "
        "net.ipv4.ip_unprivileged_port_start to 0 (`sysctls:` in compose.yaml, `--sysctl` of "
        "docker and podman); with the host's own network add the capability NET_BIND_SERVICE"
    )


def _given(proc: Path) -> int:
    try:
        status = (proc / "self/status").read_text("utf-8", "replace")
    except OSError:
        return -1
    found = re.search(r"^CapEff:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return int(found[1], 16) if found else -1
