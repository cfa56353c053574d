"""The web service over real sockets: its bounds, its certificate, and who gives way to whom."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from entrypoint.web.__main__ import challenge, server_context
from entrypoint.web.http import MOST_BODY, MOST_HEAD, HttpRequest, HttpResponse
from entrypoint.web.server import Limits, Server
from filters.watched_file import LastGood

from ..certificates import Authority
from .hostile import HOSTILE

HOST = "mail.example.org"
SOON = datetime.now(UTC) + timedelta(days=1)
LIMITS = Limits(connections=3, seconds=20, farewell=0.2)
GET = b"GET /x?emailaddress=alice HTTP/1.1\r\nHost: a\r\n"


def told(request: HttpRequest) -> HttpResponse:
    """Says what was asked."""
    if request.path == "/fault":
        raise ValueError("alice@example.org")
    return HttpResponse(
        200, f"{request.method} {request.host} {request.path} ".encode() + request.body
    )


class Running:
    """A server in a thread, on a free port in clear and on one with TLS."""

    def __init__(self, pair: Path, limits: Limits) -> None:
        context = LastGood(pair, lambda _: server_context(pair))
        self._server = Server(told, lambda: context.content, limits)
        self._listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
        self.plain, self.tls = (each.getsockname()[1] for each in self._listeners)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        plain, tls = self._listeners
        for listener, secure in ((plain, False), (tls, True)):
            self._loop.create_task(self._server.serve(listener, secure=secure))
        self._loop.run_forever()

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for listener in self._listeners:
            listener.close()

    async def _end(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)  # transports close in the next turn

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.plain), timeout=30)

    def say(self, raw: bytes) -> tuple[int, bytes]:
        """Bytes in clear; the status and the body of all that comes until the end."""
        with self.connect() as link:
            link.sendall(raw)
            return answer_of(link)


def answer_of(link: socket.socket) -> tuple[int, bytes]:
    whole = b"".join(iter(lambda: link.recv(65_536), b""))
    head, _, body = whole.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head else (0, b"")


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.make(tmp_path)


@pytest.fixture
def pair(authority: Authority, tmp_path: Path) -> Path:
    return renew(authority, tmp_path / "pair.pem")


def renew(authority: Authority, path: Path) -> Path:
    """As render.write_certificate does: another file in its place."""
    certificate, key = authority.pair(HOST, SOON)
    new = path.with_name("new")
    new.write_bytes(key + b"\n" + certificate)
    return new.replace(path)


@pytest.fixture
def start(pair: Path) -> Iterator[Callable[..., Running]]:
    running: list[Running] = []

    def begin(limits: Limits = LIMITS) -> Running:
        running.append(Running(pair, limits).__enter__())
        return running[-1]

    yield begin
    for each in running:
        each.__exit__()


def test_one_request_a_connection(start: Callable[..., Running]) -> None:
    server = start()
    assert server.say(GET + b"\r\n") == (200, b"GET a /x ")
    assert server.say(GET + b"\r\n" + GET + b"\r\n") == (200, b"GET a /x ")
    assert server.say(GET.replace(b"GET", b"HEAD") + b"\r\n") == (200, b"")


def test_a_body_is_as_long_as_it_says(start: Callable[..., Running]) -> None:
    server = start()
    post = b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
    assert server.say(post + b"\r\nhelloGET / HTTP/1.1\r\n\r\n") == (200, b"POST a /x hello")
    with server.connect() as link:
        link.sendall(post + b"Expect: 100-continue\r\n\r\n")
        assert link.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(b"hello")
        assert answer_of(link) == (200, b"POST a /x hello")


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a ClientHello\r\n\r\n", 400),
        (GET + b"X: " + b"a" * MOST_HEAD + b"\r\n\r\n", 431),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 8193\r\n\r\n", 413),
        (b"POST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", 501),
    ],
)
def test_what_is_too_much_hears_why(start: Callable[..., Running], raw: bytes, status: int) -> None:
    assert MOST_BODY < 8193
    assert start().say(raw)[0] == status


@pytest.mark.parametrize("name", HOSTILE)
def test_what_could_be_read_in_two_ways(start: Callable[..., Running], name: str) -> None:
    raw, status = HOSTILE[name]
    with start().connect() as link:
        link.sendall(raw)
        link.shutdown(socket.SHUT_WR)
        whole = b"".join(iter(lambda: link.recv(65_536), b""))
    assert re.findall(rb"^HTTP/1\.1 (\d+)", whole, re.MULTILINE) == [b"%d" % status] * bool(status)


def test_who_goes_away_is_forgotten(start: Callable[..., Running]) -> None:
    server = start()
    for raw in (b"", b"GET", GET, b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel"):
        with server.connect() as link:
            link.sendall(raw)
            link.shutdown(socket.SHUT_WR)
            assert answer_of(link) == (0, b"")


def test_a_fault_is_a_500_and_tells_nobodys_address(
    start: Callable[..., Running], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = start()
    assert server.say(b"GET /fault HTTP/1.0\r\n\r\n")[0] == 500
    server.say(GET + b"\r\n")
    assert "no answer to a request: ValueError" in caplog.text
    assert "alice" not in caplog.text
    assert not [
        record
        for record in caplog.records
        if "/x" in record.getMessage() and record.levelno > logging.DEBUG
    ]


def test_where_all_places_are_taken_the_oldest_gives_way(start: Callable[..., Running]) -> None:
    server = start()
    slow = [server.connect() for _ in range(LIMITS.connections)]
    try:
        for link in slow:
            link.sendall(b"GET /x HTT")
        assert server.say(GET + b"\r\n")[0] == 200
        assert answer_of(slow[0]) == (0, b"")
        slow[-1].sendall(b"P/1.0\r\n\r\n")
        assert answer_of(slow[-1]) == (200, b"GET  /x ")
    finally:
        for link in slow:
            link.close()


def test_a_crowd_that_never_speaks_keeps_nobody_out(
    start: Callable[..., Running], authority: Authority
) -> None:
    server = start()
    crowd = [
        socket.create_connection(("127.0.0.1", port), timeout=30)
        for _ in range(50)
        for port in (server.plain, server.tls)
    ]
    try:
        assert server.say(GET + b"\r\n")[0] == 200
        assert fetched(server, authority)[0] == 200
    finally:
        for link in crowd:
            link.close()


@pytest.mark.parametrize("secure", [False, True])
def test_a_deadline_ends_it(start: Callable[..., Running], secure: bool) -> None:
    server = start(Limits(seconds=0.3, farewell=0.1))
    port = server.tls if secure else server.plain
    with socket.create_connection(("127.0.0.1", port), timeout=30) as link:
        link.sendall(b"GET /x HTT")
        assert answer_of(link) == (0, b"")


def fetched(server: Running, authority: Authority) -> tuple[int, bytes]:
    """A request by TLS, verified; the status and the certificate."""
    context = ssl.create_default_context(cafile=str(authority.folder / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", server.tls), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=HOST) as link,
    ):
        certificate = link.getpeercert(binary_form=True)
        assert certificate is not None
        assert link.version() in {"TLSv1.2", "TLSv1.3"}
        link.sendall(GET + b"\r\n")
        return answer_of(link)[0], certificate


def test_a_renewed_certificate_counts_from_the_next_connection_on(
    start: Callable[..., Running],
    authority: Authority,
    pair: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = start()
    first = fetched(server, authority)
    renew(authority, pair)
    second = fetched(server, authority)
    assert first[0] == second[0] == 200
    assert first[1] != second[1]
    pair.write_text("half a change")
    assert fetched(server, authority) == second
    assert "the changed file is not used" in caplog.text


def test_a_challenge_is_a_small_file_of_a_folder(tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"a" * 5000)
    assert challenge(tmp_path, "token") == b"a" * 1024
    assert challenge(tmp_path, "other") is None
    assert challenge(tmp_path / "none", "token") is None
