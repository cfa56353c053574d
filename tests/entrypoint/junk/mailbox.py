"""A Maildir that changes as Dovecot 2.4.1 was seen to change it, with a learner that looks."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

from entrypoint.junk.account_learner import AccountLearner
from entrypoint.junk.account_state import Counts, open_state
from entrypoint.junk.words import message_counts

_NUMBERS = itertools.count(1)


def text(
    words: str = "",
    *,
    mark: float | None = None,
    verdict: str = "",
    tag: str = "",
    to: str = "alice@example.org",
) -> bytes:
    """A message; mark: when `deliver` put its mark on top."""
    number = next(_NUMBERS)
    top = "Return-Path: <a@example.net>\n"
    if mark is not None:
        top += f"X-Signpost-Delivered: {int(mark):x} {number:032x}\n"
        top += f"Delivered-To: {to}\n"
    if verdict:
        top += f"X-Signpost-Junk: {verdict}\n"
    head = f"{top}{tag}From: a@example.net\nMessage-ID: <{number}@example.net>\nSubject: {words}\n"
    return f"{head}\n{words or f'word{number}'} in message {number}\n".encode()


class Mailbox:
    """With a learner that is asked to look by hand."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(exist_ok=True)
        for name in ("", ".Junk", ".Trash", ".Sent", ".Archive"):
            self.folder(name)
        self.learner = AccountLearner("alice@example.org", home, quiet=-1)
        self.is_account = True

    # -- as Dovecot does --------------------------------------------------------------------------

    def folder(self, name: str) -> Path:
        path = self.home / "Maildir" / name if name else self.home / "Maildir"
        for sub in ("cur", "new", "tmp"):
            (path / sub).mkdir(parents=True, exist_ok=True)
        return path

    def deliver(
        self, folder: str = "", *, ago: float = 0, touched: bool = True, flags: str = "", **how: str
    ) -> str:
        """The message's name, without flags. ago: it was delivered so many seconds ago.

        touched: not only just delivered: a client has seen it, moved it, or marked it.
        """
        at = time.time() - ago
        return self._write(folder, text(mark=at, **how), at, at, touched, flags)

    def deliver_junk(self, count: int) -> None:
        """So many new messages, which their reader moves into Junk."""
        for _ in range(count):
            self.move(self.deliver(), ".Junk")

    def append(
        self, folder: str, message: bytes, *, date: float | None = None, flags: str = ""
    ) -> str:
        now = time.time()
        return self._write(folder, message, now, now if date is None else date, False, flags)

    def _write(
        self, folder: str, message: bytes, named: float, written: float, touched: bool, flags: str
    ) -> str:
        micro = int(named % 1 * 1e6)
        name = f"{int(named)}.M{micro:06}P{next(_NUMBERS)}.mail,S={len(message)}"
        path = self.folder(folder) / "cur" / f"{name}:2,{flags}"
        path.write_bytes(message)
        if touched or abs(named - written) > 0.1:
            if touched:  # the kernel's own time of the last change cannot be set
                written = min(written, time.time() - 1)
            os.utime(path, (written, written))
        return name

    def find(self, name: str, folder: str) -> Path:
        (found,) = (self.folder(folder) / "cur").glob(f"{name}:2,*")
        return found

    def move(self, name: str, there: str, folder: str = "", *, new_name: bool = False) -> str:
        old = self.find(name, folder)
        target = old.name
        if new_name:
            target = f"{int(time.time())}.M{next(_NUMBERS):06}P1.mail:2,"
        os.link(old, self.folder(there) / "cur" / target)
        old.unlink()
        return target.partition(":")[0]

    def copy(self, name: str, there: str, folder: str = "") -> None:
        old = self.find(name, folder)
        os.link(old, self.folder(there) / "cur" / old.name)

    def flag(self, name: str, flags: str, folder: str = "") -> None:
        old = self.find(name, folder)
        old.rename(old.with_name(f"{name}:2,{flags}"))

    def keywords(self, *words: str, folder: str = "") -> None:
        lines = "".join(f"{number} {word}\n" for number, word in enumerate(words))
        (self.folder(folder) / "dovecot-keywords").write_text(lines)

    def expunge(self, name: str, folder: str = "") -> None:
        self.find(name, folder).unlink()

    # -- the learner ------------------------------------------------------------------------------

    def look(self, seconds: float = 60) -> Counts:
        """What is learned after a look at everything, in as many turns as that takes."""
        end = time.monotonic() + seconds
        while self.learner.turn(end, lambda: self.is_account):
            assert time.monotonic() < end
            if not self.is_account:
                break
        return self.learned()

    def learned(self) -> Counts:
        with open_state(self.home) as state:
            counts = state.counts()
        assert counts == message_counts(self.home)
        return counts

    def restart(self) -> None:
        self.learner = AccountLearner("alice@example.org", self.home, quiet=-1)
