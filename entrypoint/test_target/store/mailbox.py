"""The store, as all others see it."""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.shapes.summary import with_state
from entrypoint.test_target.shapes.tag import clean_tag, clean_tags
from entrypoint.test_target.store import reading, removing, tagging
from entrypoint.test_target.store.adding import PreparedMessage, StoreFullError, insert, prepare
from entrypoint.test_target.store.changes import (
    MailboxChanges,
    ManyChanged,
    MessageAdded,
    MessagesDeleted,
    MessagesUpdated,
)
from entrypoint.test_target.store.copies import AppliedChanges
from entrypoint.test_target.store.indexing import Indexer, due
from entrypoint.test_target.store.mailbox_copies import MailboxCopies
from entrypoint.test_target.store.occurrences import Occurrences
from entrypoint.test_target.store.readers import Readers
from entrypoint.test_target.store.reading import FoundMessages, Selection, StoredMessage
from entrypoint.test_target.store.schema import open_writer
from entrypoint.test_target.store.writer import Writer

KEEP = 10 * 1024**3  # bytes of the file: what a laptop's disk can spare
_MOST_NAMED = 200  # messages that a change names one by one
_OVERHEAD = 2  # what a message takes in the file, beside its own bytes: texts and index


@dataclass
class Totals:
    """Of the whole mailbox. deleted: since the start."""

    messages: int
    unread: int
    deleted: int = 0


class Mailbox:
    """keep: how large the file may grow. changes: what has happened, after its commit. copies:
    those in Maildirs.
    """

    def __init__(self, path: Path, keep: int = KEEP) -> None:
        """Raises StoreVersionError, and sqlite3.Error where it is no such file."""
        connection = open_writer(path)
        self.path = path
        self.changes = MailboxChanges()
        self.totals = Totals(*reading.totals(connection))
        self._keep = keep
        self._writer = Writer(connection)
        self._readers = Readers(path)
        self._indexer = Indexer(path, self._writer)
        self._occurrences = Occurrences()
        self._parsers = ThreadPoolExecutor(1, thread_name_prefix="store-parser")
        self.copies = MailboxCopies(self._writer, self._readers, self._after_seen)

    def close(self) -> None:
        """What was being stored is stored; waits for that."""
        self._parsers.shutdown(wait=True)
        self._indexer.close()
        self._writer.close()
        self._readers.close()

    async def add(self, messages: Sequence[ReceivedMessage]) -> list[str]:
        """Their IDs, once all of them are on file.

        Raises StoreFullError, and sqlite3.Error for a disk that fails; then none of them is.
        """
        loop = asyncio.get_running_loop()
        prepared = await loop.run_in_executor(self._parsers, lambda: [*map(prepare, messages)])
        size = sum(len(message.raw) for message in messages)

        def work(connection: sqlite3.Connection) -> None:
            if reading.used_bytes(connection) + _OVERHEAD * size > self._keep:
                raise StoreFullError(
                    f"the stored messages take {self._keep} bytes, which is all there is room for "
                    "(TEST_KEEP); delete some"
                )
            insert(connection, prepared)

        def after(_: None) -> None:
            self.totals.messages += len(prepared)
            self.totals.unread += len(prepared)
            self._indexer.nudge()
            for message in prepared:
                self.changes.tell(_added(message))

        await self._writer.do(work, after)
        return [message.identity for message in prepared]

    async def find(self, selection: Selection, start: int = 0, limit: int = 50) -> FoundMessages:
        """A page, the newest first. Raises QuestionTooLongError, as all that reads."""
        found = await self._readers.do(
            lambda c: reading.find(c, selection, self._containing(c), start, limit)
        )
        if selection.is_everything:
            return replace(found, matching=self.totals.messages, unread=self.totals.unread)
        return found

    async def latest(self, selection: Selection) -> str | None:
        """The newest one's ID."""
        return await self._readers.do(lambda c: reading.latest(c, selection, self._containing(c)))

    async def load(self, identity: str) -> StoredMessage | None:
        """A message with its bytes."""
        return await self._readers.do(lambda c: reading.load(c, identity))

    async def tag_names(self) -> list[str]:
        """All that there are."""
        return await self._readers.do(tagging.tag_names)

    async def tag_counts(self) -> dict[str, int]:
        """How many messages have each."""
        return await self._readers.do(tagging.tag_counts)

    async def used_bytes(self) -> int:
        """Of the file."""
        return await self._readers.do(reading.used_bytes)

    async def index_lag(self) -> int:
        """How many messages wait to come into the index. The last thousand are never in it."""
        return await self._readers.do(due)

    async def set_read(self, chosen: Selection | Sequence[str], *, read: bool) -> None:
        """IDs that there are not are passed over, here and below."""

        def work(connection: sqlite3.Connection) -> list[str]:
            which, parameters = self._which(connection, chosen)
            rows = connection.execute(
                f"UPDATE messages SET read = ? WHERE read != ? AND seq IN ({which}) RETURNING id",
                (read, read, *parameters),
            ).fetchall()
            return [identity for (identity,) in rows]

        def after(changed: list[str]) -> None:
            self.totals.unread -= len(changed) if read else -len(changed)
            self._tell_updated(changed, {"Read": read})

        await self._writer.do(work, after)

    async def delete(self, chosen: Selection | Sequence[str]) -> None:
        """Their pages are free for others at once, and go back to the disk later."""
        if isinstance(chosen, Selection) and chosen.is_everything:
            await self._writer.do(removing.delete_all, self._after_delete_all)
            return
        await self._writer.do(
            lambda c: removing.delete(c, *self._which(c, chosen)), self._after_delete
        )

    async def set_tags(self, identities: Sequence[str], tags: Sequence[str]) -> None:
        """These tags and no others; an empty list takes them away."""
        names = clean_tags(list(tags))
        await self._writer.do(
            lambda c: tagging.set_tags(c, *self._which(c, identities), names),
            lambda _: self._tell_updated(list(identities), {"Tags": names}),
        )

    async def rename_tag(self, old: str, new: str) -> bool:
        """Whether there was one of the old name. Raises ValueError if the new one cannot be one."""
        name = clean_tag(new)
        if not name:
            raise ValueError(f"invalid tag name: {new!r}")
        return await self._writer.do(
            lambda c: tagging.rename_tag(c, old, name), lambda _: self.changes.tell(ManyChanged())
        )

    async def delete_tag(self, name: str) -> bool:
        """Whether there was one."""
        return await self._writer.do(
            lambda c: tagging.delete_tag(c, name), lambda _: self.changes.tell(ManyChanged())
        )

    def _after_delete_all(self, _: None) -> None:
        self.totals.deleted += self.totals.messages
        self.totals.messages = self.totals.unread = 0
        self.changes.tell(ManyChanged(emptied=True))

    def _after_delete(self, gone: list[tuple[str, bool]]) -> None:
        self.totals.messages -= len(gone)
        self.totals.unread -= sum(not read for _, read in gone)
        self.totals.deleted += len(gone)
        if len(gone) > _MOST_NAMED:
            self.changes.tell(ManyChanged())
        elif gone:
            self.changes.tell(MessagesDeleted(tuple(identity for identity, _ in gone)))

    def _after_seen(self, applied: AppliedChanges) -> None:
        self.totals.unread += len(applied.unread) - len(applied.read)
        self._tell_updated(applied.read, {"Read": True})
        self._tell_updated(applied.unread, {"Read": False})
        self._after_delete(applied.deleted)

    def _containing(self, connection: sqlite3.Connection) -> reading.Containing:
        return lambda wanted: self._occurrences.condition(connection, wanted)

    def _which(
        self, connection: sqlite3.Connection, chosen: Selection | Sequence[str]
    ) -> tuple[str, tagging.Parameters]:
        """A SELECT of seq."""
        if isinstance(chosen, Selection):
            # Nothing is remembered of what may be undone: its numbers are given again then.
            return chosen.seqs(lambda wanted: Occurrences().condition(connection, wanted))
        return (
            "SELECT seq FROM messages WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps(list(chosen)),),
        )

    def _tell_updated(self, identities: list[str], fields: dict[str, object]) -> None:
        if len(identities) > _MOST_NAMED:
            self.changes.tell(ManyChanged())
        elif identities:
            self.changes.tell(MessagesUpdated(tuple(identities), fields))


def _added(message: PreparedMessage) -> MessageAdded:
    item = with_state(message.summary.json, message.identity, read=False, tags=message.summary.tags)
    return MessageAdded(item, message.summary.record)
