"""Keeps the Maildirs and the store alike.

One task does one thing after the other, so that what it knows of a Maildir is not out of date by
its own doing. Nothing that is to be done is in memory alone: deliveries and copies stand in the
store, and what happened to files while nobody looked is seen by listing them.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from entrypoint.test_target.mailboxes.comparison import (
    Differences,
    linked_copies,
    look_at,
    look_at_all,
    moved_copies,
)
from entrypoint.test_target.mailboxes.delivering import Deliverer
from entrypoint.test_target.mailboxes.following import (
    ChangedMessages,
    mark_copies,
    remove_copies,
)
from entrypoint.test_target.mailboxes.maildir import Maildir, maildirs
from entrypoint.test_target.mailboxes.watches import ChangedFiles, MaildirWatches
from entrypoint.test_target.store.adding import StoreFullError
from entrypoint.test_target.store.changes import (
    Change,
    ManyChanged,
    MessageAdded,
    MessagesDeleted,
    MessagesUpdated,
)
from entrypoint.test_target.store.copies import SeenChanges
from entrypoint.test_target.store.mailbox import Mailbox

log = logging.getLogger(__name__)
Result = TypeVar("Result")

# Of a round, so that nothing is kept waiting for long by another.
_MOST_MESSAGES = 200
_MOST_BYTES = 8 * 1024 * 1024
_MOST_COPIES = 1_000
_LISTING = 0.2  # seconds
_ROUND = 0.05  # seconds from one to the next: what comes meanwhile is done together
_LOOK = 2.0  # seconds between two looks at Maildirs that cannot be watched
_TRY_AGAIN = 1.0  # seconds after a disk failed


class Mailboxes:
    """root: of all Maildirs, such as /data/mail. delimiter: of sub-addresses.

    delivered: copies since the start.
    """

    def __init__(self, root: Path, mailbox: Mailbox, delimiter: str = "+") -> None:
        self._root = root
        self._mailbox = mailbox
        self._copies = mailbox.copies
        self._wake = asyncio.Event()
        self.watches = MaildirWatches(root, self._wake.set)
        self._deliverer = Deliverer(root, delimiter)
        self._files = ThreadPoolExecutor(1, thread_name_prefix="mailboxes")
        self._recovered = False  # what an earlier process left
        self._added = True  # whether there may be deliveries
        self._deleted, self._marked = ChangedMessages(), ChangedMessages()
        self._unlisted: dict[str, None] = {}  # Maildirs
        self.delivered = 0

    @property
    def undeliverable(self) -> int:
        """Recipients that cannot be mailboxes, since the start."""
        return self._deliverer.undeliverable

    async def backlog(self) -> int:
        """How many messages are not in their mailboxes yet."""
        return await self._copies.backlog()

    async def run(self) -> None:
        """Until cancelled."""
        self._mailbox.changes.listen(self._hear)
        events = asyncio.create_task(self.watches.run())
        self._wake.set()
        try:
            while True:
                await self._wait()
                try:
                    if not self._recovered:
                        await self._recover()
                    await self._round()
                except Exception as error:  # a full disk, a busy one, a mistake of ours
                    await self._try_again(error)
        finally:
            self._mailbox.changes.forget(self._hear)
            events.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await events
            self.watches.close()
            self._files.shutdown(wait=True)

    def _hear(self, change: Change) -> None:
        if isinstance(change, MessageAdded):
            self._added = True
        elif isinstance(change, MessagesDeleted):
            self._deleted.add(change.identities)
        elif isinstance(change, MessagesUpdated) and "Read" in change.fields:
            self._marked.add(change.identities)
        elif isinstance(change, ManyChanged):
            self._deleted.add(None)
            self._marked.add(None)
        self._wake.set()

    async def _recover(self) -> None:
        self._deliverer.recover_up_to = await self._copies.last_waiting()
        found = await self._do(lambda: [*maildirs(self._root)])
        self._unlisted = dict.fromkeys(found)
        for maildir in found:
            await self._do(Maildir(self._root, maildir).remove_unfinished)
        self._recovered = True

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._wake.wait(), _LOOK if self.watches.unwatched else None)
        await asyncio.sleep(_ROUND)
        self._wake.clear()

    async def _round(self) -> None:
        if self.watches.take_lost():
            self._unlisted |= dict.fromkeys(await self._do(lambda: [*maildirs(self._root)]))
        if self.watches.unwatched:
            self._unlisted |= dict.fromkeys(await self._do(self.watches.look))
        for maildir, files in self.watches.take().items():
            await self._compare(maildir, files)
        until = time.monotonic() + _LISTING
        while self._unlisted and time.monotonic() < until:
            maildir = next(iter(self._unlisted))
            await self._compare_all(maildir)
            del self._unlisted[maildir]
        await self._remove()
        await self._mark()
        await self._deliver()
        if self._unlisted or self._deleted or self._marked or self._added:
            self._wake.set()

    async def _try_again(self, error: Exception) -> None:
        expected = isinstance(error, OSError | sqlite3.Error | StoreFullError)
        log.warning(
            "mailboxes cannot be read or written, trying again: %s",
            error,
            exc_info=None if expected else error,
        )
        self._added = True
        self._deleted.add(None)
        self._marked.add(None)
        self.watches.lost = True
        self._wake.set()
        await asyncio.sleep(_TRY_AGAIN)

    # --- from the Maildirs to the store -----------------------------------------------------

    async def _compare(self, maildir: str, files: ChangedFiles) -> None:
        found = await self._do(partial(look_at, Maildir(self._root, maildir), files))
        if found.went and await self._copies.known(maildir, found.went):
            # It may be in another folder, or have come back under another name.
            await self._compare_all(maildir)
        else:
            await self._take_over(maildir, Differences(found.came))

    async def _compare_all(self, maildir: str) -> None:
        paths = await self._copies.paths(maildir)
        found = await self._do(partial(look_at_all, Maildir(self._root, maildir), paths))
        self.watches.watch(maildir, found.directories)
        # What has come first: the last copy is not gone if it has another name.
        for at in range(0, len(found.came), _MOST_COPIES):
            await self._take_over(maildir, Differences(found.came[at : at + _MOST_COPIES]))
        for at in range(0, len(found.went), _MOST_COPIES):
            await self._take_over(maildir, Differences(went=found.went[at : at + _MOST_COPIES]))

    async def _take_over(self, maildir: str, found: Differences) -> None:
        names = [*(file.name for file, _ in found.came), *found.went]
        known = await self._copies.known(maildir, names)
        others = [(file, identity) for file, identity in found.came if file.name not in known]
        originals = await self._copies.same_files(
            [(identity.inode, identity.mtime) for _, identity in others]
        )
        changes = SeenChanges(
            maildir,
            moved_copies(found.came, known),
            linked_copies(maildir, [file for file, _ in others], originals),
            [known[name] for name in found.went if name in known],
        )
        if changes:
            await self._copies.apply(changes)

    # --- from the store to the Maildirs -----------------------------------------------------

    async def _remove(self) -> None:
        if not self._deleted:
            return
        identities = self._deleted.take()
        copies = await self._copies.orphans(identities, _MOST_COPIES)
        if len(copies) == _MOST_COPIES:
            self._deleted.add(identities)
        await self._do(partial(remove_copies, self._root, copies))
        await self._copies.forget(copies)

    async def _mark(self) -> None:
        if not self._marked:
            return
        identities = self._marked.take()
        copies = await self._copies.unlike(identities, _MOST_COPIES)
        if len(copies) == _MOST_COPIES:
            self._marked.add(identities)
        done, missing = await self._do(partial(mark_copies, self._root, copies))
        await self._copies.flagged(done)
        if not missing:
            return
        # A client has done something to them just now, or removed the whole Maildir.
        for maildir in {copy.maildir for copy, _ in missing}:
            await self._compare_all(maildir)
        there = [each for each in missing if Maildir(self._root, each[0].maildir).has_folder("")]
        self._marked.add([copy.identity for copy, _ in there])
        await self._copies.flagged([each for each in missing if each not in there])

    async def _deliver(self) -> None:
        if not self._added:
            return
        self._added = False
        deliveries = await self._copies.waiting(_MOST_MESSAGES, _MOST_BYTES)
        if not deliveries:
            return
        copies, new = await self._do(partial(self._deliverer.plan, deliveries))
        # A folder is watched before a client can see what is in it.
        for copy in new:
            self.watches.watch(copy.maildir, [copy.directory])
        recovered = deliveries[0].seq <= self._deliverer.recover_up_to
        written = await self._do(partial(self._deliverer.write, copies))
        changed = await self._copies.delivered([each.seq for each in deliveries], written)
        self.delivered += len(written)
        if recovered:  # a client may have had some for a while
            self._unlisted |= dict.fromkeys(copy.maildir for copy in copies)
        self._deleted.add(changed)
        self._marked.add(changed)
        self._added = True  # until there are none

    async def _do(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._files, work)
