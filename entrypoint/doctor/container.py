"""What this container was given from outside: its name servers and its mounted files.

Only what is wrong is a finding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from entrypoint import mounted_files
from entrypoint.doctor.finding import Finding, Status
from entrypoint.probe.name_servers import name_servers, unanswering

_DNS_SECONDS = 5.0
_DNS_CURE = "set DNS_SERVERS, or `dns:` in compose.yaml, to name servers that answer"


async def check_container() -> list[Finding]:
    """Nothing is raised."""
    servers = name_servers()
    found = await unanswering(servers, _DNS_SECONDS) if servers else None
    return [*judge_name_servers(servers, found or {}), *check_mounts(mounted_files.replaced)]


def judge_name_servers(servers: Sequence[str], found: Mapping[str, str]) -> list[Finding]:
    """found: what is wrong with those that do not answer."""
    all_silent = len(found) == len(set(servers))
    status: Status = "fail" if all_silent else "warn"
    rest = "" if all_silent else "; others do"
    return [
        Finding(
            "name-server",
            None,
            status,
            f"{server} does not answer ({why}){rest}",
            _DNS_CURE,
            server,
        )
        for server, why in found.items()
    ]


def check_mounts(look: Callable[[], list[str]]) -> list[Finding]:
    """A removed account can still log in where the file that it was in is the old one."""
    try:
        texts = look()
    except (OSError, ValueError):  # the server does not run here, which other checks say
        return []
    return [Finding("mounts", None, "fail", text, mounted_files.CURE, text) for text in texts]
