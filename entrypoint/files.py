"""Files and folders: written whole, owned by one user, locked by one process.

Root acts as another user for moments: without DAC_OVERRIDE it may not read others' files. The
whole process changes its effective user then, which does not go with threads that use files.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import shutil
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.paths import PORTS as PORTS
from entrypoint.paths import RUN as RUN
from entrypoint.paths import WEB as WEB


def own_folder(path: Path, owner: str, group: str, mode: int) -> None:
    """Make the folder if it is not there, and give it this owner and mode. Raises OSError.

    One that is right already is left alone: it may lie on a disk that takes nothing.
    """
    if not path.is_dir():
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    status = path.stat()
    if stat.S_IMODE(status.st_mode) != mode:
        path.chmod(mode)
    if (status.st_uid, status.st_gid) != numbers(owner, group):
        shutil.chown(path, owner, group)


def numbers(user: str, group: str) -> tuple[int, int]:
    """Their numbers. Raises KeyError where there is no such user or group."""
    return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid


def claim_tree(path: Path, user: str, group: str) -> bool:
    """Give the tree to its owner if its top is somebody else's; whether it was.

    Nothing happens where there is no such path. Raises OSError.
    """
    uid, gid = numbers(user, group)
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    if (status.st_uid, status.st_gid) == (uid, gid):
        return False
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder, name), uid, gid, follow_symlinks=False)
    # Last: a walk that was cut off begins again at the next start.
    os.chown(path, uid, gid, follow_symlinks=False)
    return True


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Inside, files are opened and made as the user."""
    account = pwd.getpwnam(user)
    before = os.geteuid(), os.getegid()
    if before == (account.pw_uid, account.pw_gid):
        yield
        return
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])


def become(user: str) -> None:
    """Be the user from now on, for good, if this is root: for what reads strangers' bytes."""
    if os.geteuid() != 0:
        return
    account = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)


_LOCKED_WITHIN = 10.0  # seconds
# Who learns from old mail has a lock all the time, but for a millisecond after each message.
_LOOK_EVERY = 0.002


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep every other process from entering. The system ends it with this process.

    A disk that takes nothing is no hindrance to those who only read. Raises OSError, also where
    another process is inside for ten seconds: it may be stopped.
    """
    descriptor = _opened(path)
    try:
        if not has_lock(descriptor, _LOCKED_WITHIN):
            why = "another command has been at work for ten seconds; see if it is stopped"
            raise OSError(errno.EWOULDBLOCK, why, str(path))
        yield
    finally:
        os.close(descriptor)


def has_lock(descriptor: int, seconds: float) -> bool:
    """Wait for the lock of an open file; whether this process has it. It goes with the descriptor.

    Raises OSError.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_EVERY)
        else:
            return True


def is_at(path: Path, descriptor: int) -> bool:
    """Whether what is open there is still what stands at the path, and was not removed since."""
    try:
        status = path.stat(follow_symlinks=False)
    except OSError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (status.st_dev, status.st_ino)


def _opened(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        if error.errno not in (errno.EROFS, errno.ENOSPC, errno.EDQUOT):
            raise
    # As good as the file, which is there unless nothing was ever written here.
    where = path if path.exists() else path.parent
    return os.open(where, os.O_RDONLY | os.O_CLOEXEC)


def write_file(path: Path, content: bytes, owner: str, group: str, mode: int) -> None:
    """Write atomically: the file is never there with the wrong owner, mode or half its content.

    One that is right already is left alone: that needs no room. Raises OSError with its path.
    """
    if _is_right(path, content, owner, group, mode):
        return
    with naming(path):
        _replace(path, content, owner, group, mode)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """OSErrors inside have this path.

    The error of a write names no file, and one of a temporary file not what is missing.
    """
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error


def _be_seen_to_change(new: Path, old: Path) -> None:
    """Dovecot looks at the whole seconds of a file's time: a second change within one is lost."""
    with contextlib.suppress(FileNotFoundError):
        before = int(old.stat().st_mtime)
        if int(new.stat().st_mtime) <= before:
            os.utime(new, (before + 1, before + 1))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlast a loss of power: a file's own fsync does not.

    Raises OSError.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_right(path: Path, content: bytes, owner: str, group: str, mode: int) -> bool:
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as stream:
            status = os.fstat(stream.fileno())
            return (
                stat.S_ISREG(status.st_mode)
                and stat.S_IMODE(status.st_mode) == mode
                and (status.st_uid, status.st_gid) == numbers(owner, group)
                and status.st_size == len(content)
                and stream.read() == content
            )
    except OSError:
        return False


def _replace(path: Path, content: bytes, owner: str, group: str, mode: int) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)  # left by a start that was killed
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(mode)
        shutil.chown(temporary, owner, group)
        _be_seen_to_change(temporary, path)
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
