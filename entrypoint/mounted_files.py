"""A file that is mounted alone stays the old one when it is replaced on the host: is it so?

An editor writes a new file and renames it over the old one; the mount goes on showing the old
one, and what was changed never counts. The kernel says so in /proc/self/mountinfo (proc(5)), where
the mounted file's name ends in `//deleted`, or has become another where it was moved aside. The
same goes for a folder. It must not know what the files are for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from entrypoint.files import write_file
from entrypoint.mounts import MOUNTINFO, mount_roots
from entrypoint.paths import RUN

CURE = "restart the container to have the new one, and mount the folder that it lies in instead"
_NAME = "mounts.json"
_DELETED = "//deleted"


def note(files: Mapping[Path, Sequence[str]], run: Path = RUN, table: Path = MOUNTINFO) -> None:
    """Note what the mounts of these files are at the start. files: with the names to call each.

    Raises OSError.
    """
    found = mount_roots(table)
    noted: dict[str, dict[str, object]] = {}
    for path, names in files.items():
        point = _covering(path, found)
        if point is not None:
            entry = noted.setdefault(point, {"root": found[point], "names": []})
            entry["names"] = sorted({*_texts(entry["names"]), *names})
    content = json.dumps(noted, indent=1, sort_keys=True).encode("ascii")
    write_file(run / _NAME, content, "root", "root", 0o600)


def replaced(run: Path = RUN, table: Path = MOUNTINFO) -> list[str]:
    """Each mount that shows what the host has replaced or moved since, as a line of text.

    Nothing is said of what was mounted without a start. Raises OSError or ValueError.
    """
    try:
        noted = json.loads((run / _NAME).read_text("ascii"))
    except FileNotFoundError:
        return []
    found = mount_roots(table)
    try:
        return [
            _text(point, _texts(entry["names"]))
            for point, entry in sorted(noted.items())
            if point in found and _is_old(found[point], entry["root"])
        ]
    except (LookupError, TypeError, AttributeError):
        raise ValueError(f"{run / _NAME}: it cannot be understood") from None


def problems() -> list[str]:
    """The same, and what keeps it from being seen. Nothing is raised."""
    try:
        return replaced()
    except (OSError, ValueError) as error:
        return [f"the mounted files: {error}"]


def _text(point: str, names: Sequence[str]) -> str:
    kind = "folder" if Path(point).is_dir() else "file"
    return (
        f"{' and '.join(names)}: {point} is still the old {kind}, for the one on the host was "
        "replaced or moved; what has changed there does not count"
    )


def _is_old(root: str, noted: object) -> bool:
    return root.endswith(_DELETED) or root != noted


def _covering(path: Path, mounts: Mapping[str, str]) -> str | None:
    """The mount that the file is in; None for the image's own."""
    try:
        real = path.resolve()
    except (OSError, RuntimeError):  # a loop of symbolic links
        return None
    return next((str(each) for each in (real, *real.parents[:-1]) if str(each) in mounts), None)


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list) else []
