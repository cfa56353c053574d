"""A small JSON file that is replaced as a whole: no reader ever sees half of it."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path


def write_state(path: Path, content: object) -> None:
    """Replace the file. Raises OSError with its path; what was there stays then."""
    try:
        _replace(path, content)
    except OSError as error:
        # The error of a write names no file, and one of the temporary file another each time.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, content: object) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(content, file, indent=1, sort_keys=True)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
