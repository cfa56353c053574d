"""`signpost health` and the web service: real services that answer, and others that do not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from entrypoint.self_signed import self_signed
from entrypoint.web_answers import check_web, is_served

from ..certificates import server_context


@contextmanager
def answering(answer: bytes | None, folder: Path | None = None) -> Iterator[int]:
    """The port of a server that gives one answer; None: it never does. folder: with TLS."""
    tls = server_context(folder, *self_signed("mail.example.org")) if folder else None
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            accepted, _ = listener.accept()
            with tls.wrap_socket(accepted, server_side=True) if tls else accepted as link:
                link.recv(512)
                if answer is not None:
                    link.sendall(answer)
                link.recv(512)  # until the client goes

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join()


def test_both_ports_answer(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 404 Not Found\r\n\r\n"
    with answering(answer) as plain, answering(answer, tmp_path) as secure:
        assert check_web([(plain, False), (secure, True)]) == []


@pytest.mark.parametrize(
    ("answer", "said"), [(b"220 smtp\r\n", "no HTTP: b'220 smtp"), (None, "no answer within 0.5 s")]
)
def test_a_port_that_answers_otherwise_is_told(answer: bytes | None, said: str) -> None:
    with answering(answer) as port:
        (problem,) = check_web([(port, False)], timeout=0.5)
    assert problem.startswith(f"port {port}: {said}")


def test_a_port_where_nobody_listens_is_told(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = int(listener.getsockname()[1])
    assert check_web([(free, True)]) == [f"port {free}: [Errno 111] Connection refused"]


def test_it_is_asked_only_where_it_is_served(tmp_path: Path) -> None:
    assert not is_served(tmp_path)
    (tmp_path / "web").mkdir()
    (tmp_path / "web/site.json").write_text("{}")
    assert is_served(tmp_path)
