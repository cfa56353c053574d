"""A store and its Maildirs in this process, and what a client of Dovecot would do to the files."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from entrypoint.test_target.mailboxes.mailboxes import Mailboxes
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.reading import Selection
from tests.entrypoint.test_target.mails import mail


class Kept:
    """The test's own hands on both."""

    def __init__(self, root: Path, mailbox: Mailbox, mailboxes: Mailboxes) -> None:
        self.root, self.mailbox, self.mailboxes = root, mailbox, mailboxes

    async def deliver(self, *recipients: str, junk: bool = False, **fields: Any) -> str:
        message = mail(recipients=recipients or ("bob@b.example",), **fields)
        message = replace(message, delivered=b"X-Stamp: 1\r\n" + message.raw, junk=junk)
        (identity,) = await self.mailbox.add([message])
        return identity

    def files(self, maildir: str = "b.example/bob", folder: str = "") -> list[Path]:
        place = self.root / maildir / "Maildir" / folder
        return sorted([*place.glob("new/*"), *place.glob("cur/*")])

    async def file(self, maildir: str = "b.example/bob", folder: str = "") -> Path:
        """The only one, once it is there."""
        await until(lambda: len(self.files(maildir, folder)) == 1)
        await self.settled()
        return self.files(maildir, folder)[0]

    async def settled(self) -> None:
        """Everything is delivered."""
        await until_true(self._has_no_backlog)

    async def unread(self) -> dict[str, bool]:
        found = await self.mailbox.find(Selection())
        return {item["ID"]: not item["Read"] for item in found.items}

    async def _has_no_backlog(self) -> bool:
        return await self.mailboxes.backlog() == 0


def flagged(path: Path, flags: str) -> Path:
    """As Dovecot renames it."""
    name = path.name.partition(":2,")[0]
    new = path.parent.parent / "cur" / f"{name}:2,{flags}"
    path.rename(new)
    return new


def moved(path: Path, folder: str) -> Path:
    """As Dovecot moves it: a hard link of another name, then an expunge."""
    maildir = next(parent for parent in path.parents if parent.name == "Maildir")
    place = maildir / folder
    for part in ("cur", "new", "tmp"):
        (place / part).mkdir(parents=True, exist_ok=True)
    new = (
        place
        / "cur"
        / f"1795740207.M1P1.host{len([*place.glob('cur/*')])}:2,{path.name.partition(':2,')[2]}"
    )
    os.link(path, new)
    path.unlink()
    return new


async def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come so"
        await asyncio.sleep(0.01)


async def until_true(condition: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "it did not come so"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def keeping(place: Path) -> AsyncIterator[Kept]:
    root = place / "mail"
    root.mkdir(exist_ok=True)
    mailbox = Mailbox(place / "store.db")
    mailboxes = Mailboxes(root, mailbox)
    task = asyncio.create_task(mailboxes.run())
    try:
        yield Kept(root, mailbox, mailboxes)
        assert not task.done(), "it ended by itself"
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        mailbox.close()
