"""Which format the volumes have, so that no image starts that is older than what is on them.

FORMAT rises only where an image of before could harm or misread what a start or the server writes
from then on; the version's text says nothing of that. Both volumes have the number, for one of them
may be exchanged. It is raised before anything else is written: whoever is cut off in the middle has
volumes that only images of the new format take. So an upgrade has to see by what is there, and not
by the number, what is left of it to do. Without a mark a volume is of format 0.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from entrypoint.config.problems import VolumeError
from entrypoint.disks import explained
from entrypoint.files import write_file
from entrypoint.paths import DATA, SPOOL
from entrypoint.text import day, printable

FORMAT = 1
MARK = "FORMAT"
# NUMBER VERSION DAY; what a later image has behind them is none of our business.
_MARK = re.compile(r"(\d{1,9}) (\S{1,80}) (\d{4}-\d\d-\d\d)(?:\s|$)")
_LONGEST = 1000  # characters
_BOTH = (DATA, SPOOL)


@dataclass(frozen=True)
class VolumeFormat:
    """number: of the format. version: of Signpost, which made it so. since: the day."""

    number: int
    version: str = ""
    since: str = ""

    def text(self) -> bytes:
        """As it stands in the file, for `cat`, too."""
        return f"{self.number} {self.version} {self.since}\n".encode()


def format_of(folder: Path) -> VolumeFormat:
    """Raises VolumeError where there is a mark that cannot be read."""
    path = folder / MARK
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            text = stream.read(_LONGEST)
    except FileNotFoundError:
        return VolumeFormat(0)
    except OSError as error:
        raise VolumeError([explained(error)]) from error
    found = _MARK.match(text)
    if found is None:
        raise VolumeError(
            [
                f"{path}: {printable(text[:40])!r} is no format; if no newer image than this one "
                "has ever run here, remove the file"
            ]
        )
    return VolumeFormat(int(found[1]), found[2], found[3])


def refuse_newer(folders: Iterable[Path] = _BOTH) -> None:
    """Raises VolumeError that names each volume which a newer image has written."""
    errors = []
    for folder in folders:
        try:
            found = format_of(folder)
        except VolumeError as error:
            errors += error.errors
            continue
        if found.number > FORMAT:
            errors.append(
                f"{folder}: it has format {found.number} since {found.since}, by Signpost "
                f"{printable(found.version)}; this image is older (Signpost {_ours()}, format "
                f"{FORMAT}) and would misread it. Start the newer image again, or restore a "
                "backup from before that day into new volumes"
            )
    if errors:
        raise VolumeError(errors)


def mark_volumes(folders: Iterable[Path] = _BOTH) -> None:
    """Raise the number where it is lower, and touch nothing else.

    Raises OSError, also for a disk that takes nothing, and VolumeError.
    """
    for folder in folders:
        if format_of(folder).number < FORMAT:
            new = VolumeFormat(FORMAT, _ours(), day(time.time()))
            write_file(folder / MARK, new.text(), "root", "root", 0o644)


def _ours() -> str:
    from importlib.metadata import version  # which maintenance does not have in memory

    return version("signpost")
