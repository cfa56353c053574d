"""The junk filter's program: answers at each delivery, takes down whom accounts write to, learns.

    python -m entrypoint.junk

It runs as vmail. What of the three fails begins again, and the others go on; mail goes on without
any of them.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

from entrypoint.junk.learner import Learner, MailboxList
from entrypoint.junk.nonblocking_log import NonBlockingHandler
from entrypoint.junk.verdict_server import VerdictServer
from entrypoint.junk.written_to import receive_written_to
from entrypoint.paths import VERDICT_SOCKET, WRITTEN_TO_SOCKET
from filters.program import start_logging

log = logging.getLogger(__name__)

_AGAIN_AFTER, _AGAIN_AT_LAST = 1.0, 60.0  # seconds


async def run() -> None:
    """All three, for ever."""
    accounts = MailboxList().accounts
    learner = Learner(accounts)
    server = VerdictServer(accounts=accounts, more=learner.troubles)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_again("verdicts", lambda: server.serve(VERDICT_SOCKET)))
        tasks.create_task(_again("written-to", lambda: receive_written_to(WRITTEN_TO_SOCKET)))
        tasks.create_task(_again("lessons", learner.run))


async def _again(name: str, begin: Callable[[], Awaitable[None]]) -> None:
    """Run it whenever it has ended, with growing pauses."""
    pause = _AGAIN_AFTER
    while True:
        try:
            await begin()
            log.error("%s: ended; begins again in %.0f s", name, pause)
        except Exception as error:
            log.exception("%s: %s; begins again in %.0f s", name, error, pause)
        await asyncio.sleep(pause)
        pause = min(_AGAIN_AT_LAST, pause * 2)


def main() -> None:
    """Run until a signal."""
    start_logging(NonBlockingHandler(sys.stderr))
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    asyncio.run(run())


if __name__ == "__main__":
    main()
