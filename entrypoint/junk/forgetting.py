"""All that an account's filter has learned, removed: databases that are broken, too."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

from entrypoint.junk.account_state import FOLDER
from entrypoint.junk.lessons import LOCK, locked


def forget(home: Path) -> bool:
    """Whether there was anything. Raises OSError, and StateError where a lesson does not end.

    What is noted of a delivery at that very moment goes with it.
    """
    folder, found = home / FOLDER, False
    if not folder.is_dir():
        return False
    with locked(home):
        # The lessons before the words: who looks meanwhile does not take these for lost.
        for path in sorted(folder.iterdir()):
            if path.name == LOCK:
                continue
            found = True
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
    return found
