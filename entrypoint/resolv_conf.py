"""DNS_SERVERS → /etc/resolv.conf, which smtpd reads; the filters get the same servers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from entrypoint.config.problems import ConfigurationError

RESOLV_CONF = Path("/etc/resolv.conf")


def use_servers(servers: Sequence[str], path: Path = RESOLV_CONF) -> None:
    """Make the resolver ask these servers; nothing changes where none are given.

    Written in place: in a container the file is a mount and cannot be replaced. Raises
    ConfigurationError where it can be neither written nor is it so already.
    """
    if not servers:
        return
    content = "".join(f"nameserver {server}\n" for server in servers)
    try:
        present = path.read_text("utf-8", "replace")
        named = [line.split()[1] for line in present.splitlines() if _names_a_server(line)]
        if named == list(servers):
            return
        path.write_text(content, "ascii")
    except OSError as error:
        raise ConfigurationError(
            [f"DNS_SERVERS: {path} cannot be written ({error.strerror}); set dns: in compose.yaml"]
        ) from error


def _names_a_server(line: str) -> bool:
    words = line.split()
    return len(words) >= 2 and words[0] == "nameserver"
