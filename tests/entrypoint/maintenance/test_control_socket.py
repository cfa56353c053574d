"""The control socket: who may ask, what is answered, and whatever else somebody sends."""

from __future__ import annotations

import asyncio
import socket
import stat
import threading
import time
from pathlib import Path

import pytest

from entrypoint.maintenance import control_server, control_socket
from entrypoint.maintenance.control_server import Handler
from entrypoint.maintenance.control_socket import Outcome, ask

from .answering import answering

NOT_LIVE = Outcome(False, ("smtpd does not answer", "live: passwords"), (("warning", "é"),))


def returning(outcome: Outcome) -> Handler:
    async def handler() -> Outcome:
        return outcome

    return handler


async def hanging() -> Outcome:
    await asyncio.sleep(60)
    return Outcome()


async def failing() -> Outcome:
    raise RuntimeError("a mistake")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "socket"


def test_it_is_its_owner_s_alone(path: Path) -> None:
    path.touch()  # left by the process before
    with answering(path, {}):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_an_outcome_is_the_same_at_both_ends(path: Path) -> None:
    with answering(path, {"apply": returning(NOT_LIVE), "keys": returning(Outcome())}):
        assert ask("apply", path) == NOT_LIVE
        assert ask("keys", path) == Outcome()


def test_a_ping_is_answered_at_once_while_something_hangs(path: Path) -> None:
    with answering(path, {"apply": hanging}):
        waits = socket.socket(socket.AF_UNIX)
        waits.connect(str(path))
        waits.sendall(b'{"request": "apply"}\n')
        begin = time.monotonic()
        assert ask("ping", path) == Outcome()
        assert time.monotonic() - begin < 5
        waits.close()


def test_what_takes_too_long_or_fails_is_answered_too(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_server, "ANSWERED_WITHIN", 0.2)
    with answering(path, {"apply": hanging, "keys": failing}):
        assert ask("apply", path) == Outcome(False, ("it takes longer than 0.2 s",))
        assert ask("keys", path) == Outcome(False, ("RuntimeError: a mistake",))


@pytest.mark.parametrize(
    "said",
    [b"", b"\n", b"{}\n", b"[1]\n", b'"ping"\n', b"\xff\n", b'{"request": 7}\n', b"x" * 200_000],
)
def test_whatever_else_is_said_hurts_nobody(path: Path, said: bytes) -> None:
    with answering(path, {"apply": returning(Outcome())}):
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(10)
            link.connect(str(path))
            try:
                link.sendall(said)
                link.shutdown(socket.SHUT_WR)
                link.recv(1000)
            except (BrokenPipeError, ConnectionResetError):
                pass
        assert ask("apply", path) == Outcome()


def test_a_process_that_is_not_there_is_given_time_to_start(path: Path) -> None:
    begin = time.monotonic()
    outcome = ask("apply", path, starts_within=0.2)
    assert not outcome.ok
    assert "cannot be asked" in outcome.reasons[0]
    assert 0.2 < time.monotonic() - begin < 5
    found: list[Outcome] = []
    asking = threading.Thread(target=lambda: found.append(ask("ping", path, starts_within=10)))
    asking.start()
    with answering(path, {}):
        asking.join()
    assert found == [Outcome()]


def test_a_process_that_is_stopped_is_not_waited_for_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_socket, "ANSWERED_WITHIN", -1.7)
    with socket.socket(socket.AF_UNIX) as stopped:
        stopped.bind(str(path))
        stopped.listen()
        outcome = ask("apply", path)
    assert outcome == Outcome(False, ("the maintenance process does not answer",))
