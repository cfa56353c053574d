"""Mail that was copied in as root, or as somebody else, is given to vmail, whose all mail is.

Looked at are the folders and the few files that stand beside messages; a folder that has another
owner is taken over with all that it holds. So the look at a million messages costs nothing. A
single message among others is found when Dovecot says that it may not read it (`denied`).

Root acts in folders that vmail may change meanwhile: so everything is opened within the folder
that it was found in, no link is followed, nothing is taken over that has a second name (it may be
a file of others') or lies on a mount of its own. While nothing of vmail's runs, a message that
has several names, as copies between folders have, is taken over where all of them are in the mail.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.disks import VMAIL, explained
from entrypoint.files import numbers
from entrypoint.log_line import LogLine
from entrypoint.mounts import MOUNTINFO, mount_roots
from entrypoint.paths import MAIL
from entrypoint.text import counted, printable

_MESSAGES = frozenset({"cur", "new", "tmp"})
# mail/DOMAIN/NAME/Maildir/.FOLDER/cur is 5: what lies deeper is no mail of ours.
_DEEPEST = 8
_MOUNTS = MOUNTINFO
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# `mailbox_list_storage_escape_char` of dovecot.conf, before the two hex digits of a byte.
_ESCAPE = "\x7f"
_MOST_LINES = 10
_LONGEST_SUBSCRIPTIONS = 1 << 20  # bytes


@dataclass
class Claimed:
    """taken: how many files and folders, by what they lie under: `DOMAIN/NAME`.

    left: what is not vmail's and stays so, and why; the first of each mailbox.
    """

    taken: Counter[str] = field(default_factory=Counter)
    left: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[LogLine]:
        """What was taken, for the log."""
        taken = sorted(self.taken.items())
        if len(taken) > _MOST_LINES:
            taken = [(f" ({len(taken)} mailboxes)", self.taken.total())]
        return [
            LogLine("warning", f"{MAIL / printable(name)}: now vmail's: {counted(number, 'file')}")
            for name, number in taken
        ]


def claim_mail(top: Path = MAIL, *, alone: bool = False, whole: Collection[str] = ()) -> Claimed:
    """Give to vmail what is not its own.

    alone: nothing of vmail's runs. whole: the mailboxes (`DOMAIN/NAME`) of which each message is
    looked at. Raises KeyError where there is no such user; no OSError but for `top` itself.
    """
    return _Claim(top, alone, frozenset(whole)).run()


@dataclass
class _Linked:
    """A file of several names: how many of them it has, and those that were found."""

    count: int
    found: list[tuple[str, ...]] = field(default_factory=list)


class _Claim:
    def __init__(self, top: Path, alone: bool, whole: frozenset[str]) -> None:
        self._top, self._alone, self._whole = top, alone, whole
        self._uid, self._gid = numbers(VMAIL, VMAIL)
        self._mounts = _mounts_below(top)
        self._linked: dict[tuple[int, int], _Linked] = {}
        self._claimed = Claimed()

    def run(self) -> Claimed:
        descriptor = os.open(self._top, _FOLDER)
        try:
            self._folder_and_all(descriptor, (), deep=False)
        finally:
            os.close(descriptor)
        for linked in self._linked.values():
            for where in linked.found:
                self._take_linked(linked, where)
        return self._claimed

    def _folder_and_all(self, descriptor: int, where: tuple[str, ...], *, deep: bool) -> None:
        """deep: whether messages are looked at, each of them."""
        foreign = os.fstat(descriptor).st_uid != self._uid
        self._contents(descriptor, where, deep=deep or foreign)
        # Last: what is cut off before begins again.
        self._take(descriptor, where)

    def _contents(self, descriptor: int, where: tuple[str, ...], *, deep: bool) -> None:
        if len(where) == 2 and "/".join(where) in self._whole:
            deep = True
        if where and where[-1] in _MESSAGES and not deep:
            return
        if where and where[-1] == "Maildir":
            self._escape_names(descriptor, where)
        with os.scandir(descriptor) as entries:
            for entry in entries:
                try:
                    self._entry(descriptor, (*where, entry.name), entry, deep=deep)
                except FileNotFoundError:  # moved meanwhile
                    continue
                except OSError as error:
                    self._leave((*where, entry.name), explained(error))

    def _entry(
        self, parent: int, where: tuple[str, ...], entry: os.DirEntry[str], *, deep: bool
    ) -> None:
        if entry.is_dir(follow_symlinks=False):
            if len(where) > _DEEPEST:
                return
            if self._path(where) in self._mounts:
                if entry.stat(follow_symlinks=False).st_uid != self._uid:
                    self._leave(where, "it is a mount of its own")
                return
            descriptor = os.open(entry.name, _FOLDER, dir_fd=parent)
            try:
                self._folder_and_all(descriptor, where, deep=deep)
            finally:
                os.close(descriptor)
        elif entry.is_file(follow_symlinks=False):
            if entry.stat(follow_symlinks=False).st_uid == self._uid:
                return
            descriptor = os.open(entry.name, _FILE, dir_fd=parent)
            try:
                self._take(descriptor, where)
            finally:
                os.close(descriptor)

        elif entry.is_symlink() and self._alone:
            # By its name, as no link can be opened; while vmail's programs run it may be swapped.
            status = entry.stat(follow_symlinks=False)
            if status.st_uid != self._uid and status.st_nlink == 1:
                os.chown(entry.name, self._uid, self._gid, dir_fd=parent, follow_symlinks=False)
                self._claimed.taken["/".join(where[:2])] += 1

    def _take(self, descriptor: int, where: tuple[str, ...]) -> None:
        """It is vmail's then, unless it has several names."""
        status = os.fstat(descriptor)
        if status.st_uid == self._uid:
            return
        if stat.S_ISREG(status.st_mode) and status.st_nlink != 1:
            key = (status.st_dev, status.st_ino)
            linked = self._linked.setdefault(key, _Linked(status.st_nlink))
            linked.found.append(where)
        else:
            self._chown(descriptor, status, where)

    def _take_linked(self, linked: _Linked, where: tuple[str, ...]) -> None:
        if not self._alone or linked.count != len(linked.found):
            why = f"one file of {linked.count} names, which a start takes over if all are mail"
            self._leave(where, why)
            return
        with contextlib.suppress(FileNotFoundError):
            # Nobody is there who could change the way to it.
            descriptor = os.open(self._path(where), _FILE)
            try:
                status = os.fstat(descriptor)
                if status.st_uid != self._uid and stat.S_ISREG(status.st_mode):
                    self._chown(descriptor, status, where)
            finally:
                os.close(descriptor)

    def _chown(self, descriptor: int, status: os.stat_result, where: tuple[str, ...]) -> None:
        os.fchown(descriptor, self._uid, self._gid)
        needed = stat.S_IRWXU if stat.S_ISDIR(status.st_mode) else stat.S_IRUSR | stat.S_IWUSR
        mode = stat.S_IMODE(status.st_mode) & 0o777 | needed
        if mode != stat.S_IMODE(status.st_mode):
            os.fchmod(descriptor, mode)
        self._claimed.taken["/".join(where[:2])] += 1

    def _leave(self, where: tuple[str, ...], why: str) -> None:
        path = printable(str(self._path(where)))
        text = f"{path} is not vmail's: {why}; if it is mail, `chown -R vmail:vmail` it"
        self._claimed.left.setdefault("/".join(where[:2]), text)

    def _path(self, where: tuple[str, ...]) -> Path:
        return self._top.joinpath(*where)

    def _escape_names(self, descriptor: int, where: tuple[str, ...]) -> None:
        """Folders within folders that begin with `~`, as other versions and servers write them."""
        try:
            for name in _unescaped(descriptor):
                os.rename(name, _escaped(name), src_dir_fd=descriptor, dst_dir_fd=descriptor)
            if self._alone:
                self._escape_subscriptions(descriptor)
        except OSError as error:
            self._leave(where, f"a folder's name cannot be changed: {explained(error)}")

    def _escape_subscriptions(self, descriptor: int) -> None:
        """The same names in the list that Dovecot keeps of subscribed folders."""
        try:
            with os.fdopen(os.open("subscriptions", _FILE, dir_fd=descriptor), "rb") as stream:
                content = stream.read(_LONGEST_SUBSCRIPTIONS)
        except FileNotFoundError:
            return
        changed = content.replace(b"\t~", b"\t" + _tilde().encode())
        if changed == content or len(content) == _LONGEST_SUBSCRIPTIONS:
            return
        new = "subscriptions.signpost"
        with contextlib.suppress(FileNotFoundError):
            os.unlink(new, dir_fd=descriptor)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(os.open(new, flags, 0o600, dir_fd=descriptor), "wb") as stream:
            stream.write(changed)
            os.fchown(stream.fileno(), self._uid, self._gid)
        os.rename(new, "subscriptions", src_dir_fd=descriptor, dst_dir_fd=descriptor)


def _tilde() -> str:
    return f"{_ESCAPE}{ord('~'):02x}"


def _unescaped(maildir: int) -> list[str]:
    return [name for name in os.listdir(maildir) if name.startswith(".") and ".~" in name]


def _escaped(name: str) -> str:
    return name.replace(".~", f".{_tilde()}")


def _mounts_below(top: Path) -> frozenset[Path]:
    """Mount points within the folder; no mail of ours is in one."""
    with contextlib.suppress(OSError):
        points = map(Path, mount_roots(_MOUNTS))
        return frozenset(each for each in points if each != top and each.is_relative_to(top))
    return frozenset()
