"""The one thread that writes. What waits while a commit is under way goes into the next one."""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from entrypoint.test_target.store.adding import StoreFullError
from entrypoint.test_target.store.removing import give_back

log = logging.getLogger(__name__)
Result = TypeVar("Result")

_MOST_IN_COMMIT = 500  # jobs: a commit of them takes some 100 ms
_QUIET = 0.1  # seconds without a job: then free pages go back to the file system


class WriterClosedError(Exception):
    """Nothing more is written."""


@dataclass
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    done: Callable[[Any, BaseException | None], object]


class Writer:
    """work: given the connection, within a transaction; what it raises undoes it alone."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    async def do(
        self,
        work: Callable[[sqlite3.Connection], Result],
        after: Callable[[Result], None] | None = None,
    ) -> Result:
        """The result, once it is committed. Raises what work raises, and StoreFullError.

        after: called in the loop with the result, in the order of the commits, even if nobody waits
        for it any more: what is under way is written all the same.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def done(result: Result, error: BaseException | None) -> None:
            if error is None and after is not None:
                after(result)
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(
            _Job(work, lambda result, error: loop.call_soon_threadsafe(done, result, error))
        )
        return await future

    def run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """The same, from another thread, which waits. Raises WriterClosedError."""
        if self._closing:
            raise WriterClosedError
        future: Future[Result] = Future()

        def done(result: Result, error: BaseException | None) -> None:
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)

        self._jobs.put(_Job(work, done))
        return future.result()

    def close(self) -> None:
        """Everything that was given is written, then the file is closed."""
        self._closing = True
        self._jobs.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            batch = self._next_batch()
            if batch is None:
                return
            outcomes = self._commit(batch)
            for job, (result, error) in zip(batch, outcomes, strict=True):
                try:
                    job.done(result, error)
                except RuntimeError:  # the loop that asked has ended
                    log.warning("nobody waits any more for what has been stored")

    def _next_batch(self) -> list[_Job] | None:
        """None: there is nothing more to come."""
        job = self._first_job()
        batch: list[_Job] = []
        while job is not None:
            batch.append(job)
            if len(batch) == _MOST_IN_COMMIT:
                return batch
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch
        if batch:
            self._jobs.put(None)  # the end, for the next time
        return batch or None

    def _first_job(self) -> _Job | None:
        """Waits."""
        patience = _QUIET
        while not self._closing:
            try:
                return self._jobs.get(timeout=patience)
            except queue.Empty:
                patience = 0
            if not self._give_back():
                break
        return self._jobs.get()

    def _give_back(self) -> bool:
        try:
            return give_back(self._connection)
        except sqlite3.Error as error:
            log.warning("free room cannot be given back to the file system: %s", error)
            return False

    def _commit(self, batch: list[_Job]) -> list[tuple[Any, BaseException | None]]:
        connection = self._connection
        outcomes: list[tuple[Any, BaseException | None]] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for job in batch:
                outcomes.append(self._one(job))
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            self._undo()
            return [(None, _named(error))] * len(batch)
        return outcomes

    def _one(self, job: _Job) -> tuple[Any, BaseException | None]:
        connection = self._connection
        connection.execute("SAVEPOINT job")
        try:
            result = job.work(connection)
        except Exception as error:
            if not connection.in_transaction:  # SQLite itself has undone all (a full disk)
                raise
            connection.execute("ROLLBACK TO job")
            connection.execute("RELEASE job")
            return None, _named(error)
        connection.execute("RELEASE job")
        return result, None

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")


def _named(error: Exception) -> Exception:
    """A full disk by its name."""
    code = getattr(error, "sqlite_errorcode", None)
    if code == sqlite3.SQLITE_FULL:
        return StoreFullError("the disk with the stored messages is full")
    return error
