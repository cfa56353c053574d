"""Who does not read, and who asks for too much, costs the others nothing."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.websockets import WebSocket

from entrypoint.test_target.api import events, waits
from entrypoint.test_target.api.events import EventHub
from entrypoint.test_target.api.waits import TooManyWaitingError, Waits
from entrypoint.test_target.search.parse import parse_query
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.reading import Selection
from tests.entrypoint.test_target.mails import mail


@pytest.fixture
def mailbox_path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def test_only_so_many_wait(mailbox_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "MOST_WAITING", 2)

    async def case() -> None:
        mailbox = Mailbox(mailbox_path)
        waiting = Waits(mailbox)
        never = Selection(parse_query("never"))
        tasks = [asyncio.create_task(waiting.until(never, 1, 60)) for _ in range(2)]
        while len(waiting) < 2:
            await asyncio.sleep(0)
        with pytest.raises(TooManyWaitingError, match="2 requests"):
            await waiting.until(never, 1, 60)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert len(waiting) == 0
        mailbox.close()

    asyncio.run(case())


def test_a_message_that_cannot_matter_does_not_wake_a_wait(mailbox_path: Path) -> None:
    async def case() -> None:
        mailbox = Mailbox(mailbox_path)
        asked: list[Selection] = []
        find = mailbox.find

        async def counted(selection: Selection, start: int = 0, limit: int = 50) -> Any:
            asked.append(selection)
            return await find(selection, start, limit)

        mailbox.find = counted  # type: ignore[method-assign]
        waiting = Waits(mailbox)
        task = asyncio.create_task(waiting.until(Selection(parse_query("wanted")), 1, 60))
        while not asked:
            await asyncio.sleep(0)
        identities = await mailbox.add([mail("another")] * 20)
        await mailbox.set_read(identities, read=True)
        await mailbox.delete(identities)
        await mailbox.add([mail("wanted")])
        assert await task
        assert len(asked) == 2
        mailbox.close()

    asyncio.run(case())


class _Client:
    """A websocket whose client reads nothing until `reads` is set."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self._first = True

    async def receive(self) -> dict[str, Any]:
        if self._first:
            self._first = False
            return {"type": "websocket.connect"}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: Any) -> None:
        if message["type"] == "websocket.send":
            await self.reads.wait()
        self.sent.append(message)

    def socket(self) -> WebSocket:
        return WebSocket({"type": "websocket"}, self.receive, self.send)


def test_a_client_that_does_not_read_is_disconnected(
    mailbox_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_MOST_UNSENT", 10)

    async def case() -> None:
        mailbox = Mailbox(mailbox_path)
        hub = EventHub(mailbox, "v")
        slow, quick = _Client(), _Client()
        quick.reads.set()
        tasks = [asyncio.create_task(hub.serve(client.socket())) for client in (slow, quick)]
        await _until(lambda: len(slow.sent) == 1 and len(quick.sent) == 1)
        for number in range(30):
            await mailbox.add([mail(subject=str(number))])
        await _until(lambda: len(_told(quick, "new")) == 30)
        slow.reads.set()
        await tasks[0]
        assert slow.sent[-1] == {
            "type": "websocket.close",
            "code": 1013,
            "reason": "too far behind",
        }
        tasks[1].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        mailbox.close()

    asyncio.run(case())


def test_only_so_many_clients(mailbox_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_CLIENTS", 0)

    async def case() -> None:
        mailbox = Mailbox(mailbox_path)
        client = _Client()
        await EventHub(mailbox, "v").serve(client.socket())
        assert client.sent == [
            {"type": "websocket.close", "code": 1013, "reason": "too many clients"}
        ]
        mailbox.close()

    asyncio.run(case())


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0)


def _told(client: _Client, kind: str) -> list[Any]:
    texts = (json.loads(message["text"]) for message in client.sent if "text" in message)
    return [value for value in texts if value["Type"] == kind]
