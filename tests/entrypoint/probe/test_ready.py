"""What the first process waits for: every port greets, and logins can be checked."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from entrypoint.config.ports import Port, Protocol
from entrypoint.probe.ready import is_ready
from entrypoint.tls.self_signed import self_signed

from ..certificates import server_context

# How each protocol greets, and what a client leaves it with.
PROTOCOLS: dict[Protocol, tuple[bytes, bytes]] = {
    "smtp": (b"220 mail ESMTP\r\n", b"QUIT\r\n"),
    "imap": (b"* OK ready\r\n", b"z LOGOUT\r\n"),
    "pop3": (b"+OK ready\r\n", b"QUIT\r\n"),
    "sieve": (b'"IMPLEMENTATION" "x"\r\nOK\r\n', b"LOGOUT\r\n"),
}


@contextmanager
def serving(
    listener: socket.socket, says: bytes, heard: list[bytes], tls: ssl.SSLContext | None = None
) -> Iterator[socket.socket]:
    """A server for one client, which is the first to speak."""

    def serve() -> None:
        with suppress(OSError):
            accepted, _ = listener.accept()
            with tls.wrap_socket(accepted, server_side=True) if tls else accepted as link:
                link.sendall(says)
                heard.append(link.recv(512))

    with listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@contextmanager
def logins(folder: Path, answer: bytes, heard: list[bytes]) -> Iterator[Path]:
    path = folder / "logins"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    with serving(listener, answer, heard):
        yield path


@pytest.mark.parametrize("secure", [False, True])
def test_every_port_greets_and_logins_are_denied(secure: bool, tmp_path: Path) -> None:
    tls = server_context(tmp_path, *self_signed("mail.example.org")) if secure else None
    left: dict[Protocol, list[bytes]] = {protocol: [] for protocol in PROTOCOLS}
    question: list[bytes] = []
    with ExitStack() as servers, logins(tmp_path, b"wrong\n", question) as path:
        ports = []
        for protocol, (greeting, _) in PROTOCOLS.items():
            listener = socket.create_server(("127.0.0.1", 0))
            servers.enter_context(serving(listener, greeting, left[protocol], tls))
            ports.append(Port(listener.getsockname()[1], protocol, implicit_tls=secure))
        assert is_ready(ports, path)
    assert left == {protocol: [leave] for protocol, (_, leave) in PROTOCOLS.items()}
    assert question == [b"\0"]


@pytest.mark.parametrize("says", [b"421 too busy\r\n", b"", b"* OK ready\r\n"])
def test_a_port_that_does_not_greet(says: bytes, tmp_path: Path) -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    port = Port(listener.getsockname()[1], "smtp")
    with serving(listener, says, []), logins(tmp_path, b"wrong\n", []) as path:
        assert not is_ready([port], path, seconds=0.3)


def test_a_port_where_nobody_listens(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = Port(listener.getsockname()[1], "smtp")
    with logins(tmp_path, b"wrong\n", []) as path:
        assert not is_ready([port], path)


@pytest.mark.parametrize("answer", [b"right\n", b""])
def test_logins_that_are_not_denied(answer: bytes, tmp_path: Path) -> None:
    with logins(tmp_path, answer, []) as path:
        assert not is_ready([], path, seconds=0.3)


def test_logins_that_nobody_checks(tmp_path: Path) -> None:
    assert not is_ready([], tmp_path / "nothing")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        # It stays in memory for good.
        (
            "entrypoint.supervise.__main__",
            ("asyncio", "cryptography", "pydantic", "dns", "ssl", "http.client", "xmlrpc.client"),
        ),
        # So does this, and does the rest in children.
        ("entrypoint.maintenance.__main__", ("dns", "jinja2", "h11")),
        # It runs every minute, and has to be fast.
        (
            "entrypoint.health.__main__",
            ("http.client", "email", "pydantic", "dns", "cryptography", "jinja2", "click"),
        ),
    ],
)
def test_what_looks_all_the_time_is_light(module: str, unwanted: Sequence[str]) -> None:
    script = f"import sys, {module}; print([n for n in {unwanted!r} if n in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert loaded.stdout == "[]\n"
