"""Folders of mailboxes, opened within one another: each account's, its inbox and what is in that.

What stands among them and is none is noted once. It must not know what is in them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from entrypoint.backup.layout import is_derived, place_of
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.volume_files import folder, is_folder, is_link, names_in

MAIL, MAILDIR = "data/mail", "Maildir"
SUBFOLDERS = ("new", "cur")  # in the order that a message goes


class MailboxFolders:
    """notes: where it is said what is in no archive."""

    def __init__(self, notes: BackupNotes) -> None:
        self._notes = notes
        self._noted: set[str] = set()

    def homes(self, top: int) -> Iterator[tuple[str, int]]:
        """`data/mail/DOMAIN/NAME` of each account. top: data/mail."""
        for domain in names_in(top):
            for path, descriptor in self._opened(MAIL, domain, top):
                for local in names_in(descriptor):
                    yield from self._opened(path, local, descriptor)

    def maildirs(self, path: str, home: int) -> Iterator[tuple[str, int]]:
        """The inbox and each folder of an account."""
        for inner, maildir in self._opened(path, MAILDIR, home):
            yield inner, maildir
            for name in names_in(maildir):
                if name.startswith(".") and is_still_folder(name, maildir):
                    yield from self._opened(inner, name, maildir)

    def stamp(self, path: str, home: int) -> list[tuple[str, str, int]]:
        """Another one as soon as a message has come to an account, moved there, or gone."""
        found = []
        for inner, maildir in self.maildirs(path, home):
            for sub in SUBFOLDERS:
                with suppress(FileNotFoundError):
                    status = os.stat(sub, dir_fd=maildir, follow_symlinks=False)
                    found.append((inner, sub, status.st_mtime_ns))
        return found

    def note_left(self, path: str) -> None:
        """Nobody knows what it is. Once, however often it is met."""
        self._note(path, self._notes.left)

    def _note(self, path: str, notes: list[str]) -> None:
        if path not in self._noted:
            self._noted.add(path)
            notes.append(path)

    def _opened(self, path: str, name: str, parent: int) -> Iterator[tuple[str, int]]:
        """A folder, if it is one of ours."""
        inner = f"{path}/{name}"
        if is_derived(inner):
            return
        try:
            place = place_of(inner)
            if place is None or "folder" not in place.kinds:
                self.note_left(inner)
                return
            if not is_folder(name, parent):
                # What is behind a link is mail, for all we know.
                linked = is_link(name, parent)
                self._note(inner, self._notes.unreadable if linked else self._notes.left)
                return
            with folder(name, parent) as descriptor:
                yield inner, descriptor
        except FileNotFoundError:  # of an account that has no mail yet, or removed meanwhile
            return


def is_still_folder(name: str, parent: int) -> bool:
    """Is it a folder, and there?"""
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False
