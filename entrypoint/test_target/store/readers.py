"""A few threads that read, each with its own connection. Every question has a deadline."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from entrypoint.test_target.store.schema import open_reader

Result = TypeVar("Result")

_THREADS = 4
_SECONDS = 20.0  # that a question may take
_STEPS = 20_000  # of SQLite's machine between two looks at the clock: a millisecond or so


class QuestionTooLongError(Exception):
    """A question took longer than any should."""


class Readers:
    """work: given a connection that sees one state of the file all the while."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="store-reader")

    async def do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Raises what work raises, and QuestionTooLongError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._do, work)

    def close(self) -> None:
        """After the questions that are being answered."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        for connection in self._connections:
            connection.close()

    def _do(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        connection = self._connection()
        deadline = time.monotonic() + _SECONDS
        connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
        connection.execute("BEGIN")
        try:
            return work(connection)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                raise QuestionTooLongError(f"no answer within {_SECONDS:g} seconds") from error
            raise
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = open_reader(self._path)
            self._connections.append(connection)
        return connection
