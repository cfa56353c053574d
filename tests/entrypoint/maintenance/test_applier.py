"""One application after the other, a step at a time, on real files and real configurations."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from entrypoint.config.environ import load
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.log_line import LogLine, Say
from entrypoint.maintenance.applier import RETRIES, RETRIES_SOON, Applier
from entrypoint.maintenance.apply import Prepared
from entrypoint.maintenance.control_socket import Outcome
from entrypoint.maintenance.progress import Progress
from entrypoint.maintenance.reload import Changes, NotLiveYetError
from entrypoint.maintenance.watch import SETTLES, WatchedFiles

Value = TypeVar("Value")
Lines = list[tuple[str, str]]


class Server:
    """A file of accounts and one that commands write, and what was logged since one last asked."""

    def __init__(self, folder: Path, lines: Lines, warnings: list[str] | None = None) -> None:
        self.warnings = warnings or []
        self.readings = 0
        self.lines = lines
        self.failure: Exception | None = None
        self.not_live: list[str] = []
        self.hangs: asyncio.Event | None = None
        self.went_live: list[Settings] = []
        self.accounts, self.stored = folder / "accounts", folder / "accounts.json"
        self.stored.write_text("")
        self.write("alice@example.org:wonderland")
        self.clock = 100.0
        self.loop = asyncio.new_event_loop()
        self.applier = self.do(self._made())

    async def _made(self) -> Applier:
        files = WatchedFiles([self.stored, self.accounts], written_whole=[self.stored])
        return Applier(files, self.prepare, self.go_live, lambda: self.clock)

    def do(self, work: Coroutine[Any, Any, Value]) -> Value:
        return self.loop.run_until_complete(work)

    def write(self, *accounts: str) -> None:
        self.accounts.write_text("".join(f"{line}\n" for line in accounts))

    async def prepare(self, live: Settings | None) -> Prepared:
        self.readings += 1
        if self.failure is not None:
            raise self.failure
        environ = {"DOMAINS": "example.org", "ACCOUNTS_FILE": str(self.accounts)}
        settings = load(environ, host=HostFacts(ipv6=False))
        return Prepared(settings, Changes({}), [LogLine("warning", text) for text in self.warnings])

    async def go_live(self, prepared: Prepared, progress: Progress, say: Say) -> None:
        progress.expect("passwords", "smtpd's tables")
        progress.done("passwords")
        if self.hangs is not None:
            with progress.waiting("smtpd does not answer", 0.05):
                await self.hangs.wait()
        if self.not_live:
            raise NotLiveYetError(self.not_live)
        progress.done("smtpd's tables")
        self.went_live.append(prepared.settings)

    def step(self, after: float = 2.0) -> Lines:
        """What one step logs, some seconds after the one before."""
        self.clock += after
        self.do(self.applier.step())
        said = list(self.lines)
        self.lines.clear()
        return said


@pytest.fixture
def server(tmp_path: Path, logged: Lines) -> Iterator[Server]:
    server = Server(tmp_path, logged)
    assert server.step() == []
    assert server.readings == 1
    yield server
    server.loop.close()


def test_nothing_is_read_again_while_nothing_changes(server: Server) -> None:
    assert [server.step() for _ in range(5)] == [[]] * 5
    assert server.readings == 1


def test_a_change_is_read_when_it_has_rested(server: Server) -> None:
    server.write("alice@example.org:wonderland", "bob@example.org:builder")
    assert server.step(SETTLES / 2) == []
    server.write("alice@example.org:wonderland", "bob@example.org:builder", "c@example.org:x")
    assert server.step(SETTLES / 2) == []
    assert server.readings == 1
    assert server.step(SETTLES) == [
        ("info", "account bob@example.org added"),
        ("info", "account c@example.org added"),
    ]


def test_a_broken_change_is_logged_once_and_what_was_live_stays(server: Server) -> None:
    server.write("alice@far.example:wonderland")
    server.step()
    ((level, text),) = server.step()
    assert level == "error"
    assert text.startswith("the change is not live: ACCOUNTS_FILE: entry 1: an account outside")
    assert [server.step(RETRIES) for _ in range(3)] == [[]] * 3
    assert server.readings == 5
    server.write("alice@example.org:wonderland", "bob@example.org:builder")
    server.step()
    assert server.step() == [("info", "account bob@example.org added")]


def test_an_error_that_comes_back_later_is_logged_again(server: Server) -> None:
    for _ in range(2):
        server.write("!")
        server.step()
        assert [level for level, _ in server.step()] == ["error"]
        server.write("alice@example.org:wonderland")
        server.step()
        assert server.step() == []


def test_a_file_that_is_gone_is_an_error_and_comes_back(server: Server) -> None:
    server.accounts.unlink()
    server.step()
    ((_, text),) = server.step()
    assert "no such file" in text
    server.write("alice@example.org:wonderland")
    server.step()
    assert server.step() == []


def test_what_goes_wrong_otherwise_is_tried_again_and_ends_nothing(server: Server) -> None:
    server.failure = RuntimeError("out of memory")
    server.write("bob@example.org:builder")
    server.step()
    assert server.step() == [("error", "the change is not live: RuntimeError: out of memory")]
    server.failure = None
    assert server.step() == []
    assert ("info", "account bob@example.org added") in server.step(RETRIES)


def test_what_another_program_does_not_take_is_tried_again_soon_and_then_more_seldom(
    server: Server,
) -> None:
    server.not_live = ["smtpd is away"]
    server.write("alice@example.org:wonderland", "bob@example.org:builder")
    server.step()
    assert server.step() == [("error", "the change is not live: smtpd is away")]
    tried = []
    for _ in range(130):
        before = server.readings
        assert server.step(1.0) == []
        tried.append(server.readings - before)
    at = [second + 1 for second, count in enumerate(tried) if count]
    assert at[0] == RETRIES_SOON
    assert at == [2, 6, 14, 30, 62, 122]
    server.not_live = []
    assert server.step(RETRIES) == [("info", "account bob@example.org added")]
    assert server.step(RETRIES) == []


def test_what_is_odd_is_logged_by_the_start_and_later_when_it_is_new(
    tmp_path: Path, logged: Lines
) -> None:
    server = Server(tmp_path, logged, warnings=["old"])
    assert server.step() == []
    server.warnings.append("new")
    server.write("alice@example.org:another")
    server.step()
    assert server.step() == [
        ("info", "account alice@example.org: another password"),
        ("warning", "new"),
    ]
    server.loop.close()


def test_an_error_of_the_first_reading_is_logged(tmp_path: Path, logged: Lines) -> None:
    server = Server(tmp_path, logged)
    server.write("!")
    assert [level for level, _ in server.step()] == ["error"]
    assert server.applier.settings is None
    server.loop.close()


class TestRequests:
    def asked(self, server: Server, *later: float) -> Outcome:
        """What is answered by the steps at these seconds."""

        async def ask() -> Outcome:
            asking = asyncio.ensure_future(server.applier.request())
            for seconds in later:
                await asyncio.sleep(0)
                server.clock += seconds
                await server.applier.step()
            return await asking

        return server.do(asyncio.wait_for(ask(), 10))

    def test_what_a_command_has_written_is_applied_at_once_and_once(self, server: Server) -> None:
        server.stored.write_text("changed")
        server.warnings = ["odd"]
        assert self.asked(server, 0.1) == Outcome(lines=(("warning", "odd"),))
        assert server.readings == 2
        assert server.step() == [("warning", "odd")]
        assert server.readings == 2

    def test_it_waits_for_a_file_that_may_be_half_written(self, server: Server) -> None:
        server.write("alice@example.org:wonderland", "bob@example.org:builder")
        asking = server.loop.create_task(server.applier.request())
        server.step(0.1)
        assert (server.readings, asking.done()) == (1, False)
        server.step(SETTLES)
        assert server.readings == 2
        assert server.do(asking).ok

    def test_why_it_is_not_live_and_what_is(self, server: Server) -> None:
        server.not_live = ["smtpd is away"]
        progress = "live: passwords; not live yet: smtpd's tables"
        assert self.asked(server, 0.1) == Outcome(False, ("smtpd is away", progress))
        server.failure = OSError("no disk")
        assert self.asked(server, 0.1) == Outcome(False, ("OSError: no disk",))

    def test_who_hangs_is_named_and_a_newer_request_does_not_wait(self, server: Server) -> None:
        async def scene() -> tuple[Outcome, Outcome]:
            server.hangs = asyncio.Event()
            running = asyncio.create_task(server.applier.run())
            first = await server.applier.request()
            server.hangs = None
            server.write("alice@example.org:another")
            server.clock += 10
            # Not settled for whoever looks, so it rests.
            second = asyncio.create_task(server.applier.request())
            await asyncio.sleep(0.05)
            server.clock += SETTLES
            found = first, await second
            running.cancel()
            return found

        first, second = server.do(asyncio.wait_for(scene(), 20))
        progress = "live: passwords; not live yet: smtpd's tables"
        assert first == Outcome(False, ("smtpd does not answer", progress))
        assert second == Outcome()
        assert server.lines == [
            ("error", f"a change is not live yet: smtpd does not answer; {progress}"),
            ("info", "account alice@example.org: another password"),
        ]

    def test_whoever_was_not_answered_is_when_a_newer_request_is(self, server: Server) -> None:
        """The first hears of the one that hangs, the next two of what became of it all."""

        async def scene() -> list[Outcome]:
            server.hangs = asyncio.Event()
            running = asyncio.create_task(server.applier.run())
            found = [await server.applier.request()]
            server.hangs = None
            found += await asyncio.gather(*(server.applier.request() for _ in range(2)))
            running.cancel()
            return found

        found = server.do(asyncio.wait_for(scene(), 20))
        assert [each.ok for each in found] == [False, True, True]
        assert len(server.went_live) == 2  # at the start, and now
