"""Mailboxes, while mail comes, is read, flagged, moved and removed.

A message has one name in a folder from its delivery on, but for the flags behind it, and one inode
wherever it is moved to. All folders are listed again until nothing is found that was there when the
first list began: what moved from a folder that was not read yet into one that was is found then.
Names of keywords and numbers of messages are read last, so that they are of all that was taken.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from entrypoint.backup.archive import Member, member
from entrypoint.backup.layout import Volumes, is_derived, place_of
from entrypoint.backup.state_files import link_member
from entrypoint.backup.tar_stream import MemberHead
from entrypoint.backup.volume_files import (
    BackupError,
    BackupNotes,
    folder,
    is_folder,
    is_link,
    large_file,
    names_in,
    open_file,
    small_file,
)

_MAIL, _MAILDIR, _UIDS = "data/mail", "Maildir", "dovecot-uidlist"
_SUBFOLDERS = ("new", "cur")  # in the order that a message goes
_LEAST, _MOST = 2, 20


class MailFiles:
    """One backup's look at all mailboxes. mail: with messages, or only what else people have."""

    def __init__(self, volumes: Volumes, notes: BackupNotes, *, mail: bool = True) -> None:
        self._volumes, self._notes, self._mail = volumes, notes, mail
        # Digests: of folder and message, and of what a message is wherever it lies. A hundred
        # bytes a message.
        self._names: set[int] = set()
        self._inodes: set[int] = set()
        self._folders: set[str] = set()

    def members(self, began: float) -> Iterator[Member]:
        """Everything. began: Unix time from which on nobody has been promised anything.

        Raises BackupError, and OSError where the mail as a whole cannot be read.
        """
        top = self._volumes.data / "mail"
        if not top.is_dir():
            return
        yield Member(MemberHead(_MAIL, "folder"))
        with folder(str(top)) as descriptor:
            for look in range(1, _MOST + 1):
                settled = True
                for path, home in self._homes(descriptor):
                    if look == 1:
                        yield from self._person(path, home)
                    if not self._mail:
                        continue
                    for inner, maildir in self._maildirs(path, home):
                        yield from self._new_folders(inner)
                        for taken, old in self._messages(inner, maildir, began, first=look == 1):
                            settled = settled and not old
                            yield taken
                if not self._mail or (look >= _LEAST and settled):
                    break
            else:
                raise BackupError("mail is moved faster than it can be read; try again later")
            if self._mail:
                for path, home in self._homes(descriptor):
                    for inner, maildir in self._maildirs(path, home):
                        yield from self._beside(inner, maildir)

    # -- where it lies ----------------------------------------------------------------------

    def _homes(self, top: int) -> Iterator[tuple[str, int]]:
        """`data/mail/DOMAIN/NAME` of each account, opened."""
        for domain in names_in(top):
            for path, descriptor in self._opened(_MAIL, domain, top):
                for local in names_in(descriptor):
                    yield from self._opened(path, local, descriptor)

    def _maildirs(self, path: str, home: int) -> Iterator[tuple[str, int]]:
        """The inbox and each folder, opened."""
        for inner, maildir in self._opened(path, _MAILDIR, home):
            yield inner, maildir
            for name in names_in(maildir):
                if name.startswith(".") and _is_there(name, maildir, folder_only=True):
                    yield from self._opened(inner, name, maildir)

    def _opened(self, path: str, name: str, parent: int) -> Iterator[tuple[str, int]]:
        """A folder, if it is one of ours."""
        inner = f"{path}/{name}"
        if is_derived(inner):
            return
        try:
            place = place_of(inner)
            if place is None or "folder" not in place.kinds:
                self._note_left(inner)
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

    def _note_left(self, path: str) -> None:
        self._note(path, self._notes.left)

    @staticmethod
    def _note(path: str, notes: list[str]) -> None:
        """Once, in whichever look."""
        if path not in notes:
            notes.append(path)

    def _new_folders(self, path: str) -> Iterator[Member]:
        if path not in self._folders:
            self._folders.add(path)
            for inner in (path, *(f"{path}/{each}" for each in ("cur", "new", "tmp"))):
                yield Member(MemberHead(inner, "folder"))

    # -- what it is -------------------------------------------------------------------------

    def _person(self, path: str, home: int) -> Iterator[Member]:
        """What an account has besides mail: Sieve scripts."""
        for parent in (path.rpartition("/")[0], path):
            if parent not in self._folders:
                self._folders.add(parent)
                yield Member(MemberHead(parent, "folder"))
        yield from self._files(path, home, skip=_MAILDIR)

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
                        self._note_left(inner)
                elif is_folder(name, parent):
                    if place is None or "folder" not in place.kinds:
                        self._note_left(inner)
                        continue
                    yield Member(MemberHead(inner, "folder"))
                    with folder(name, parent) as within:
                        yield from self._files(inner, within)
                elif place is None or "file" not in place.kinds:
                    self._note_left(inner)
                elif self._mail or not place.mail:
                    yield self._other(small_file(inner, name, parent))
            except FileNotFoundError:
                continue
            except OSError as error:
                self._notes.failed(inner, error)

    def _other(self, found: Member) -> Member:
        self._notes.taken["other"] += 1
        return found

    def _messages(
        self, path: str, maildir: int, began: float, *, first: bool
    ) -> Iterator[tuple[Member, bool]]:
        """The messages of a folder that are not taken yet, and whether one should have been."""
        for sub in _SUBFOLDERS:
            with suppress(FileNotFoundError), folder(sub, maildir) as descriptor:
                for name in names_in(descriptor):
                    inner = f"{path}/{sub}/{name}"
                    # `name:2,flags`: what stands behind the colon changes.
                    key = hash((path, name.partition(":")[0]))
                    if key in self._names:
                        continue
                    if place_of(inner) is None:
                        self._note_left(inner)
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
                        yield taken, not first and taken.head.mtime < began

    def _message(
        self, path: str, name: str, parent: int, key: int, *, first: bool
    ) -> Member | None:
        """None for one that is in the archive from where it was before."""
        descriptor = open_file(name, parent)
        with _closed_unless_taken(descriptor) as taken:
            status = os.fstat(descriptor)
            what = hash((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
            # One that has several names is a copy, which a person wants to have, too.
            moved = what in self._inodes and (not first or status.st_nlink == 1)
            found = None if moved else large_file(path, descriptor)
            self._names.add(key)
            self._inodes.add(what)
            if found is not None:
                taken.append(found)
            return found

    def _beside(self, path: str, maildir: int) -> Iterator[Member]:
        """The few files beside messages."""
        for name in names_in(maildir):
            inner = f"{path}/{name}"
            place = place_of(inner)
            try:
                if place is None or "file" not in place.kinds:
                    if not is_derived(inner) and not _is_there(name, maildir, folder_only=True):
                        self._note_left(inner)
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


def _whole_lines(found: Member) -> Member:
    """Dovecot appends to the list: the last line may be half of one."""
    text = b"".join(found.content)
    return member(found.head.name, text[: text.rfind(b"\n") + 1], found.head.mtime)


def _is_there(name: str, parent: int, *, folder_only: bool) -> bool:
    try:
        mode = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(mode) or not folder_only
