"""The websocket: what happens in the mailbox, as Mailpit tells it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from entrypoint.test_target.store.changes import (
    Change,
    MessageAdded,
    MessagesDeleted,
    MessagesUpdated,
)
from entrypoint.test_target.store.mailbox import Mailbox

MOST_CLIENTS = 500
_MOST_UNSENT = 5_000  # events; who is further behind is disconnected, and asks for the list again
_BETWEEN_TOTALS = 0.25  # seconds


class EventHub:
    """Every client gets every event; nobody waits for one that does not read."""

    def __init__(self, mailbox: Mailbox, version: str) -> None:
        self._mailbox = mailbox
        self._version = version
        self._clients: dict[asyncio.Queue[str | None], None] = {}
        self._totals_due: asyncio.TimerHandle | None = None
        mailbox.changes.listen(self._changed)

    async def serve(self, socket: WebSocket) -> None:
        """Until either end closes."""
        if len(self._clients) >= MOST_CLIENTS:
            await socket.close(1013, "too many clients")
            return
        await socket.accept()
        events: asyncio.Queue[str | None] = asyncio.Queue(_MOST_UNSENT)
        self._clients[events] = None
        reading = asyncio.ensure_future(_until_closed(socket))
        sending = asyncio.ensure_future(_send(socket, events))
        try:
            await asyncio.wait((reading, sending), return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._clients.pop(events, None)
            for task in (reading, sending):
                task.cancel()
            await asyncio.gather(reading, sending, return_exceptions=True)

    def _changed(self, change: Change) -> None:
        if not self._clients:
            return
        if isinstance(change, MessageAdded):
            self._tell("new", change.item)
        elif isinstance(change, MessagesUpdated):
            for identity in change.identities:
                self._tell("update", {"ID": identity, **change.fields})
        elif isinstance(change, MessagesDeleted):
            for identity in change.identities:
                self._tell("delete", {"ID": identity})
        else:
            self._tell("truncate" if change.emptied else "prune", None)
        if self._totals_due is None:
            loop = asyncio.get_running_loop()
            self._totals_due = loop.call_later(_BETWEEN_TOTALS, self._tell_totals)

    def _tell_totals(self) -> None:
        self._totals_due = None
        totals = self._mailbox.totals
        data = {"Total": totals.messages, "Unread": totals.unread, "Version": self._version}
        self._tell("stats", data)

    def _tell(self, kind: str, data: Any) -> None:
        text = json.dumps({"Type": kind, "Data": data}, ensure_ascii=False)
        for events in list(self._clients):
            try:
                events.put_nowait(text)
            except asyncio.QueueFull:
                del self._clients[events]
                events.get_nowait()
                events.put_nowait(None)


async def _send(socket: WebSocket, events: asyncio.Queue[str | None]) -> None:
    while (text := await events.get()) is not None:
        await socket.send_text(text)
    await socket.close(1013, "too far behind")


async def _until_closed(socket: WebSocket) -> None:
    """What a client says is passed over."""
    try:
        while (await socket.receive())["type"] != "websocket.disconnect":
            pass
    except WebSocketDisconnect:
        pass
