"""How many messages of a restored queue are held, for each start, health and the doctor.

It must not know how they are released.
"""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path

from entrypoint.paths import SPOOL
from entrypoint.text import counted

HELD = "held"  # in the queue's volume, beside smtpd's own folders
_MESSAGE = re.compile(r"[0-9a-f]{8}")
RELEASE = "`signpost restore --release-queue`"


def held_messages(spool: Path = SPOOL) -> list[str]:
    """The ids of what is held."""
    with suppress(OSError):
        return sorted(
            each.name for each in (spool / HELD).iterdir() if _MESSAGE.fullmatch(each.name)
        )
    return []


def held_line(spool: Path = SPOOL) -> str | None:
    """What a person has to know where something is held; None where nothing is."""
    count = len(held_messages(spool))
    if not count:
        return None
    return (
        f"{counted(count, 'message')} of a restored queue {'is' if count == 1 else 'are'} held; "
        f"{RELEASE} sends them, and what went out after the backup a second time"
    )
