"""One complete message in each turn of the loop, and what goes on between two of them."""

import asyncio
import logging
import os
import socket
from pathlib import Path

import pytest

from filters.smtpd import PROCEED, FilterServer, Reject, Session
from filters.smtpd.messages import IncomingMessage

from .feeding import feed

READY = b"config|admd|mail.example.org\nconfig|ready\n"
ONE, TWO, THREE = (b"%016x" % number for number in (1, 2, 3))


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def request(session: bytes, phase: bytes, parameter: bytes = b"") -> bytes:
    return b"|".join([b"filter|0.7|1.1|smtp-in", phase, session, phase, parameter]) + b"\n"


def report(session: bytes, event: bytes, *fields: bytes) -> bytes:
    return b"|".join([b"report|0.7|1.1|smtp-in", event, session, *fields]) + b"\n"


def message(session: bytes, *lines: bytes) -> bytes:
    return b"".join(request(session, b"data-line", line) for line in (*lines, b"."))


def back(session: bytes, *lines: bytes) -> bytes:
    head = b"filter-dataline|" + session + b"|data-line|"
    return b"".join(head + line + b"\n" for line in (*lines, b"."))


def answer(session: bytes, phase: bytes, verdict: bytes = b"proceed") -> bytes:
    return b"|".join([b"filter-result", session, phase, verdict]) + b"\n"


def echo(seen: list[bytes] | None = None) -> FilterServer:
    def handler(session: Session, raw: bytes) -> bytes | Reject:
        if seen is not None:
            seen.append(raw)
        if raw == b"raise\r\n":
            raise RuntimeError("a bug")
        return Reject(550, "5.7.1 no") if raw == b"refuse\r\n" else raw

    server = FilterServer()
    server.register_handler("filter", "mail-from", lambda context, request: PROCEED)
    server.register_message_filter(handler)
    return server


def test_a_question_behind_two_messages_is_answered_before_the_second() -> None:
    read = message(ONE, b"a") + message(TWO, b"b") + request(THREE, b"mail-from", b"x@y.test")
    said = b"".join(feed(echo(), [READY, read])[1:])
    assert said == answer(THREE, b"mail-from") + back(ONE, b"a") + back(TWO, b"b")


def test_what_comes_while_a_message_is_filtered_is_answered_before_the_next() -> None:
    """Through a real socket: the loop reads between two messages."""
    ours, theirs = socket.socketpair()
    ours.settimeout(10)

    def ask_meanwhile(session: Session, raw: bytes) -> bytes:
        ours.sendall(request(THREE, b"mail-from", b"x@y.test"))
        return raw

    server = FilterServer()
    server.register_handler("filter", "mail-from", lambda context, request: PROCEED)
    server.register_message_filter(ask_meanwhile)
    ours.sendall(READY + message(ONE, b"a") + message(TWO, b"b"))
    end = back(TWO, b"b") + answer(THREE, b"mail-from")

    async def main() -> bytes:
        serving = asyncio.create_task(server.serve(theirs))
        said = b""
        while not said.endswith(end):
            said += await asyncio.to_thread(ours.recv, 65_536)
        ours.close()
        await serving
        return said.partition(b"register|ready\n")[2]

    said = asyncio.run(asyncio.wait_for(main(), 10))
    assert said == back(ONE, b"a") + answer(THREE, b"mail-from") + end


@pytest.mark.parametrize("how", ["in its handler", "before it is asked"])
def test_a_failure_does_not_end_the_turns_of_the_others(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if how == "before it is asked":
        read = IncomingMessage.read

        def fail(incoming: IncomingMessage) -> bytes:
            raw = read(incoming)
            if raw == b"raise\r\n":
                raise MemoryError
            return raw

        monkeypatch.setattr(IncomingMessage, "read", fail)
    seen: list[bytes] = []
    reads = [READY, message(ONE, b"raise") + message(TWO, b"b") + message(THREE, b"c")]
    said = b"".join(feed(echo(seen), reads)[1:])
    assert said.endswith(back(TWO, b"b") + back(THREE, b"c"))
    assert seen[-2:] == [b"b\r\n", b"c\r\n"]


@pytest.mark.parametrize("event", [b"link-disconnect", b"tx-reset", b"tx-rollback"])
def test_a_message_whose_transaction_is_over_is_skipped(event: bytes) -> None:
    seen: list[bytes] = []
    server = echo(seen)
    over = report(TWO, event, b"01234567") if event.startswith(b"tx") else report(TWO, event)
    said = feed(server, [READY, message(ONE, b"a") + message(TWO, b"b") + over])
    assert b"".join(said[1:]) == back(ONE, b"a")
    assert seen == [b"a\r\n"]
    assert server._dispatcher.message_filter is not None
    assert len(server._dispatcher.message_filter.store) == 1  # the verdict of the first


def test_the_commit_that_comes_too_early_has_the_verdict_all_the_same() -> None:
    read = message(ONE, b"refuse") + message(TWO, b"b") + request(ONE, b"commit")
    said = b"".join(feed(echo(), [READY, read])[1:])
    refused = answer(ONE, b"commit", b"reject|550 5.7.1 no")
    assert said == back(ONE, b"refuse") + refused + back(TWO, b"b")


def test_two_messages_of_a_session_keep_their_order() -> None:
    read = message(ONE, b"refuse") + message(ONE, b"b")
    said = b"".join(feed(echo(), [READY, read, request(ONE, b"commit") * 2])[1:])
    verdicts = answer(ONE, b"commit", b"reject|550 5.7.1 no") + answer(ONE, b"commit")
    assert said == back(ONE, b"refuse") + back(ONE, b"b") + verdicts


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- no list of paths that are gone


@pytest.mark.parametrize("what", ["its client leaves", "smtpd ends"])
def test_a_large_message_that_waits_for_its_turn_is_freed(what: str, tmp_path: Path) -> None:
    async def main() -> None:
        server = FilterServer(spool=tmp_path)
        server.register_message_filter(lambda session, raw: raw)
        said = bytearray()
        server.receive(READY, said.extend)
        said.clear()
        before = open_files()
        server.receive(message(ONE, *[b"x" * 1_000] * 400), said.extend)
        assert open_files() == before + 1
        if what == "smtpd ends":
            server._dispatcher.close()
        else:
            server.receive(report(ONE, b"link-disconnect"), said.extend)
        assert open_files() == before
        assert server.at_rest
        await asyncio.sleep(0)
        assert not said

    asyncio.run(main())


def test_nothing_is_filtered_once_smtpd_has_ended() -> None:
    seen: list[bytes] = []
    server = echo(seen)

    async def main() -> None:
        ours, theirs = socket.socketpair()
        serving = asyncio.create_task(server.serve(theirs))
        ours.sendall(READY + b"".join(message(b"%016x" % n, b"a") for n in range(50)))
        while not seen:
            await asyncio.sleep(0)
        ours.close()
        await serving
        assert server.at_rest
        assert len(seen) < 50

    asyncio.run(asyncio.wait_for(main(), 10))
