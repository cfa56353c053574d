"""Who connects and says nothing, or not all of it, keeps nobody else from being answered."""

import asyncio
import http.client
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.entrypoint.test_target.running import Running, running

MANY = 4_100
HEAD = b"PUT /api/v1/messages HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """With room for so many connections, as is this process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 20_000), hard))
    with running(tmp_path_factory.mktemp("target") / "store.db") as server:
        yield server
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One without patience."""
    options = {"patience": "0.5"}
    with running(tmp_path_factory.mktemp("hasty") / "store.db", **options) as server:
        yield server


@contextmanager
def connected(port: int, count: int = 1) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
            for _ in range(count)
        ]


def test_thousands_of_silent_connections_do_not_matter(target: Running) -> None:
    with connected(target.http_port, MANY) as clients:
        assert clients[0].recv(1) == b""  # the one that is silent the longest makes room
        for path in ("/readyz", "/", "/api/v1/messages"):
            assert target.get(path).status == 200


def test_thousands_of_connections_that_have_asked_once_do_not_matter(target: Running) -> None:
    with ExitStack() as stack:
        for _ in range(MANY):
            client = stack.enter_context(connected(target.http_port))[0]
            client.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
        for path in ("/readyz", "/", "/api/v1/messages"):
            assert target.get(path).status == 200


@pytest.mark.parametrize(
    "said",
    [
        *(b"", b"G", HEAD, HEAD + b"Content-Length: 9\r\n\r\n"),
        *(HEAD + b"Content-Length: 9\r\n\r\n{", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1"),
        b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\nGET /livez HTTP/1.1\r\nHo",
        b"GET /api/v1/wait?query=never&timeout=60s HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Length: 5\r\n\r\n",
        HEAD.replace(b"Host", b"Host: evil.example\r\nX") + b"Content-Length: 9\r\n\r\n",
    ],
)
def test_who_does_not_finish_a_request_is_disconnected(hasty: Running, said: bytes) -> None:
    with connected(hasty.http_port) as (client,):
        client.sendall(said)
        began = time.monotonic()
        try:
            while client.recv(65536):
                pass
        except ConnectionResetError:
            pass
        assert 0.3 < time.monotonic() - began < 8


def test_a_head_that_comes_byte_by_byte_gets_no_more_time(hasty: Running) -> None:
    async def case() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        reader, writer = await asyncio.open_connection("127.0.0.1", hasty.http_port)
        try:
            while loop.time() < began + 8:
                writer.write(b"G")
                try:
                    async with asyncio.timeout(0.1):
                        if not await reader.read(1):
                            break
                except TimeoutError:
                    pass
        except ConnectionError:
            pass
        finally:
            writer.close()
        return loop.time() - began

    assert asyncio.run(case()) < 5


def test_a_body_that_comes_slowly_is_taken(hasty: Running) -> None:
    async def case() -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", hasty.http_port)
        writer.write(HEAD + b"Connection: close\r\nContent-Length: 12\r\n\r\n{}")
        for _ in range(10):
            await asyncio.sleep(0.1)  # each in time, all of them not
            writer.write(b" ")
        answer = await reader.read()
        writer.close()
        return answer

    assert asyncio.run(case()).startswith(b"HTTP/1.1 200")


def test_who_waits_for_an_answer_or_between_two_requests_stays(hasty: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hasty.http_port, timeout=30)
    try:
        for path in ("/api/v1/wait?query=never&timeout=1500ms", "/livez"):
            connection.request("GET", path)
            response = connection.getresponse()
            assert response.status == (200 if path == "/livez" else 404)
            response.read()
            assert connection.sock is not None
            connection.sock.settimeout(1.5)
            with pytest.raises(TimeoutError):
                connection.sock.recv(1)
            connection.sock.settimeout(30)
    finally:
        connection.close()
