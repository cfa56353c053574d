"""A control socket that is answered by the tests."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from entrypoint.maintenance.control_server import Handler, listen
from entrypoint.maintenance.control_socket import Request


@contextmanager
def answering(path: Path, handlers: Mapping[Request, Handler]) -> Iterator[None]:
    """The process that answers, in a thread of its own."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(listen(handlers, path))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(server.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
