"""FilterServer on a real socket pair, with handlers that wait, fail, or outlive their client."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from filters.smtpd import PROCEED, Disconnect, FilterServer, Reject, Request, Rewrite, Session
from filters.smtpd.budget import Budget
from filters.smtpd.connection import ENDED_SESSIONS, Connection
from filters.smtpd.handlers import Handler

from .feeding import feed

SESSION = "0123456789abcdef"
READY = b"config|admd|mail.example.org\nconfig|ready\n"


class Smtpd:
    """The other end of the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    def say(self, *lines: bytes) -> None:
        self.writer.write(b"".join(line + b"\n" for line in lines))

    def request(self, phase: bytes, token: bytes, parameter: bytes = b"") -> None:
        self.say(b"|".join([b"filter|0.7|1.1|smtp-in", phase, SESSION.encode(), token, parameter]))

    def message(self, token: bytes, *lines: bytes) -> None:
        for line in (*lines, b"."):
            self.request(b"data-line", token, line)

    def report(self, event: bytes, *fields: bytes) -> None:
        self.say(b"|".join([b"report|0.7|1.1|smtp-in", event, SESSION.encode(), *fields]))

    async def line(self) -> bytes:
        async with asyncio.timeout(10):
            return (await self.reader.readline()).removesuffix(b"\n")

    async def until(self, wanted: bytes) -> None:
        while wanted != await self.line():
            pass


@asynccontextmanager
async def running(server: FilterServer) -> AsyncIterator[Smtpd]:
    ours, theirs = socket.socketpair()
    task = asyncio.create_task(server.serve(theirs))
    reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 26)
    smtpd = Smtpd(reader, writer)
    writer.write(READY)
    await smtpd.until(b"register|ready")
    yield smtpd
    writer.close()
    await writer.wait_closed()
    async with asyncio.timeout(10):
        await task


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def result(token: bytes, verdict: bytes) -> bytes:
    return b"filter-result|" + SESSION.encode() + b"|" + token + b"|" + verdict


def test_a_slow_handler_keeps_nobody_else_waiting() -> None:
    async def main() -> None:
        release = asyncio.Event()

        async def slow(context: object, request: object) -> None:
            await release.wait()

        server = FilterServer()
        server.register_handler("filter", "mail-from", slow)
        server.register_handler("filter", "helo", lambda context, request: PROCEED)
        async with running(server) as smtpd:
            smtpd.request(b"mail-from", b"aa", b"x@example.org")
            smtpd.request(b"helo", b"bb", b"x")
            assert await smtpd.line() == result(b"bb", b"proceed")
            release.set()
            assert await smtpd.line() == result(b"aa", b"proceed")

    asyncio.run(main())


def test_a_handler_past_its_deadline_is_answered_for() -> None:
    async def main() -> None:
        async def never(context: object, request: object) -> None:
            await asyncio.Event().wait()

        async def never_filter(session: Session, message: bytes) -> bytes:
            await asyncio.Event().wait()
            return message

        server = FilterServer(deadline=0.05)
        server.register_handler("filter", "rcpt-to", never)
        server.register_message_filter(never_filter)
        async with running(server) as smtpd:
            smtpd.request(b"rcpt-to", b"aa", b"x@example.org")
            assert (await smtpd.line()).startswith(result(b"aa", b"reject|451 "))
            smtpd.message(b"bb", b"Subject: x")
            assert await smtpd.line() == b"filter-dataline|" + SESSION.encode() + b"|bb|Subject: x"
            assert await smtpd.line() == b"filter-dataline|" + SESSION.encode() + b"|bb|."
            smtpd.request(b"commit", b"cc")
            assert (await smtpd.line()).startswith(result(b"cc", b"reject|451 "))

    asyncio.run(main())


def test_a_dead_session_is_not_answered_and_its_work_ends() -> None:
    async def main() -> None:
        started, ended = asyncio.Event(), asyncio.Event()

        async def wait(session: Session, message: bytes) -> bytes:
            started.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()
            return message

        server = FilterServer()
        server.register_handler("filter", "noop", lambda context, request: PROCEED)
        server.register_message_filter(wait)
        async with running(server) as smtpd:
            smtpd.report(b"link-connect", b"x", b"pass", b"192.0.2.1:1", b"192.0.2.2:25")
            smtpd.message(b"aa", b"Subject: x")
            async with asyncio.timeout(10):
                await started.wait()
            smtpd.report(b"link-disconnect")
            async with asyncio.timeout(10):
                await ended.wait()
            smtpd.report(b"link-connect", b"x", b"pass", b"192.0.2.1:1", b"192.0.2.2:25")
            smtpd.request(b"noop", b"bb")
            assert await smtpd.line() == result(b"bb", b"proceed")

    asyncio.run(main())


@pytest.mark.parametrize("event", ["link-auth", "link-disconnect"])
def test_what_a_session_did_is_told_to_the_end_though_it_has_left(event: str) -> None:
    """A client that guesses a password and leaves at once must be counted, too."""

    async def main() -> None:
        told = asyncio.Event()

        async def tell(session: Session, report: object) -> None:
            await asyncio.sleep(0)
            told.set()

        server = FilterServer()
        server.track_context()
        server.register_handler("report", event, tell)
        async with running(server) as smtpd:
            smtpd.report(b"link-connect", b"x", b"pass", b"192.0.2.1:1", b"192.0.2.2:25")
            if event == "link-auth":
                smtpd.report(b"link-auth", b"fail", b"alice@example.org")
            smtpd.report(b"link-disconnect")
            async with asyncio.timeout(10):
                await told.wait()

    asyncio.run(main())


def test_a_report_handler_has_a_deadline() -> None:
    async def main() -> None:
        ended = asyncio.Event()

        async def never(context: object, report: object) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        server = FilterServer(deadline=0.05)
        server.register_handler("report", "timeout", never)
        async with running(server) as smtpd:
            smtpd.report(b"timeout")
            async with asyncio.timeout(10):
                await ended.wait()

    asyncio.run(main())


@pytest.mark.parametrize("raised", [RuntimeError("bug"), KeyError("x"), UnicodeError("é")])
def test_whatever_a_coroutine_raises_earns_451(raised: Exception) -> None:
    async def main() -> None:
        async def fail(session: Session, message: bytes) -> bytes:
            await asyncio.sleep(0)
            raise raised

        server = FilterServer()
        server.register_message_filter(fail)
        async with running(server) as smtpd:
            smtpd.message(b"aa", b"Subject: x")
            await smtpd.until(b"filter-dataline|" + SESSION.encode() + b"|aa|.")
            smtpd.request(b"commit", b"bb")
            assert (await smtpd.line()).startswith(result(b"bb", b"reject|451 "))

    asyncio.run(main())


@pytest.mark.parametrize(
    "returned", [None, "text", 7, b"a NUL\0 in it"], ids=["None", "text", "int", "NUL"]
)
def test_what_is_no_message_earns_451_and_the_original_goes_back(returned: object) -> None:
    async def main() -> None:
        server = FilterServer()
        server.register_message_filter(lambda session, message: returned)  # type: ignore[arg-type,return-value]
        async with running(server) as smtpd:
            smtpd.message(b"aa", b"Subject: x")
            assert (await smtpd.line()).endswith(b"|aa|Subject: x")
            assert (await smtpd.line()).endswith(b"|aa|.")
            smtpd.request(b"commit", b"bb")
            answer = await smtpd.line()
            assert answer.startswith(result(b"bb", b"reject|451 "))

    asyncio.run(main())


@pytest.mark.parametrize(
    ("length", "wanted"), [(65_485, b"proceed"), (65_486, b"reject|554 5.6.0 ")]
)
def test_the_longest_line_that_smtpd_can_take_back(length: int, wanted: bytes) -> None:
    async def main() -> None:
        server = FilterServer()
        server.register_message_filter(lambda session, message: message)
        async with running(server) as smtpd:
            smtpd.message(b"aa", b"Subject: x", b"", b"x" * length)
            await smtpd.until(b"filter-dataline|" + SESSION.encode() + b"|aa|.")
            smtpd.request(b"commit", b"bb")
            answer = await smtpd.line()
            assert answer.startswith(result(b"bb", wanted))
            if wanted != b"proceed":
                assert b"65485" in answer

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["function", "coroutine"])
@pytest.mark.parametrize("what", ["changed", "refused", "raises"])
def test_a_large_message_is_filtered_in_its_turn_while_others_go_on(
    kind: str, what: str, tmp_path: Path
) -> None:
    body = [b"line %d" % number + b"." * (number % 80) for number in range(60_000)]
    body[7] = b".dot"

    def decide(message: bytes) -> bytes | Reject:
        if what == "raises":
            raise RuntimeError("bug")
        return Reject(550, "5.7.1 no") if what == "refused" else b"X: y\r\n" + message

    def function(session: Session, message: bytes) -> bytes | Reject:
        return decide(message)

    async def coroutine(session: Session, message: bytes) -> bytes | Reject:
        await asyncio.sleep(0)
        return decide(message)

    async def main() -> None:
        server = FilterServer(spool=tmp_path)
        server.register_handler("filter", "noop", lambda context, request: PROCEED)
        server.register_message_filter(function if kind == "function" else coroutine)
        async with running(server) as smtpd:
            smtpd.message(b"aa", *(b"." + line if line.startswith(b".") else line for line in body))
            prefix = b"filter-dataline|" + SESSION.encode() + b"|aa|"
            wanted = [b"X: y", *body] if what == "changed" else body
            for line in wanted:
                assert (
                    await smtpd.line() == prefix + (b"." if line.startswith(b".") else b"") + line
                )
            assert await smtpd.line() == prefix + b"."
            smtpd.request(b"commit", b"bb")
            verdict = {"changed": b"proceed", "refused": b"reject|550 ", "raises": b"reject|451 "}
            assert (await smtpd.line()).startswith(result(b"bb", verdict[what]))
        assert server._dispatcher.message_filter is not None
        assert (
            server._dispatcher.message_filter.budget.free
            == server._dispatcher.message_filter.budget.total
        )

    asyncio.run(main())


def test_without_room_on_the_disk_the_sender_is_told(tmp_path: Path) -> None:
    async def main() -> None:
        server = FilterServer(spool=tmp_path / "is-not-there")
        server.register_message_filter(lambda session, message: message)
        async with running(server) as smtpd:
            smtpd.message(b"aa", *[b"x" * 900] * 1000)
            await smtpd.until(b"filter-dataline|" + SESSION.encode() + b"|aa|.")
            smtpd.request(b"commit", b"bb")
            assert (await smtpd.line()).startswith(result(b"bb", b"reject|452 4.3.1 "))

    asyncio.run(main())


def test_a_budget_is_given_in_turn_and_back_when_a_waiter_leaves() -> None:
    async def main() -> None:
        budget = Budget(10)
        order: list[str] = []

        async def hold(name: str, amount: int, until: asyncio.Event) -> None:
            async with budget.hold(amount):
                order.append(name)
                await until.wait()

        first, rest = asyncio.Event(), asyncio.Event()
        a = asyncio.create_task(hold("a", 6, first))
        b = asyncio.create_task(hold("b", 99, rest))  # more than all is all
        c = asyncio.create_task(hold("c", 4, rest))  # would fit, but b was there before
        await asyncio.sleep(0)
        assert order == ["a"]
        b.cancel()
        await asyncio.wait([b])
        await asyncio.sleep(0)
        assert order == ["a", "c"]
        first.set()
        rest.set()
        await asyncio.gather(a, c)
        assert budget.free == 10

    asyncio.run(main())


def test_a_line_feed_of_the_handlers_own_is_no_line_of_the_protocol() -> None:
    async def main() -> None:
        server = FilterServer()
        server.register_message_filter(
            lambda session, message: b"A: b\nfilter-result|x|y|proceed\n.\nz" + message
        )
        async with running(server) as smtpd:
            smtpd.message(b"aa", b"Subject: x")
            prefix = b"filter-dataline|" + SESSION.encode() + b"|aa|"
            for line in (b"A: b", b"filter-result|x|y|proceed", b"..", b"zSubject: x", b"."):
                assert await smtpd.line() == prefix + line

    asyncio.run(main())


@pytest.mark.parametrize(
    ("came", "back"),
    [([], [b"A: b"]), ([b""], [b"A: b", b""]), ([b"", b"..x"], [b"A: b", b"", b"..x"])],
)
def test_what_is_put_in_front_is_all_that_is_added(came: list[bytes], back: list[bytes]) -> None:
    server = FilterServer()
    server.register_message_filter(lambda session, message: b"A: b\r\n" + message)
    sid = SESSION.encode()
    head = b"filter|0.7|1|smtp-in|data-line|" + sid + b"|aa|"
    said = feed(server, [READY, *(head + payload + b"\n" for payload in [*came, b"."])])
    prefix = b"filter-dataline|" + sid + b"|aa|"
    assert b"".join(said[1:]) == b"".join(prefix + payload + b"\n" for payload in [*back, b"."])


def test_the_context_knows_the_client_and_is_freed() -> None:
    async def main() -> None:
        seen: list[Session] = []

        def look(session: Session, message: bytes) -> bytes:
            seen.append(session)
            return message

        server = FilterServer()
        server.register_message_filter(look)
        async with running(server) as smtpd:
            smtpd.report(
                b"link-connect", b"a.example", b"pass", b"[2001:db8::1]:4321", b"[2001:db8::2]:25"
            )
            smtpd.report(b"link-identify", b"EHLO", b"client|name")
            smtpd.report(b"link-tls", b"TLSv1.3:X:256")
            smtpd.report(b"link-auth", b"fail", b"nobody")
            smtpd.report(b"link-auth", b"pass", b"alice@example.org")
            smtpd.report(b"tx-mail", b"00000000", b"permfail", b"bad")
            smtpd.report(b"tx-begin", b"01234567")
            smtpd.report(b"tx-mail", b"01234567", b"ok", b"a|b@example.org")
            smtpd.report(b"tx-rcpt", b"01234567", b"ok", b"c@example.org")
            smtpd.report(b"tx-rcpt", b"01234567", b"permfail", b"d|\xff\x00@example.org")
            smtpd.message(b"aa", b"Subject: x")
            await smtpd.until(b"filter-dataline|" + SESSION.encode() + b"|aa|.")
            (session,) = seen
            assert session.client_address == "2001:db8::1"
            assert not session.local
            assert session.helo == "client|name"
            assert session.tls == "TLSv1.3:X:256"
            assert session.user == "alice@example.org"
            assert session.transaction is not None
            assert session.transaction.sender == "a|b@example.org"
            assert session.transaction.recipients == ["c@example.org"]
            smtpd.report(b"tx-reset", b"01234567")
            smtpd.report(b"link-disconnect")
            smtpd.report(b"link-connect", b"x", b"pass", b"192.0.2.1:1", b"192.0.2.2:25")
            smtpd.message(b"bb", b"Subject: y")
            await smtpd.until(b"filter-dataline|" + SESSION.encode() + b"|bb|.")
            assert seen[1] is not session
            assert seen[1].user is None

    asyncio.run(main())


def test_dropped_messages_leave_nothing_behind() -> None:
    server = FilterServer()
    server.register_message_filter(lambda session, message: message)
    said = bytearray()
    server.receive(READY, said.extend)
    sid = SESSION.encode()
    dropped = b"".join(
        [
            b"report|0.7|1|smtp-in|link-connect|" + sid + b"|x|pass|192.0.2.1:1|192.0.2.2:25\n",
            b"report|0.7|1|smtp-in|tx-begin|" + sid + b"|01234567\n",
            b"filter|0.7|1|smtp-in|data-line|" + sid + b"|aa|half a line\n",
            b"report|0.7|1|smtp-in|tx-rollback|" + sid + b"|01234567\n",
            b"report|0.7|1|smtp-in|tx-reset|" + sid + b"|01234567\n",
            b"report|0.7|1|smtp-in|link-disconnect|" + sid + b"\n",
        ]
    )
    for number in range(100_000):
        server.receive(dropped.replace(sid, b"%016x" % number), said.extend)
    assert held(server) == 0


def held(server: FilterServer) -> int:
    """Sessions, messages and requests that a server has memory for."""
    assert server._dispatcher.message_filter is not None
    return (
        len(server._dispatcher.sessions)
        + len(server._dispatcher.message_filter.store)
        + server._connection.open_requests
    )


BEHIND_THE_END = {
    "a request": [b"filter|0.7|1|smtp-in|noop|SID|bb|"],
    "a whole message": [
        b"filter|0.7|1|smtp-in|data-line|SID|aa|Subject: x",
        b"filter|0.7|1|smtp-in|data-line|SID|aa|.",
        b"filter|0.7|1|smtp-in|commit|SID|cc|",
    ],
    "half a message": [b"filter|0.7|1|smtp-in|data-line|SID|aa|Subject: x"],
    "reports": [
        b"report|0.7|1|smtp-in|tx-begin|SID|01234567",
        b"report|0.7|1|smtp-in|tx-reset|SID|01234567",
        b"report|0.7|1|smtp-in|link-disconnect|SID",
    ],
}


@pytest.mark.parametrize("what", BEHIND_THE_END)
@pytest.mark.parametrize("manner", ["in the same read", "in a read of its own"])
def test_what_comes_behind_a_sessions_end_is_passed_over(what: str, manner: str) -> None:
    server = FilterServer()
    server.register_handler("filter", "noop", lambda context, request: PROCEED)
    server.register_message_filter(lambda session, message: message)
    before = [
        b"report|0.7|1|smtp-in|link-connect|SID|x|pass|192.0.2.1:1|192.0.2.2:25",
        b"filter|0.7|1|smtp-in|noop|SID|bb|",
        b"report|0.7|1|smtp-in|link-disconnect|SID",
    ]
    lines = [line.replace(b"SID", SESSION.encode()) + b"\n" for line in before]
    behind = [line.replace(b"SID", SESSION.encode()) + b"\n" for line in BEHIND_THE_END[what]]
    reads = [b"".join(lines + behind)] if manner == "in the same read" else lines + behind
    said = feed(server, [READY, *reads])
    assert b"".join(said[1:]) == result(b"bb", b"proceed") + b"\n"  # to what came before its end
    assert held(server) == 0


def test_the_ends_of_sessions_are_not_kept_for_ever() -> None:
    connection = Connection()
    for number in range(2 * ENDED_SESSIONS):
        connection.forget(f"{number:016x}")
    assert len(connection._ended) == ENDED_SESSIONS


def test_a_filter_hears_of_the_events_only_that_it_looks_at() -> None:
    server = FilterServer()
    server.track_context(["link-auth"])
    server.register_message_filter(lambda session, message: message)
    said = bytearray()
    server.receive(READY, said.extend)
    heard = [line.split(b"|")[-1] for line in said.split(b"\n") if b"|report|" in line]
    assert heard == [b"tx-reset", b"link-disconnect", b"link-auth"]
    with pytest.raises(ValueError, match="smtpd knows no such event"):
        server.track_context(["wiz"])


@pytest.mark.parametrize(
    ("event", "phase"),
    [
        ("filter", "wiz"),
        ("filter", "data-line"),
        ("report", "*"),
        ("report", "x"),
        ("other", "helo"),
    ],
)
def test_what_would_kill_smtpd_cannot_be_registered(event: str, phase: str) -> None:
    with pytest.raises(ValueError, match="smtpd"):
        FilterServer().register_handler(event, phase, lambda context, request: PROCEED)


def handlers(*answers: object) -> tuple[FilterServer, list[int]]:
    """A server that asks so many handlers at RCPT; which of them it asked, in order."""
    server = FilterServer(deadline=0.5)
    asked: list[int] = []

    def handler(number: int, answer: object) -> Handler:
        async def later() -> object:
            await asyncio.sleep(0)
            if answer == "later hang":
                await asyncio.Event().wait()
            if answer == "later raise":
                raise RuntimeError("a bug behind an await")
            return None if answer == "later" else answer

        def ask(context: object, request: Request) -> object:
            before = [each.parameter for each in answers[: number - 1] if isinstance(each, Rewrite)]
            assert request.text == ["a@b.test", *before][-1]
            asked.append(number)
            if answer == "raise":
                raise RuntimeError("a bug")
            slow = isinstance(answer, str) or (
                isinstance(answer, Reject) and "later" in answer.text
            )
            return later() if slow else answer

        return ask  # type: ignore[return-value]

    for number, answer in enumerate(answers, 1):
        server.register_handler("filter", "rcpt-to", handler(number, answer))
    return server, asked


NOW, LATER = Reject(550, "now"), Reject(550, "later")


@pytest.mark.parametrize(
    ("answers", "verdict", "last"),
    [
        ((None, PROCEED, None), b"proceed", 3),
        ((None, NOW, LATER), b"reject|550 now", 2),
        ((LATER, NOW), b"reject|550 later", 1),
        (("later", PROCEED, "later", NOW, None), b"reject|550 now", 4),
        ((PROCEED, "later", LATER, NOW), b"reject|550 later", 3),
        (("later", None, "later"), b"proceed", 3),
        ((None, Rewrite("c@d.test"), None), b"rewrite|<c@d.test>", 3),
        ((Rewrite("c@d.test"), "later", None), b"rewrite|<c@d.test>", 3),
        (("later", Rewrite("c@d.test"), PROCEED), b"rewrite|<c@d.test>", 3),
        ((Rewrite("c@d.test"), Rewrite("e@f.test"), "later"), b"rewrite|<e@f.test>", 3),
        ((Rewrite("c@d.test"), NOW, LATER), b"reject|550 now", 2),
        ((Rewrite("c@d.test"), LATER, NOW), b"reject|550 later", 2),
        ((Rewrite("c@d.test"), "later hang", NOW), b"reject|451", 2),
        ((None, Disconnect(421, "now"), NOW), b"disconnect|421 now", 2),
        ((None, {"no": "verdict"}, NOW), b"reject|451", 2),
        ((None, "raise", NOW), b"reject|451", 2),
        ((None, "later raise", NOW), b"reject|451", 2),
        (("later", "raise", NOW), b"reject|451", 2),
        (("later", "later hang", NOW), b"reject|451", 2),
    ],
)
def test_the_handlers_of_a_phase_are_asked_in_order_until_one_refuses(
    answers: tuple[object, ...], verdict: bytes, last: int
) -> None:
    async def work() -> None:
        server, asked = handlers(*answers)
        async with running(server) as smtpd:
            smtpd.request(b"rcpt-to", b"t1", b"a@b.test")
            smtpd.request(b"rcpt-to", b"t2", b"a@b.test")
            # One line each: what the first of them began does not hold up the second.
            said = sorted([await smtpd.line(), await smtpd.line()])
        for token, line in zip((b"t1", b"t2"), said, strict=True):
            head = b"filter-result|" + SESSION.encode() + b"|" + token + b"|"
            assert line.startswith(head + verdict), line
        assert sorted(asked) == sorted([*range(1, last + 1)] * 2)

    asyncio.run(work())


@pytest.mark.parametrize(("phase", "code"), [("mail-from", b"5.1.7"), ("rcpt-to", b"5.1.3")])
def test_a_path_that_smtpd_would_not_report_is_refused(phase: str, code: bytes) -> None:
    """254 octets fit SMTPD_MAXMAILADDRSIZE with the bracket at their end."""

    async def work() -> None:
        server = FilterServer()
        server.register_handler("filter", phase, lambda context, request: PROCEED)
        server.register_handler("filter", "helo", lambda context, request: PROCEED)
        async with running(server) as smtpd:
            for size, said in ((254, b"proceed"), (255, b"reject|501 " + code)):
                smtpd.request(phase.encode(), b"t1", b"@" + b"r" * (size - 7) + b":a@b.c")
                assert (await smtpd.line()).startswith(result(b"t1", said).rstrip(b"\n"))
            smtpd.request(b"helo", b"t1", b"r" * 300)
            assert await smtpd.line() == result(b"t1", b"proceed")

    asyncio.run(work())


def test_a_phase_is_registered_once_however_many_handlers_it_has() -> None:
    async def work() -> None:
        server, _ = handlers(None, None)
        ours, theirs = socket.socketpair()
        serving = asyncio.create_task(server.serve(theirs))
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(READY)
        lines = [await reader.readline()]
        while lines[-1] != b"register|ready\n":
            lines.append(await reader.readline())
        assert lines.count(b"register|filter|smtp-in|rcpt-to\n") == 1
        writer.close()
        await serving

    asyncio.run(work())


PROGRAM = """
import gc
from filters.smtpd import FilterServer
server = FilterServer()
def handler(session, message):
    print("from a library; gc:", gc.isenabled())
    return message
server.register_message_filter(handler)
server.serve_forever()
"""


def test_the_process_prints_nothing_into_the_protocol_and_ends_at_eof_only() -> None:
    ours, theirs = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    theirs.close()
    ours.settimeout(20)
    stream = ours.makefile("rwb")
    stream.write(READY)
    stream.flush()
    while stream.readline() != b"register|ready\n":
        pass
    process.terminate()  # a stray signal is no reason to take smtpd along
    sid = SESSION.encode()
    stream.write(b"filter|0.7|1|smtp-in|data-line|" + sid + b"|aa|.\n")
    stream.flush()
    assert stream.readline().startswith(b"filter-dataline|" + sid + b"|aa|")
    stream.close()
    ours.close()
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert b"from a library; gc: False" in errors


def test_a_reply_is_short() -> None:
    assert len(Reject(550, "x" * 20_000).reply) < 512
