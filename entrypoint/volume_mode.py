"""Which mode a volume belongs to: a test target and a mail server never share one.

Each marks /data and the queue's volume before it writes anything else there. A volume without a
mark on which there is anything is a mail server's: one of before there were marks.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from entrypoint.config.mode import Mode
from entrypoint.config.problems import ConfigurationError
from entrypoint.disks import takes_nothing
from entrypoint.files import own_folder, write_file
from entrypoint.paths import DATA, SPOOL

_MARK = "MODE"
_NOTHING = frozenset({"lost+found"})  # of a file system that has just been made
_FOLDERS: Mapping[Path, int] = {DATA: 0o755, SPOOL: 0o711}


def claim_volumes(mode: Mode, folders: Mapping[Path, int] = _FOLDERS) -> None:
    """folders: their modes, which they get here if they are new.

    Raises ConfigurationError where one is of the other mode, before any is written to, and OSError
    where a test target cannot mark one; a mail server starts on a disk that takes nothing, too.
    """
    errors = [problem for folder in folders if (problem := _problem(folder, mode_of(folder), mode))]
    if errors:
        raise ConfigurationError(errors)
    for folder, permissions in folders.items():
        try:
            own_folder(folder, "root", "root", permissions)
            write_file(folder / _MARK, f"{mode}\n".encode(), "root", "root", 0o644)
        except OSError as error:
            if mode == "test" or not takes_nothing(error):
                raise


def mode_of(folder: Path) -> str | None:
    """The mode that a volume belongs to; None where nothing is on it."""
    with suppress(OSError):
        return (folder / _MARK).read_text("ascii", "replace").strip()
    with suppress(OSError):
        if any(each.name not in _NOTHING for each in folder.iterdir()):
            return "production"
    return None


def _problem(folder: Path, found: str | None, mode: Mode) -> str | None:
    if found is None or found == mode:
        return None
    if mode == "test":
        return (
            f"MODE=test: {folder} is a mail server's, and a test target would mix its mail with "
            "real mail; give it a volume of its own, or none"
        )
    return (
        f"{folder} is a test target's (MODE=test has written it); give the mail server another "
        "volume, or remove this one with `docker volume rm`"
    )
