"""What is mounted where in this container, as the kernel says it. It must not know what for."""

from __future__ import annotations

import re
from pathlib import Path

MOUNTINFO = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")


def mount_roots(table: Path = MOUNTINFO) -> dict[str, str]:
    """By mount point, what of its file system is mounted there; of several the last, on top.

    Names are as the file system's codec has them. Raises OSError.
    """
    fields = (line.split(" ") for line in table.read_text("utf-8", "surrogateescape").split("\n"))
    return {_unescaped(each[4]): _unescaped(each[3]) for each in fields if len(each) > 4}


def is_mount_point(path: Path, table: Path = MOUNTINFO) -> bool:
    """Is something mounted there? `Path.is_mount` sees no folder of the same disk. Raises OSError.

    With the storage driver vfs a container and its volumes are on one.
    """
    return str(path.resolve()) in mount_roots(table)


def _unescaped(text: str) -> str:
    """White space and backslashes stand there as octal numbers (proc(5))."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
