"""The small HTTP client against servers that are none, or hostile."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from entrypoint.probe.http import Page, PageError, get


def ask(said: bytes, *, repeat: int = 1, leaves: bool = True) -> tuple[Page, bytes]:
    """The page, and what the server has heard."""
    heard = b""

    async def main() -> Page:
        ended = asyncio.Event()

        async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal heard
            with suppress(OSError):
                heard = await reader.readuntil(b"\r\n\r\n")
                for _ in range(repeat):
                    writer.write(said)
                    await writer.drain()
                if leaves:
                    writer.write_eof()
                await reader.read()  # until the client goes
            writer.transport.abort()
            ended.set()

        async with asyncio.timeout(5), await asyncio.start_server(talk, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            try:
                return await get("127.0.0.1", port, "mta-sts.example.org", "/x")
            finally:
                await ended.wait()

    return asyncio.run(main()), heard


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nbody", Page(200, "text/plain", b"body")),
        (
            b"HTTP/1.0 200 OK\r\nContent-Type: Text/HTML; a=b\r\nContent-Length: 2\r\n\r\nbody",
            Page(200, "text/html", b"bo"),
        ),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n",
            Page(200, "text/plain", b"abc"),
        ),
        (
            b"HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1/\r\n\r\n",
            Page(301, "text/plain", b""),
        ),
    ],
)
def test_a_page(said: bytes, expected: Page) -> None:
    page, heard = ask(said)
    assert page == expected
    assert heard.startswith(b"GET /x HTTP/1.1\r\nHost: mta-sts.example.org\r\n")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "the connection was closed"),
        (b"220 smtp\r\n", "no HTTP server"),
        (b"HTTP/1.1\r\n", "no HTTP server"),
        (b"HTTP/1.1 x OK\r\n\r\n", "no HTTP server"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000 + b"\r\n", "no HTTP server"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbody", "no HTTP server"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "no HTTP server"),
    ],
)
def test_a_server_that_is_none(said: bytes, why: str) -> None:
    with pytest.raises(PageError, match=why):
        ask(said)


def test_a_server_that_waits_after_something_else_is_not_waited_for() -> None:
    with pytest.raises(PageError, match="no HTTP server"):
        ask(b"220 smtp\r\n", leaves=False)


def test_a_page_without_an_end_is_cut() -> None:
    page, _ = ask(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000, repeat=20)
    assert page.status == 200
    assert len(page.body) < 65_536
