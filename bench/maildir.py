"""A Maildir with many messages, as Dovecot's LMTP would have left it, and a twin of it.

It must not know which server reads it.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

from bench.messages import plain

_OWNER = "vmail"
_HOST = "0a1b2c3d4e5f"  # a container's
_INDEXES = ("dovecot.index*", "dovecot.list.index*", "dovecot-uidlist*", "dovecot-keywords*")


def subject(number: int) -> str:
    """What nobody else's Subject holds."""
    return f"minutes number {number:06} of"


def word(number: int) -> str:
    """What nobody else's body holds."""
    return f"needle{number:06}"


def fill(maildir: Path, count: int, size: int, sender: str) -> None:
    """Write `count` messages that have been read, the newest last. Sizes are bytes with CRLF.

    The names tell the sizes, as Dovecot's own do; smtpd's do not, and then Dovecot has to read
    every message once to know what a quota needs. Microsecond and process are by chance, as in
    life: where digits of one follow those of another, Dovecot's hash of names takes all for one.
    """
    chance = random.Random(count)
    for folder in ("cur", "new", "tmp"):
        (maildir / folder).mkdir(parents=True, exist_ok=True)
    text = plain(size, sender)
    for number in range(count):
        data = text.replace(b"The minutes of", b"The " + subject(number).encode(), 1)
        data += word(number).encode() + b"\r\n"
        # Maildirs have LF: S is the file's size, W what goes over the wire.
        stored = data.replace(b"\r\n", b"\n")
        instant = f"{1_750_000_000 + 60 * number}.M{chance.randrange(1_000_000)}"
        name = f"{instant}P{chance.randrange(2, 30_000)}.{_HOST},S={len(stored)},W={len(data)}:2,S"
        (maildir / "cur" / name).write_bytes(stored)
    _own(maildir.parent)


def twin(maildir: Path, other: Path) -> None:
    """The same messages for another server: links, so that both read the same cached bytes."""
    shutil.copytree(maildir, other, copy_function=os.link)
    _own(other.parent)


def forget(maildir: Path) -> None:
    """As if no server had ever looked into it."""
    for pattern in _INDEXES:
        for path in maildir.glob(pattern):
            path.unlink()


def _own(folder: Path) -> None:
    for path in (folder.parent, folder, *folder.rglob("*")):
        shutil.chown(path, _OWNER, _OWNER)
