"""The listening sockets are handed over on a UNIX socket, always the same ones."""

from __future__ import annotations

import contextlib
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from entrypoint.supervise.listening_sockets import ListeningSockets


@dataclass
class Held:
    path: Path

    def __post_init__(self) -> None:
        self.sockets = ListeningSockets(self.path)
        self.sockets.serve()

    def ask(self, question: str) -> tuple[bytes, socket.socket | None]:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(self.path))
            link.sendall(question.encode())
            answer, descriptors, _, _ = socket.recv_fds(link, 1, 1)
        return answer, socket.socket(fileno=descriptors[0]) if descriptors else None

    def take(self, question: str) -> socket.socket:
        answer, handed = self.ask(question)
        assert answer == b"+"
        assert handed is not None
        return handed


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    held = Held(tmp_path / "socket")
    yield held
    held.sockets.close()


def free_port(family: int = socket.AF_INET, host: str = "127.0.0.1") -> int:
    with socket.socket(family) as each:
        each.bind((host, 0))
        port: int = each.getsockname()[1]
        return port


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_who_connects_between_two_holders_is_served_by_the_second(
    held: Held, family: int, host: str
) -> None:
    port = free_port(family, host)
    held.take(f"{host} {port}\n").close()
    with (
        socket.create_connection((host, port), 5) as client,
        held.take(f"{host} {port}\n") as listening,
    ):
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"220")
        assert client.recv(3) == b"220"


def test_only_root_may_ask(held: Held) -> None:
    assert stat.S_IMODE(held.path.stat().st_mode) == 0o600


def test_a_port_that_is_in_use_is_left_to_who_asks(held: Held) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        assert held.ask(f"127.0.0.1 {other.getsockname()[1]}\n") == (b"-", None)


@pytest.mark.parametrize(
    "question", ["", "\n", "127.0.0.1\n", "127.0.0.1 many\n", "x" * 500, "é 1\n"]
)
def test_nonsense_is_survived_and_said(
    held: Held, question: str, logged: list[tuple[str, str]]
) -> None:
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(10)
        link.connect(str(held.path))
        link.sendall(question.encode())
        link.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionResetError):
            assert link.recv(1) == b""
    held.take(f"127.0.0.1 {free_port()}\n").close()
    assert len(logged) == 1


def test_after_the_stop_nobody_waits(held: Held) -> None:
    port = free_port()
    held.take(f"127.0.0.1 {port}\n").close()
    held.sockets.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
    assert held.ask(f"127.0.0.1 {port}\n") == (b"-", None)


def test_what_the_last_start_did_not_get_can_be_bound(held: Held) -> None:
    one, other = free_port(), free_port()
    held.take(f"127.0.0.1 {one}\n").close()
    held.take(f"127.0.0.1 {other}\n").close()
    held.sockets.begin()
    held.take(f"127.0.0.1 {one}\n").close()
    held.sockets.begin()
    with socket.create_server(("127.0.0.1", other)):
        pass
    socket.create_connection(("127.0.0.1", one), 5).close()


def test_where_it_cannot_serve_it_says_so(tmp_path: Path, logged: list[tuple[str, str]]) -> None:
    Held(tmp_path / "none" / "socket")
    assert len(logged) == 1
