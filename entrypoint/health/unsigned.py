"""Mail of ours that left unsigned lately, from the file that the signing filter writes.

`filters.unsigned_counts` describes the file. It must not know how health is shown.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrypoint.files import acting_as
from entrypoint.paths import UNSIGNED
from entrypoint.text import counted, printable, second

SIGNER = "signer"

# Unhealthy until the next message of the domain is signed, but long enough to be seen: the
# image's health check comes once a minute and three of them have to fail.
_SEEN_FOR = 900  # seconds


def check_unsigned(now: float, path: Path = UNSIGNED, owner: str = SIGNER) -> list[str]:
    """What is wrong, a line for each domain; now: Unix time. A file that is not there is good."""
    try:
        with acting_as(owner):
            content = path.read_text("utf-8")
    except (FileNotFoundError, KeyError):  # no filter has run yet, or not in this image
        return []
    except OSError as error:
        return [f"{path}: {error.strerror}"]
    except ValueError:
        return [f"{path}: it cannot be understood"]
    try:
        found = json.loads(content)
        return [text for domain in sorted(found) if (text := _problem(domain, found[domain], now))]
    except (ValueError, LookupError, TypeError, OverflowError):
        return [f"{path}: it cannot be understood"]


def _problem(domain: str, entry: Mapping[str, Any], now: float) -> str | None:
    if entry["signed"] is not None and now - entry["last"] >= _SEEN_FOR:
        return None
    return (
        f"{counted(entry['count'], 'message')} from {printable(domain)} could not be signed since "
        f"{second(entry['first'])}: {printable(str(entry['reason']))}"
    )
