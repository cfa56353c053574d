"""What was tried at an ACME server, kept over a restart: /data/tls/acme/SERVER/attempts.json.

It must not know what follows from it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import get_args

from entrypoint.render import write_file
from entrypoint.tls.acme_plan import Attempt, Outcome

_NAME = "attempts.json"


def read_attempts(folder: Path) -> tuple[Attempt, ...]:
    """Oldest first; none if there is no such file. Raises OSError, or ValueError for another."""
    try:
        content = json.loads((folder / _NAME).read_text("ascii"))
    except FileNotFoundError:
        return ()
    try:
        found = [
            Attempt(
                float(each["at"]),
                each["outcome"],
                float(each["not_before"]),
                # Earlier versions did not write these down.
                tuple(map(str, each.get("names", ()))),
                tuple(map(str, each.get("blamed", ()))),
            )
            for each in content
        ]
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from None
    if any(each.outcome not in get_args(Outcome) for each in found):
        raise ValueError("an unknown outcome")
    return tuple(sorted(found, key=lambda each: each.at))


def write_attempts(folder: Path, attempts: Sequence[Attempt]) -> None:
    """Replace the file. Raises OSError."""
    content = json.dumps([asdict(each) for each in attempts], indent=1) + "\n"
    write_file(folder / _NAME, content.encode(), "root", "root", 0o600)
