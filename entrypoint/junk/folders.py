"""An account's Maildir as it lies on the disk: its folders, and the messages' names and flags.

Whoever owns the mail may have put anything there, so no link is followed, and nothing is opened
that could be waited for. Dovecot is not asked.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from entrypoint.junk.digest import READ

INBOX = ""
# Marks: what somebody has said of a message, as far as it counts here. Numbers, as they are many.
SEEN, ANSWERED, MARKED_SPAM, MARKED_HAM, DELETED = 1, 2, 4, 8, 16
# Of an account with more nothing is learned: a look would take memory and seconds.
MOST_MESSAGES = 300_000
MOST_FOLDERS = 2_000

_SPAM_WORDS = {"$junk", "junk"}
_HAM_WORDS = {"$notjunk", "notjunk", "nonjunk"}


@dataclass(frozen=True)
class Folder:
    """name: as its directory, "" for INBOX. stamp: differs as soon as anything in it does."""

    name: str
    inode: int
    stamp: str
    changed: float  # Unix time


@dataclass(frozen=True, slots=True)
class Listed:
    """A message in a folder. path: below the folder."""

    path: str
    inode: int
    marks: int


@dataclass(frozen=True, slots=True)
class Times:
    """Of a message's file: when its name was made, and it was written, and changed at all."""

    named: float
    written: float
    changed: float
    written_ns: int


class TooManyError(Exception):
    """A folder or account has more than is looked at."""


def key_of(file_name: str) -> int:
    """A number for a message's name without its flags: Dovecot leaves it when it moves one."""
    base = file_name.partition(":")[0].encode("utf-8", "surrogateescape")
    return int.from_bytes(hashlib.blake2b(base, digest_size=8).digest(), "big", signed=True)


@contextmanager
def maildir(home: Path) -> Iterator[OpenMaildir | None]:
    """The Maildir in a home; None where there is none. Raises OSError."""
    try:
        descriptor = os.open(home / "Maildir", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        yield None
        return
    try:
        yield OpenMaildir(descriptor)
    finally:
        os.close(descriptor)


class OpenMaildir:
    """One that is open."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def folders(self) -> list[Folder]:
        """All of them, INBOX first. Raises OSError and TooManyError."""
        found = [INBOX]
        with os.scandir(self._descriptor) as entries:
            # Dovecot renames a folder to `..` and more before it removes it.
            for entry in entries:
                if (
                    entry.name.startswith(".")
                    and _is_text(entry.name)
                    and not entry.name.startswith("..")
                    and entry.is_dir(follow_symlinks=False)
                ):
                    found.append(entry.name)
        if len(found) > MOST_FOLDERS:
            raise TooManyError(
                f"it has {len(found)} folders, and may have {MOST_FOLDERS}; remove some"
            )
        return [folder for name in found if (folder := self._folder(name)) is not None]

    def entries(self, name: str) -> dict[int, Listed]:
        """The messages of a folder, by their keys. Raises OSError and TooManyError."""
        letters = self._letters(name)
        marks_of: dict[str, int] = {}
        found: dict[int, Listed] = {}
        for sub in ("new", "cur"):
            with self._open_folder(name, sub) as folder:
                if folder is None:
                    continue
                with os.scandir(folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or not _is_text(entry.name):
                            continue
                        flags = entry.name.partition(":2,")[2]
                        if (marks := marks_of.get(flags)) is None:
                            marks = marks_of[flags] = _marks(flags, letters)
                        path = f"{sub}/{entry.name}"
                        found[key_of(entry.name)] = Listed(path, entry.inode(), marks)
                        if len(found) > MOST_MESSAGES:
                            raise TooManyError(
                                f"{name or 'INBOX'} has more than {MOST_MESSAGES} messages;"
                                " move some to other folders"
                            )
        return found

    def times(self, name: str, entry: Listed) -> Times | None:
        """None for what is no message, or gone."""
        sub, _, file_name = entry.path.partition("/")
        with self._open_folder(name, sub) as folder:
            if folder is None:
                return None
            try:
                status = os.stat(file_name, dir_fd=folder, follow_symlinks=False)
            except OSError:
                return None
        if not stat.S_ISREG(status.st_mode):
            return None
        return Times(named_at(file_name), status.st_mtime, status.st_ctime, status.st_mtime_ns)

    def read(self, name: str, entry: Listed) -> bytes | None:
        """A message, as far as it counts; None for what is none, or gone. Raises OSError."""
        sub, _, file_name = entry.path.partition("/")
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        with self._open_folder(name, sub) as folder:
            if folder is None:
                return None
            try:
                descriptor = os.open(file_name, flags, dir_fd=folder)
            except OSError:  # renamed meanwhile, a link, a socket, another's
                return None
        with os.fdopen(descriptor, "rb") as stream:
            status = os.fstat(descriptor)
            return stream.read(READ) if stat.S_ISREG(status.st_mode) else None

    def _folder(self, name: str) -> Folder | None:
        times = []
        inode = 0
        for sub in ("cur", "new"):
            try:
                status = os.stat(
                    f"{name or '.'}/{sub}", dir_fd=self._descriptor, follow_symlinks=False
                )
            except OSError:
                return None
            times.append(status.st_mtime_ns)
            inode = inode or status.st_ino  # cur's
        return Folder(name, inode, f"{inode} {times[0]} {times[1]}", max(times) / 1e9)

    @contextmanager
    def _open_folder(self, name: str, sub: str) -> Iterator[int | None]:
        """`cur` or `new` of a folder; None where there is none."""
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
        opened: list[int] = []
        with contextlib.ExitStack() as close:
            try:
                at = self._descriptor
                for step in (name or ".", sub):
                    at = os.open(step, flags, dir_fd=at)
                    close.callback(os.close, at)
                opened.append(at)
            except OSError:
                opened.clear()
            yield opened[0] if opened else None

    def _letters(self, name: str) -> dict[str, int]:
        """What the small letters of a folder's file names mean: `dovecot-keywords` says it."""
        flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        try:
            descriptor = os.open(f"{name or '.'}/dovecot-keywords", flags, dir_fd=self._descriptor)
        except OSError:
            return {}
        with os.fdopen(descriptor, "rb") as stream:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return {}
            lines = stream.read(65536).decode("utf-8", "replace").splitlines()
        found: dict[str, int] = {}
        for line in lines:
            number, _, word = line.partition(" ")
            if not (number.isascii() and number.isdigit() and int(number) < 26):
                continue
            if word.lower() in _SPAM_WORDS:
                found[chr(ord("a") + int(number))] = MARKED_SPAM
            elif word.lower() in _HAM_WORDS:
                found[chr(ord("a") + int(number))] = MARKED_HAM
        return found


def _is_text(name: str) -> bool:
    """Not of bytes that are no text, which Dovecot writes in no name."""
    return name.isascii() or not any("\udc80" <= char <= "\udcff" for char in name)


_FLAGS = {"S": SEEN, "R": ANSWERED, "T": DELETED}


def _marks(flags: str, letters: dict[str, int]) -> int:
    marks = 0
    for letter in flags:
        marks |= _FLAGS.get(letter, 0) or letters.get(letter, 0)
    return marks


def named_at(file_name: str) -> float:
    """The time in a file's name, in which Dovecot writes microseconds, too; 0 for none."""
    seconds, _, rest = file_name.partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) < 13):
        return 0.0
    micro = rest[1:].partition("P")[0] if rest.startswith("M") else ""
    exact = int(micro) / 1e6 if micro.isascii() and micro.isdigit() and len(micro) < 7 else 0.0
    return int(seconds) + exact
