"""A program nearby is told of each message; nothing else is ever called."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from entrypoint.test_target.api.webhook import Webhook
from entrypoint.test_target.api.webhook_url import is_near
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.zone_server import ZoneServer
from filters.mailauth.dns.zone import Zone
from tests.entrypoint.test_target.mails import mail


@asynccontextmanager
async def hooked(
    path: Path,
    status: int,
    name: str = "127.0.0.1",
    name_server: str | None = None,
    limit: float = 0.0,
) -> AsyncIterator[tuple[Mailbox, "asyncio.Queue[tuple[str, bytes]]"]]:
    requests: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = int(head.lower().partition("content-length:")[2].split()[0])
        requests.put_nowait((head, await reader.readexactly(length)))
        writer.write(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    mailbox = Mailbox(path / "store.db")
    url = f"http://{name}:{port}/hook?a=b"
    webhook = Webhook(mailbox, url, limit=limit, name_server=name_server)
    running = asyncio.create_task(webhook.run())
    try:
        async with asyncio.timeout(20):
            yield mailbox, requests
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        server.close()
        mailbox.close()


def test_each_message_is_told_as_a_summary(tmp_path: Path) -> None:
    async def case() -> None:
        async with hooked(tmp_path, 200) as (mailbox, requests):
            await mailbox.add([mail(subject="one"), mail(subject="two")])
            for subject in ("one", "two"):
                head, body = await requests.get()
                assert head.startswith("POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
                assert json.loads(body)["Subject"] == subject

    asyncio.run(case())


def test_a_failure_is_logged_and_the_next_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def case() -> None:
        async with hooked(tmp_path, 500, "localhost") as (mailbox, requests):
            await mailbox.add([mail(), mail()])
            await requests.get()
            await requests.get()
            assert "the webhook localhost answered 500" in caplog.text

    with caplog.at_level(logging.WARNING):
        asyncio.run(case())


@pytest.mark.parametrize(
    ("address", "near"),
    [
        *(("127.0.0.1", True), ("::1", True), ("10.1.2.3", True), ("172.16.0.1", True)),
        *(("192.168.1.1", True), ("fd00::1", True), ("::ffff:10.0.0.1", True)),
        *(("8.8.8.8", False), ("2606:4700::1", False), ("169.254.169.254", False)),
        *(("fe80::1", False), ("0.0.0.0", False), ("::", False), ("224.0.0.1", False)),
        *(("::ffff:8.8.8.8", False), ("172.32.0.1", False), ("255.255.255.255", False)),
        *(("2002:a00:1::1", False), ("2001:0:4136:e378::1", False), ("192.0.2.1", False)),
        *(("198.18.0.1", False), ("198.51.100.1", False), ("203.0.113.1", False)),
        *(("192.0.0.8", False), ("0.1.2.3", False), ("2001:db8::1", False), ("fc00::1", True)),
        *(("fd00:ec2::254", False), ("fd00:ec3::254", True), ("::ffff:0.0.0.1", False)),
        *(("240.0.0.1", False), ("100.64.0.1", False), ("64:ff9b::a00:1", False)),
        *(("64:ff9b:1::a00:1", False), ("::ffff:127.0.0.1", True), ("::ffff:169.254.0.1", False)),
    ],
)
def test_what_is_near(address: str, near: bool) -> None:
    assert is_near(address) is near


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://8.8.8.8/", "loopback and private"),
        ("http://169.254.169.254/latest", "loopback and private"),
        ("ftp://localhost/", "http:// or https://"),
        ("http:///x", "http:// or https://"),
        ("http://localhost/ü", "%XX"),
    ],
)
def test_a_url_that_may_not_be_called_is_refused(tmp_path: Path, url: str, error: str) -> None:
    mailbox = Mailbox(tmp_path / "store.db")
    try:
        with pytest.raises(ValueError, match=error):
            Webhook(mailbox, url)
    finally:
        mailbox.close()


def test_a_name_that_is_elsewhere_is_not_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def case() -> None:
        async with hooked(tmp_path, 200, "public.example") as (mailbox, requests):
            loop = asyncio.get_running_loop()

            async def getaddrinfo(*_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
                return [(2, 1, 6, "", ("198.41.0.4", 80))]

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
            await mailbox.add([mail()])
            while "has no loopback or private address" not in caplog.text:
                await asyncio.sleep(0)
            assert requests.empty()

    with caplog.at_level(logging.WARNING):
        asyncio.run(case())


def test_the_name_of_another_container_is_asked_of_the_engine(tmp_path: Path) -> None:
    async def case() -> None:
        zone = Zone({"application-under-test": {"A": ["127.0.0.1"]}})
        names = ZoneServer(lambda: zone)
        port = await names.start("127.0.0.1", 0)
        place = f"127.0.0.1:{port}"
        try:
            async with hooked(tmp_path, 200, "application-under-test", place) as (mailbox, asked):
                await mailbox.add([mail()])
                head, _ = await asked.get()
                assert "\r\nHost: application-under-test:" in head
        finally:
            names.close()

    asyncio.run(case())


def test_calls_are_as_far_apart_as_the_limit_says(tmp_path: Path) -> None:
    async def case() -> None:
        async with hooked(tmp_path, 200, limit=10) as (mailbox, requests):
            begin = asyncio.get_running_loop().time()
            await mailbox.add([mail(), mail(), mail()])
            for _ in range(3):
                await requests.get()
            assert asyncio.get_running_loop().time() - begin >= 0.19

    asyncio.run(case())
