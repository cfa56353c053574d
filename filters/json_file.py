"""A small JSON file: read into what it means, and replaced as a whole, so that nobody reads half.

It must not know what is in it.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

log = logging.getLogger(__name__)

Content = TypeVar("Content")


def parse_json(text: str, build: Callable[[Any], Content]) -> Content:
    """What `build` makes of a text's JSON. Raises ValueError where it is not of that form."""
    try:
        return build(json.loads(text))
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not what belongs in this file: {error!r}") from error


def read_state(path: Path, build: Callable[[Any], Content]) -> Content | None:
    """What `build` makes of a file that an earlier process wrote; None where there is none.

    One that cannot be read is logged, and begun afresh.
    """
    try:
        return parse_json(path.read_text("utf-8"), build)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        log.warning("%s: begun afresh: %s", path, error)
        return None


def write_json(path: Path, content: object, mode: int = 0o600) -> None:
    """Replace the file. Raises OSError with its path; what was there stays then."""
    try:
        _replace(path, content, mode)
    except OSError as error:
        # The error of a write names no file, and one of the temporary file another each time.
        raise OSError(error.errno, error.strerror, str(path)) from error


def _replace(path: Path, content: object, mode: int) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            json.dump(content, file, indent=1, sort_keys=True)
            os.fchmod(handle, mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
