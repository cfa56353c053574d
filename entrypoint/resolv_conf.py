"""resolv.conf(5): whom the machine's resolvers ask, and how a start has them ask others.

Where the container's root file system is read-only, so is the engine's /etc/resolv.conf, for root,
too. Then a file of ours stands for it: a library (smtpd/resolv_conf.c) has programs read that.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from entrypoint.files import own_folder, write_file
from entrypoint.paths import RUN

RESOLV_CONF = Path("/etc/resolv.conf")
# resolv_conf.c has it, too.
OURS = RUN / "resolv.conf"
_LIBRARY = "/usr/local/libexec/resolv_conf.so"


def servers_in(text: str) -> list[str]:
    """Every address, in its order."""
    words = (line.split() for line in text.splitlines())
    return [each[1] for each in words if len(each) >= 2 and each[0] == "nameserver"]


def in_force(ours: Path = OURS) -> Path:
    """The file that counts."""
    return ours if ours.exists() else RESOLV_CONF


def chosen(ours: Path = OURS) -> list[str] | None:
    """The servers of our file; None where the system's counts, which every resolver reads."""
    try:
        return servers_in(ours.read_text("ascii")) or None
    except OSError:
        return None


def forget(ours: Path = OURS) -> None:
    """What an earlier start of this container wanted counts no more. Raises OSError."""
    ours.unlink(missing_ok=True)


def ask(
    servers: Sequence[str], comment: str = "", path: Path = RESOLV_CONF, ours: Path = OURS
) -> None:
    """Have these servers asked, and no others. Raises OSError where neither file can be written."""
    forget(ours)
    content = "".join(f"nameserver {server}\n" for server in servers) + comment
    try:
        if servers_in(path.read_text("utf-8", "replace")) != list(servers):
            # In place: in a container the file is a mount and cannot be replaced.
            path.write_text(content, "ascii")
    except OSError:
        own_folder(ours.parent, "root", "root", 0o711)
        write_file(ours, content.encode("ascii"), "root", "root", 0o644)


def preloaded(ours: Path = OURS) -> dict[str, str]:
    """What has to be in the environment of programs, so that they ask whom they should."""
    return {"LD_PRELOAD": _LIBRARY} if ours.exists() else {}
