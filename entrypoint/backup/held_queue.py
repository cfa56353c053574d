"""The queue of a backup: it lies beside smtpd's own until somebody releases it.

What was in the queue then may have been delivered since, and is sent a second time. So nobody but
a person says when it goes. A message is moved with its envelopes at once, and smtpd, where it runs,
hears of it by `smtpctl discover`; where it does not, it finds the message when it starts.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from entrypoint import smtpctl
from entrypoint.backup.held import HELD, held_messages
from entrypoint.backup.restore import OwnerOf, owner_of
from entrypoint.backup.volume_files import folder, names_in, open_file
from entrypoint.files import naming
from entrypoint.paths import SPOOL
from entrypoint.smtpctl import SMTPCTL, SmtpctlError
from entrypoint.text import counted

_ENVELOPE = re.compile(r"[0-9a-f]{16}")
# What was moved, before smtpd has heard of it.
_MOVED = "moved"
_TIME = re.compile(rb"^ctime: \d+$", re.MULTILINE)
_LONGEST = 1 << 16  # bytes of an envelope
OWNER = "opensmtpq"


@dataclass(frozen=True)
class Released:
    """messages: how many went into the queue. left: the ids that are in use there, so that they
    stay held. running: whether smtpd runs, and has heard of them.
    """

    messages: int
    left: tuple[str, ...]
    running: bool


async def release(
    spool: Path = SPOOL,
    owner_of: OwnerOf = owner_of,
    command: Sequence[str] = SMTPCTL,
) -> Released:
    """Move what is held into the queue. Raises OSError, and SmtpctlError where smtpd runs and does
    not take it: it is in the queue then, and a second call announces it again.
    """
    with _alone(spool):
        return await _release(spool, owner_of, command)


async def _release(spool: Path, owner_of: OwnerOf, command: Sequence[str]) -> Released:
    running = await _runs(command)
    owner, moved, left = owner_of(OWNER), 0, []
    queue = spool / "queue"
    if not queue.is_dir():  # smtpd has never run here
        queue.mkdir(mode=0o700)
        os.chown(queue, owner[0], owner_of("root")[1])
    if running:
        await _announce_again(spool, command)
    for message in held_messages(spool):
        if (spool / "queue" / message[:2] / message).exists():
            left.append(message)
            continue
        _move(spool, message, owner)
        moved += 1
        if running:
            await smtpctl.run("discover", message, command=command)
            _forget(spool)
    _forget(spool)
    with suppress(OSError):
        (spool / HELD).rmdir()
    return Released(moved, tuple(left), running)


@contextmanager
def _alone(spool: Path) -> Iterator[None]:
    """Two at once would take each other's messages for those of the queue. Raises OSError."""
    path = spool / HELD
    if not path.is_dir():  # nothing is held
        yield
        return
    with folder(str(path)) as descriptor:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OSError(error.errno, "another release of it is at work", str(path)) from None
        yield


async def _runs(command: Sequence[str]) -> bool:
    try:
        await smtpctl.run("show", "stats", command=command)
    except SmtpctlError as error:
        if smtpctl.in_words(error) == smtpctl.NOT_RUNNING:
            return False
        raise
    return True


async def _announce_again(spool: Path, command: Sequence[str]) -> None:
    """Of what somebody moved who was killed before smtpd knew."""
    try:
        message = (spool / HELD / _MOVED).read_text("ascii")
    except FileNotFoundError:
        return
    known = {each.evpid[:8] for each in await smtpctl.show_queue(command)}
    if message not in known and (spool / "queue" / message[:2] / message).is_dir():
        await smtpctl.run("discover", message, command=command)
    _forget(spool)


def _forget(spool: Path) -> None:
    (spool / HELD / _MOVED).unlink(missing_ok=True)


def _move(spool: Path, message: str, owner: tuple[int, int]) -> None:
    held, bucket = spool / HELD / message, spool / "queue" / message[:2]
    bucket.mkdir(mode=0o700, exist_ok=True)
    os.chown(bucket, *owner)
    with folder(str(held)) as descriptor:
        # The longest names first: `.new` is gone before it is wanted.
        for name in sorted(names_in(descriptor), key=len, reverse=True):
            if _ENVELOPE.fullmatch(name):
                with naming(held / name):
                    _renew(name, descriptor, owner)
            elif name == "message":
                os.chown(name, *owner, dir_fd=descriptor, follow_symlinks=False)
            else:  # of a release that was cut off
                os.unlink(name, dir_fd=descriptor)
        os.fchown(descriptor, *owner)
        os.fsync(descriptor)
    with naming(spool / HELD / _MOVED):
        (spool / HELD / _MOVED).write_text(message, "ascii")
    held.rename(bucket / message)
    for path in (bucket, spool / HELD):
        with folder(str(path)) as descriptor:
            os.fsync(descriptor)


def _renew(name: str, parent: int, owner: tuple[int, int]) -> None:
    """The time that mail is tried for begins anew: else smtpd gives up what is four days old."""
    with os.fdopen(open_file(name, parent), "rb") as stream:
        text = stream.read(_LONGEST)
    new = f"{name}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(_TIME.sub(b"ctime: %d" % int(time.time()), text, count=1))
        stream.flush()
        os.fchown(stream.fileno(), *owner)
        os.fsync(stream.fileno())
    os.rename(new, name, src_dir_fd=parent, dst_dir_fd=parent)


def lines(released: Released) -> Iterator[str]:
    """What was done, for a person."""
    yield f"{counted(released.messages, 'message')} moved into the queue: mail may go out twice"
    if released.messages and not released.running:
        yield "smtpd does not run in this container; it sends them when it starts"
    for message in released.left:
        yield f"{message} stays held: the queue has another message of that id; try again later"
