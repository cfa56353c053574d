"""What a backup has to say at its end: how much it took, and what of the volumes is not in it."""

from __future__ import annotations

import errno
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from entrypoint.text import counted, printable

_MOST_NAMED = 10
_NO_FILE = (errno.ELOOP, errno.EINVAL)


@dataclass
class BackupNotes:
    """taken: messages of mailboxes and of the queue, and other files. left: what is not in the
    archive, since nobody knows what it is. unreadable: what should be in it.
    """

    taken: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)

    def failed(self, path: str, error: Exception) -> None:
        """A link or a pipe is nobody's; what else cannot be read is missing."""
        if isinstance(error, OSError) and error.errno in _NO_FILE:
            self.left.append(path)
        else:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            self.unreadable.append(f"{path}: {reason}")

    def lines(self) -> Iterator[str]:
        """What a person has to know."""
        yield from _some("not in the backup, for it is no file of Signpost's", self.left)
        yield from _some("NOT IN THE BACKUP, for it cannot be read", self.unreadable)


def _some(what: str, names: list[str]) -> Iterator[str]:
    for name in names[:_MOST_NAMED]:
        yield f"{what}: {printable(name)}"
    if len(names) > _MOST_NAMED:
        yield f"{what}: {len(names) - _MOST_NAMED} more"


def summary(notes: BackupNotes) -> str:
    """`12 messages, 3 of the queue, 40 other files`."""
    taken = notes.taken
    return (
        f"{counted(taken['mail'], 'message')}, {taken['queue']} of the queue, "
        f"{counted(taken['other'], 'other file')}"
    )
