"""All that an account's filter has learned, removed: databases that are broken, too."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from entrypoint.files import locked
from entrypoint.junk.account_state import FOLDER

LOCK = "lock"  # of who learns, in that folder; it stays


def forget(home: Path) -> bool:
    """Whether there was anything. Raises OSError, also where a lesson does not end.

    What is noted at that very moment, of a delivery, goes with it.
    """
    folder = home / FOLDER
    if not folder.is_dir():
        return False
    found = False
    with locked(folder / LOCK):
        for path in folder.iterdir():
            if path.name == LOCK:
                continue
            found = True
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
    return found
