"""smtpd's queue: each message with its envelopes, while smtpd delivers, defers and takes more.

It is read before the mailboxes, for that is the way that a message takes. What a Sieve script
redirects comes back as another message, before the first one goes: so where one has gone while we
looked, we look again. What smtpd has not answered yet lies in `incoming`, and is not taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from entrypoint.backup.archive import Member
from entrypoint.backup.held import HELD
from entrypoint.backup.layout import Volumes
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.volume_files import (
    BackupError,
    folder,
    large_file,
    names_in,
    open_file,
    small_file,
)

_BUCKET, _MESSAGE, _ENVELOPE = (re.compile(f"[0-9a-f]{{{digits}}}") for digits in (2, 8, 16))
_LEAST, _MOST = 2, 20  # looks


def queue_members(volumes: Volumes, notes: BackupNotes) -> Iterator[Member]:
    """Every message that is in the queue, and those that are held. Raises BackupError."""
    taken: set[str] = set()
    # What is left of a message whose removal was cut off is there each time.
    parts_of: set[str] = set()
    for look in range(1, _MOST + 1):
        gone = False
        for parts in _messages(volumes):
            name = parts[-1]
            if name in taken:
                continue
            try:
                members, whole = _message(volumes.spool.joinpath(*parts), name, notes)
            except FileNotFoundError:
                members, whole = [], False
            except OSError as error:
                taken.add(name)
                notes.failed(f"{_top(name)}/message", error)
                continue
            gone = gone or (not whole and name not in parts_of)
            if members:
                taken.add(name)
                notes.taken["queue"] += 1
                yield from members
            else:
                parts_of.add(name)
        if look >= _LEAST and not gone:
            return
    raise BackupError("the queue moves faster than it can be read; try again when it is calmer")


def _messages(volumes: Volumes) -> Iterator[tuple[str, ...]]:
    """Where messages lie, those that are held first: they go from there into the queue."""
    for name in _listed(volumes.spool / HELD, _MESSAGE):
        yield HELD, name
    for bucket in _listed(volumes.spool / "queue", _BUCKET):
        for name in _listed(volumes.spool / "queue" / bucket, _MESSAGE):
            yield "queue", bucket, name


def _listed(path: Path, pattern: re.Pattern[str]) -> list[str]:
    try:
        with folder(str(path)) as descriptor:
            return [name for name in names_in(descriptor) if pattern.fullmatch(name)]
    except FileNotFoundError:
        return []


def _top(message: str) -> str:
    return f"spool/queue/{message[:2]}/{message}"


def _message(path: Path, message: str, notes: BackupNotes) -> tuple[list[Member], bool]:
    """A message with the envelopes that are left, and whether none has gone meanwhile.

    Raises OSError where it cannot be read.
    """
    top = _top(message)
    with folder(str(path)) as descriptor:
        # Once it is open it can be read, whatever becomes of its name.
        content = large_file(f"{top}/message", open_file("message", descriptor))
        envelopes, whole = [], True
        for name in names_in(descriptor):
            if not _ENVELOPE.fullmatch(name) or not name.startswith(message):
                continue
            try:
                envelopes.append(small_file(f"{top}/{name}", name, descriptor))
            except FileNotFoundError:
                whole = False
            except OSError as error:
                notes.failed(f"{top}/{name}", error)
    if envelopes:
        return [content, *envelopes], whole
    for _ in content.content:  # to its end, which closes it
        pass
    return [], False
