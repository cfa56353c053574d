"""What was deleted or marked in the store is so in the Maildirs, too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from entrypoint.test_target.mailboxes.maildir import Maildir, MailFile
from entrypoint.test_target.store.copies import Copy

_MOST_NAMED = 10_000  # messages; for more all are looked at


class ChangedMessages:
    """IDs of messages that were changed, or all there are: so it is at the start."""

    def __init__(self) -> None:
        self._all = True
        self._identities: set[str] = set()

    def __bool__(self) -> bool:
        return self._all or bool(self._identities)

    def add(self, identities: Iterable[str] | None) -> None:
        """These, too. None: all."""
        if identities is None:
            self._all = True
        else:
            self._identities.update(identities)
        if self._all or len(self._identities) > _MOST_NAMED:
            self._all = True
            self._identities.clear()

    def take(self) -> list[str] | None:
        """None: all."""
        taken = None if self._all else [*self._identities]
        self._all = False
        self._identities.clear()
        return taken


def remove_copies(root: Path, copies: Iterable[Copy]) -> None:
    """Their files, wherever a client has moved them meanwhile. Raises OSError."""
    for copy in copies:
        maildir = Maildir(root, copy.maildir)
        if maildir.remove(MailFile(copy.path)):
            continue
        for path in maildir.paths():
            file = MailFile(path)
            if file.name == copy.name:
                maildir.remove(file)


def mark_copies(
    root: Path, marked: Sequence[tuple[Copy, bool]]
) -> tuple[list[tuple[Copy, bool]], list[tuple[Copy, bool]]]:
    """Copies, and whether each is to be seen: as they are then, and those that are not where they
    were. Raises OSError.
    """
    done, missing = [], []
    for copy, read in marked:
        old = MailFile(copy.path)
        new = old.with_seen(read)
        if copy.seen == read or Maildir(root, copy.maildir).rename(old, new):
            path = copy.path if copy.seen == read else new.path
            done.append((replace(copy, path=path, seen=read), read))
        else:
            missing.append((copy, read))
    return done, missing
