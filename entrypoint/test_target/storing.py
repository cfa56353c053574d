"""Messages that arrive at the same time go into the mailbox together: one commit for all."""

from __future__ import annotations

import asyncio
from collections import deque

from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.store.mailbox import Mailbox

_MOST_TOGETHER = 100  # messages: a tenth of a second's work
_MOST_BYTES = 16 << 20
_AT_A_TIME = 2  # while one group is committed, the next is read

_Waiting = tuple[ReceivedMessage, "asyncio.Future[str]"]


class Storing:
    """Stores for many at once."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self._waiting: deque[_Waiting] = deque()
        self._workers: set[asyncio.Task[None]] = set()

    async def store(self, message: ReceivedMessage) -> str:
        """The message's ID, once it is on file. Raises what Mailbox.add does."""
        loop = asyncio.get_running_loop()
        stored: asyncio.Future[str] = loop.create_future()
        self._waiting.append((message, stored))
        if len(self._workers) < _AT_A_TIME:
            worker = loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        return await stored

    async def _work(self) -> None:
        while self._waiting:
            await self._store(self._next_group())

    def _next_group(self) -> list[_Waiting]:
        group, size = [self._waiting.popleft()], 0
        while self._waiting and len(group) < _MOST_TOGETHER and size < _MOST_BYTES:
            group.append(self._waiting.popleft())
            size += len(group[-1][0].raw)
        return group

    async def _store(self, group: list[_Waiting]) -> None:
        """Whoever waits for one of them has an answer then, or has gone."""
        try:
            identities = await self._mailbox.add([message for message, _ in group])
        except Exception as error:
            if len(group) > 1:
                # There may be room for some of them, or a single one is at fault.
                for one in group:
                    await self._store([one])
            elif not group[0][1].done():
                group[0][1].set_exception(error)
            return
        for (_, stored), identity in zip(group, identities, strict=True):
            if not stored.done():
                stored.set_result(identity)
