"""Mailboxes, while mail comes, is read, flagged, moved and removed.

A message has one name in a folder from its delivery on, but for the flags behind it, and one inode
wherever it is moved to. All folders are listed again until nothing is found that was there when the
first list began: what moved from a folder that was not read yet into one that was is found then.
Some more times they are listed while an account's folders change under the list itself; under a
storm there is no end of that.
Names of keywords and numbers of messages are read last, so that they are of all that was taken.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from entrypoint.backup.archive import Member, member
from entrypoint.backup.junk_files import junk_members
from entrypoint.backup.layout import Volumes, is_derived, place_of
from entrypoint.backup.mailbox_folders import (
    MAIL,
    MAILDIR,
    SUBFOLDERS,
    MailboxFolders,
    is_still_folder,
)
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.state_files import link_member
from entrypoint.backup.tar_stream import MemberHead
from entrypoint.backup.volume_files import (
    BackupError,
    born,
    folder,
    is_folder,
    is_link,
    large_file,
    names_in,
    open_file,
    small_file,
)

_UIDS = "dovecot-uidlist"
_IMPORTED = "imported"
# The next import looks for what it brought between this reading and the one of the mail: the other
# order would lose what the record has and the mail here has not (mailbox_import/record.py).
_COPIED = b'{"folder":0,"copied":true}\n'
_LEAST, _PATIENT, _MOST = 2, 5, 20  # looks


class MailFiles:
    """One backup's look at all mailboxes. mail: with messages, or only what else accounts have."""

    def __init__(self, volumes: Volumes, notes: BackupNotes, *, mail: bool = True) -> None:
        self._volumes, self._notes, self._mail = volumes, notes, mail
        self._where = MailboxFolders(notes)
        # Digests: of folder and message, and of what a message is wherever it lies. A hundred
        # bytes a message.
        self._names: set[int] = set()
        self._inodes: set[int] = set()
        # How often beyond the first time, of the few that have several names.
        self._copies: Counter[int] = Counter()
        self._folders: set[str] = set()

    def members(self, began: float) -> Iterator[Member]:
        """Everything. began: Unix time from which on nobody has been promised anything.

        Raises BackupError, and OSError where the mail as a whole cannot be read.
        """
        top = self._volumes.data / "mail"
        if not top.is_dir():
            return
        yield Member(MemberHead(MAIL, "folder"))
        with folder(str(top)) as descriptor:
            for look in range(1, _MOST + 1):
                settled = True
                for path, home in self._where.homes(descriptor):
                    if look == 1:
                        yield from self._person(path, home)
                    if not self._mail:
                        continue
                    before = self._where.stamp(path, home)
                    for inner, maildir in self._where.maildirs(path, home):
                        yield from self._new_folders(inner)
                        for taken, since in self._messages(inner, maildir, first=look == 1):
                            settled = settled and since >= began
                            yield taken
                    if look < _PATIENT and self._where.stamp(path, home) != before:
                        settled = False
                if not self._mail or (look >= _LEAST and settled):
                    break
            else:
                raise BackupError("mail is moved faster than it can be read; try again later")
            if self._mail:
                for path, home in self._where.homes(descriptor):
                    for inner, maildir in self._where.maildirs(path, home):
                        yield from self._beside(inner, maildir)

    def _new_folders(self, path: str) -> Iterator[Member]:
        if path not in self._folders:
            self._folders.add(path)
            for inner in (path, *(f"{path}/{each}" for each in ("cur", "new", "tmp"))):
                yield Member(MemberHead(inner, "folder"))

    def _person(self, path: str, home: int) -> Iterator[Member]:
        """What an account has besides mail: Sieve scripts."""
        for parent in (path.rpartition("/")[0], path):
            if parent not in self._folders:
                self._folders.add(parent)
                yield Member(MemberHead(parent, "folder"))
        yield from self._files(path, home, skip=MAILDIR)

    def _files(self, path: str, parent: int, skip: str = "") -> Iterator[Member]:
        for name in names_in(parent):
            inner = f"{path}/{name}"
            place = place_of(inner)
            if name == skip or is_derived(inner):
                continue
            try:
                if is_link(name, parent):
                    if (link := link_member(inner, name, parent)) is not None:
                        yield self._other(link)
                    else:
                        self._where.note_left(inner)
                elif is_folder(name, parent):
                    if place is None or "folder" not in place.kinds:
                        self._where.note_left(inner)
                        continue
                    if place.mail:
                        yield from self._junk(path, parent)
                        continue
                    yield Member(MemberHead(inner, "folder"))
                    with folder(name, parent) as within:
                        yield from self._files(inner, within)
                elif place is None or "file" not in place.kinds:
                    self._where.note_left(inner)
                elif self._mail or not place.mail:
                    found = small_file(inner, name, parent)
                    if inner == f"{path}/{_IMPORTED}" and place.mail:
                        found = _whole_lines(found, _COPIED)
                    yield self._other(found)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._notes.failed(inner, error)

    def _junk(self, path: str, home: int) -> Iterator[Member]:
        """Beside mail, the one folder that is of no use without."""
        if self._mail:
            where = self._volumes.path(path)
            for found in junk_members(path, where, home, self._notes):
                yield found if found.head.kind == "folder" else self._other(found)

    def _other(self, found: Member) -> Member:
        self._notes.taken["other"] += 1
        return found

    def _messages(self, path: str, maildir: int, *, first: bool) -> Iterator[tuple[Member, float]]:
        """The messages of a folder that are not taken yet, and since when each is there."""
        for sub in SUBFOLDERS:
            with suppress(FileNotFoundError), folder(sub, maildir) as descriptor:
                for name in names_in(descriptor):
                    inner = f"{path}/{sub}/{name}"
                    # `name:2,flags`: what stands behind the colon changes.
                    key = hash((path, name.partition(":")[0]))
                    if key in self._names:
                        continue
                    if place_of(inner) is None:
                        self._where.note_left(inner)
                        continue
                    try:
                        taken = self._message(inner, name, descriptor, key, first=first)
                    except FileNotFoundError:
                        continue  # it has other flags now, or another folder: the next look
                    except OSError as error:
                        self._names.add(key)
                        self._notes.failed(inner, error)
                        continue
                    if taken is not None:
                        self._notes.taken["mail"] += 1
                        yield taken

    def _message(
        self, path: str, name: str, parent: int, key: int, *, first: bool
    ) -> tuple[Member, float] | None:
        """None for one that is in the archive from where it was before."""
        descriptor = open_file(name, parent)
        with _closed_unless_taken(descriptor) as taken:
            status = os.fstat(descriptor)
            what = hash((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
            known = what in self._inodes
            # One with more names than were taken is a copy, which its owner wants to have, too;
            # when folders are listed for the first time, each name is one that was there.
            moved = known and status.st_nlink <= (1 if first else 1 + self._copies[what])
            found = None if moved else large_file(path, descriptor)
            # The date of a message that a client has put in is of long ago. A copy of
            # what is in the archive asks for no further look.
            since = math.inf if known else born(descriptor) or status.st_mtime
            self._names.add(key)
            self._inodes.add(what)
            if found is None:
                return None
            if known:
                self._copies[what] += 1
            taken.append(found)
            return found, since

    def _beside(self, path: str, maildir: int) -> Iterator[Member]:
        """The few files beside messages."""
        for name in names_in(maildir):
            inner = f"{path}/{name}"
            place = place_of(inner)
            try:
                if place is None or "file" not in place.kinds:
                    if not is_derived(inner) and not is_still_folder(name, maildir):
                        self._where.note_left(inner)
                    continue
                found = small_file(inner, name, maildir)
                if name == _UIDS:
                    found = _whole_lines(found)
                yield self._other(found)
            except FileNotFoundError:
                continue
            except OSError as error:
                self._notes.failed(inner, error)


@contextmanager
def _closed_unless_taken(descriptor: int) -> Iterator[list[Member]]:
    """Whoever takes the file closes it."""
    taken: list[Member] = []
    try:
        yield taken
    finally:
        if not taken:
            os.close(descriptor)


def _whole_lines(found: Member, last: bytes = b"") -> Member:
    """What is appended to: the last line may be half of one. last: another one behind it."""
    text = b"".join(found.content)
    return member(found.head.name, text[: text.rfind(b"\n") + 1] + last, found.head.mtime)
