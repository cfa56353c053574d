"""What the writer of Maildirs asks of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from entrypoint.test_target.store import copies as rows
from entrypoint.test_target.store.copies import AppliedChanges, Copy, SeenChanges
from entrypoint.test_target.store.deliveries import (
    Delivery,
    count_deliveries,
    last_delivery,
    next_deliveries,
)
from entrypoint.test_target.store.readers import Readers
from entrypoint.test_target.store.writer import Writer


class MailboxCopies:
    """Only one at a time may write here: what it has read of copies is as it was then."""

    def __init__(
        self, writer: Writer, readers: Readers, after: Callable[[AppliedChanges], None]
    ) -> None:
        self._writer = writer
        self._readers = readers
        self._after = after

    async def backlog(self) -> int:
        """How many messages are not in their mailboxes yet."""
        return await self._readers.do(count_deliveries)

    async def last_waiting(self) -> int:
        """seq of the newest of them; 0 where there is none."""
        return await self._readers.do(last_delivery)

    async def waiting(self, limit: int, most_bytes: int) -> list[Delivery]:
        """The oldest of them."""
        return await self._readers.do(lambda c: next_deliveries(c, limit, most_bytes))

    async def delivered(self, seqs: Sequence[int], copies: Sequence[Copy]) -> list[str]:
        """They are in their mailboxes. IDs of those that were deleted or read meanwhile."""
        return await self._writer.do(lambda c: rows.add_delivered(c, seqs, copies))

    async def orphans(self, identities: Sequence[str] | None, limit: int) -> list[Copy]:
        """Copies whose messages are gone. identities: None is all."""
        return await self._readers.do(lambda c: rows.orphans(c, identities, limit))

    async def unlike(self, identities: Sequence[str] | None, limit: int) -> list[tuple[Copy, bool]]:
        """Copies whose messages have been marked since, and whether as read."""
        return await self._readers.do(lambda c: rows.unlike(c, identities, limit))

    async def forget(self, copies: Sequence[Copy]) -> None:
        """Their files are gone."""
        await self._writer.do(lambda c: rows.forget_copies(c, copies))

    async def flagged(self, copies: Sequence[tuple[Copy, bool]]) -> None:
        """They are now as their messages were: read, or not."""
        await self._writer.do(lambda c: rows.set_flagged(c, copies))

    async def paths(self, maildir: str) -> set[str]:
        """Of all copies in a Maildir, below it."""
        return await self._readers.do(lambda c: rows.paths_in(c, maildir))

    async def known(self, maildir: str, names: Sequence[str]) -> dict[str, Copy]:
        """The copies of these names in a Maildir, by name."""
        return await self._readers.do(lambda c: rows.copies_named(c, maildir, names))

    async def same_files(self, identities: Sequence[tuple[int, int]]) -> list[Copy | None]:
        """For each inode with its mtime a copy that is this file."""

        def work(connection: sqlite3.Connection) -> list[Copy | None]:
            return [
                next(iter(rows.copies_of_inode(connection, *identity)), None)
                for identity in identities
            ]

        return await self._readers.do(work)

    async def apply(self, changes: SeenChanges) -> None:
        """What clients of Dovecot did counts for the messages."""
        await self._writer.do(lambda c: rows.apply_seen(c, changes), self._after)
