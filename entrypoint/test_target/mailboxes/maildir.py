"""One Maildir: its files made, listed, flagged and removed. It knows no store.

Dovecot works on the same files as the same user, as its `mail_uid` says.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_DIRECTORY_MODE = 0o700
_FILE_MODE = 0o600
_PARTS = ("cur", "new", "tmp")  # a Maildir with `cur` is one to Dovecot, so all the rest is earlier
_FLAGS = ":2,"
SEEN = "S"


@dataclass(frozen=True)
class MailFile:
    """path: below the Maildir, such as `.Junk/cur/NAME:2,S`."""

    path: str

    @property
    def name(self) -> str:
        """Without flags: it stays when they change."""
        return self.path.rpartition("/")[2].partition(_FLAGS)[0]

    @property
    def flags(self) -> str:
        """Letters; those of a file in `new` are none."""
        return self.path.partition(_FLAGS)[2]

    @property
    def seen(self) -> bool:
        """Whether a client has."""
        return SEEN in self.flags

    def with_seen(self, seen: bool) -> MailFile:
        """The same file with the flag, or without; it is in `cur` then."""
        flags = set(self.flags) - {SEEN} | ({SEEN} if seen else set())
        folder = self.path.rpartition("/")[0].rpartition("/")[0]
        place = f"{folder}/cur" if folder else "cur"
        return MailFile(f"{place}/{self.name}{_FLAGS}{''.join(sorted(flags))}")


@dataclass(frozen=True)
class FileIdentity:
    """What all names (hard links) of a file have in common."""

    inode: int
    mtime: int  # nanoseconds


class Maildir:
    """root: of all mail. maildir: the mailbox's folder below it."""

    def __init__(self, root: Path, maildir: str) -> None:
        self._root = root
        self._home = root / maildir
        self.path = self._home / "Maildir"

    def has_folder(self, directory: str) -> bool:
        """directory: "" is INBOX."""
        return (self.path / directory / "cur").is_dir()

    def make(self, directory: str = "") -> None:
        """Whatever of it there is not. Raises OSError."""
        for path in (self._home.parent, self._home, self.path):
            _make_directory(path)
        folder = self.path / directory
        if directory:
            _make_directory(folder)
            _make_file(folder / "maildirfolder")
        for part in reversed(_PARTS):
            _make_directory(folder / part)

    def write(self, directory: str, name: str, content: bytes, mtime: int) -> FileIdentity:
        """A message that nobody has seen a part of: it is in `new` when it is whole.

        Raises OSError, FileNotFoundError where the folder is not there.
        """
        folder = self.path / directory
        temporary = folder / "tmp" / name
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, _FILE_MODE)
        try:
            _write_all(file, content)
            os.utime(file, ns=(mtime, mtime))
            status = os.fstat(file)
            temporary.rename(folder / "new" / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        finally:
            os.close(file)
        return FileIdentity(status.st_ino, status.st_mtime_ns)

    def paths(self, directory: str | None = None) -> Iterator[str]:
        """Of all files, or of one folder's. None where it is not there."""
        for folder in self.folders() if directory is None else [directory]:
            # Files go from new to cur: in this order none is missed.
            for part in ("new", "cur"):
                place = f"{folder}/{part}" if folder else part
                for name in _names(self.path / place):
                    yield f"{place}/{name}"

    def folders(self) -> list[str]:
        """Their directories, "" for INBOX. What Dovecot is about to remove is none."""
        return ["", *(name for name in _names(self.path, hidden=True) if name[:2] != "..")]

    def identity(self, file: MailFile) -> FileIdentity | None:
        """None where it is not there, or is no file."""
        try:
            status = os.lstat(self.path / file.path)
        except OSError:
            return None
        return FileIdentity(status.st_ino, status.st_mtime_ns)

    def rename(self, old: MailFile, new: MailFile) -> bool:
        """Whether the old one was there."""
        try:
            (self.path / old.path).rename(self.path / new.path)
        except FileNotFoundError:
            return False
        return True

    def remove(self, file: MailFile) -> bool:
        """Whether it was there."""
        try:
            (self.path / file.path).unlink()
        except FileNotFoundError:
            return False
        return True

    def remove_unfinished(self) -> None:
        """What a process that was killed had begun to write."""
        for folder in self.folders():
            for name in _names(self.path / folder / "tmp"):
                if is_ours(name):
                    (self.path / folder / "tmp" / name).unlink(missing_ok=True)


def file_name(received: int, seq: int, copy: int, identity: str, sizes: str) -> str:
    """The same for the same copy whenever it is made; Dovecot sorts by time (nanoseconds here)."""
    seconds, rest = divmod(received, 10**9)
    return f"{seconds}.M{rest // 1000:06d}P{seq}Q{copy}.{identity}.signpost{sizes}"


def is_ours(name: str) -> bool:
    """Whether a name was made by `file_name`."""
    return ".signpost" in name


def is_text(name: str) -> bool:
    """Whether it is UTF-8, as all names that Dovecot or this makes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def maildirs(root: Path) -> Iterator[str]:
    """All that there are below it, as DOMAIN/LOCAL."""
    for domain in _names(root):
        for local in _names(root / domain):
            if (root / domain / local / "Maildir").is_dir():
                yield f"{domain}/{local}"


def _names(path: Path, *, hidden: bool = False) -> list[str]:
    """Files and directories; those whose names begin with a dot, or the others."""
    try:
        # A Path for each of 100,000 files would take most of the time.
        names = os.listdir(path)  # noqa: PTH208
        return [name for name in names if name.startswith(".") == hidden and is_text(name)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(_DIRECTORY_MODE)
    except FileExistsError:
        return


def _make_file(path: Path) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, _FILE_MODE))


def _write_all(file: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(file, view) :]
