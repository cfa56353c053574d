"""Questions under one deadline: real servers on the loopback network that answer, lie or hang."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from entrypoint.health import examine
from entrypoint.maintenance.control_socket import Outcome
from entrypoint.probe import name_servers
from entrypoint.probe.dialog import socket_dialog
from entrypoint.probe.questions import Answers, Probe, Question, ask_all
from entrypoint.tls.self_signed import self_signed

from ..certificates import server_context
from ..maintenance.answering import answering as controlled


def ask(question: Question, seconds: float = 5.0) -> Probe:
    return asyncio.run(ask_all({"one": question}, seconds)).probes["one"]


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
                with contextlib.suppress(OSError):
                    while link.recv(4096):  # until the client goes
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize("secure", [False, True])
def test_the_web_service_answers(secure: bool, tmp_path: Path) -> None:
    with answering(b"HTTP/1.1 404 Not Found\r\n\r\n", tmp_path if secure else None) as port:
        assert ask(partial(examine.web, port, tls=secure)).answered


def test_another_answer_is_told() -> None:
    with answering(b"220 smtp\r\n") as port:
        probe = ask(partial(examine.web, port, tls=False))
    assert probe.said == "request: no HTTP: b'220 smtp\\r\\n'"
    assert not probe.silent


def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = int(listener.getsockname()[1])
    assert ask(partial(examine.web, free, tls=False)).said == "connect: Connection refused"


def test_the_maintenance_process_answers_while_a_change_hangs(tmp_path: Path) -> None:
    async def hang() -> Outcome:
        await asyncio.sleep(60)
        return Outcome()

    path = tmp_path / "socket"
    with controlled(path, {"apply": hang}), socket.socket(socket.AF_UNIX) as link:
        link.connect(str(path))
        link.sendall(b'{"request": "apply"}\n')
        assert ask(partial(examine.maintenance, path=path)).answered


def test_a_maintenance_process_that_hangs_is_silent(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket"))
        listener.listen()
        probe = ask(partial(examine.maintenance, path=tmp_path / "socket"), 0.4)
    assert (probe.silent, probe.step) == (True, "ping")


@pytest.mark.parametrize(("tls", "step"), [(False, "request"), (True, "TLS")])
def test_silence_is_bounded_and_the_step_is_known(tls: bool, step: str) -> None:
    with answering(None) as port:
        begin = time.monotonic()
        probe = ask(partial(examine.web, port, tls=tls), 0.4)
        assert time.monotonic() - begin < 2.0
    assert probe.silent
    assert probe.step == step


def test_a_socket_whose_backlog_is_full_is_silence(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(0)
        waiting = [socket.socket(socket.AF_UNIX) for _ in range(4)]
        for link in waiting:
            link.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                link.connect(str(path))

        async def knock(probe: Probe) -> None:
            async with socket_dialog(path, _me()):
                pass

        assert ask(knock, 0.4).silent
        for link in waiting:
            link.close()


def test_a_process_that_is_held_up_knows_that_its_silence_says_nothing() -> None:
    async def held_up(probe: Probe) -> None:
        await asyncio.sleep(0.15)
        time.sleep(1.3)
        await asyncio.sleep(0.15)

    def answers(question: Question) -> Answers:
        return asyncio.run(ask_all({"one": question}, 3.0))

    assert not answers(held_up).conclusive

    async def at_once(probe: Probe) -> None:
        await asyncio.sleep(0.3)

    assert answers(at_once).conclusive


class TestNameServers:
    @staticmethod
    @contextmanager
    def server(answer: bytes | None, after: float = 0.0) -> Iterator[int]:
        """answer: the two bytes behind the number; None: silent."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.bind(("127.0.0.1", 0))
            link.settimeout(5)

            def serve() -> None:
                data, client = link.recvfrom(512)
                time.sleep(after)
                if answer is not None:
                    link.sendto(data[:2] + answer + data[4:], client)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            yield link.getsockname()[1]
            thread.join(5)

    @pytest.mark.parametrize("answer", [b"\x81\x80", b"\x81\x83", b"\x81\x85", b"\x81\x82"])
    def test_any_answer_at_once_will_do(self, answer: bytes) -> None:
        with self.server(answer) as port:
            assert ask(partial(name_servers.ask, ["127.0.0.1"], port=port)).answered

    @pytest.mark.parametrize(
        ("answer", "after"), [(None, 0.0), (b"\x01\x00", 0.0), (b"\x81\x82", 1.6)]
    )
    def test_silence_an_echo_and_a_failure_that_comes_late_are_none(
        self, answer: bytes | None, after: float
    ) -> None:
        with self.server(answer, after) as port:
            assert ask(partial(name_servers.ask, ["127.0.0.1"], port=port), 1.9).silent

    def test_one_of_several_is_enough(self) -> None:
        with self.server(b"\x81\x80") as port:
            servers = ["127.0.0.2", "127.0.0.1"]
            assert ask(partial(name_servers.ask, servers, port=port)).answered

    def test_no_way_to_any_is_told_at_once(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.bind(("127.0.0.1", 0))
            free = link.getsockname()[1]
        probe = ask(partial(name_servers.ask, ["127.0.0.1"], port=free))
        assert probe.said

    def test_each_that_does_not_answer_is_told_with_its_reason(self) -> None:
        with self.server(b"\x81\x80") as port:
            asked = name_servers.unanswering(["127.0.0.1", "127.0.0.2"], 0.5, port=port)
            assert asyncio.run(asked) == {"127.0.0.2": "Connection refused"}
        with self.server(None) as port:
            asked = name_servers.unanswering(["127.0.0.1"], 0.5, port=port)
            assert asyncio.run(asked) == {"127.0.0.1": "nothing within 0.5 s"}

    def test_the_first_three_of_the_file_are_asked(self, tmp_path: Path) -> None:
        file = tmp_path / "resolv.conf"
        file.write_text("# x\nsearch a\n" + "".join(f"nameserver 192.0.2.{n}\n" for n in range(5)))
        assert name_servers.name_servers(file) == ["192.0.2.0", "192.0.2.1", "192.0.2.2"]
        assert name_servers.name_servers(tmp_path / "none") == []


def _me() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name
