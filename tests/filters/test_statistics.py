"""What a filter counts for its statistics: each message's time, and its resolver's questions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from filters.mailauth.dns import client
from filters.mailauth.dns.client import DnsResolver
from filters.mailauth.dns.types import Answer, DnsTemporaryError, Outcome
from filters.smtpd import FilterServer, Reject, Session
from filters.statistics import BOUNDS, Statistics

READY = b"config|admd|mail.example.org\nconfig|ready\n"


class Resolver:
    counts = {"cached": 3, "asked": 2, "failed": 1, "entries": 2}  # noqa: RUF012


def content(path: Path) -> Any:
    return json.loads(path.read_text())


def test_times_are_a_histogram_of_all_that_took_no_longer(tmp_path: Path) -> None:
    path = tmp_path / "inbound.json"
    statistics = Statistics(path, Resolver(), lambda: 7.0)
    for seconds in (0.0001, 0.0025, 0.004, 1.2, 99.0):
        statistics.took(seconds)
    statistics.finish()
    found = content(path)
    assert found["started"] == 7
    assert found["count"] == 5
    assert found["total"] == pytest.approx(100.2066)
    sums = dict(map(tuple, found["seconds"]))
    assert list(sums) == list(BOUNDS)
    assert (sums[0.0025], sums[0.005], sums[1.0], sums[2.5], sums[30.0]) == (2, 3, 3, 4, 4)
    assert found["dns"] == Resolver.counts
    assert path.stat().st_mode & 0o777 == 0o644


def test_the_file_is_made_anew_and_written_behind_the_work(tmp_path: Path) -> None:
    path = tmp_path / "submission.json"
    path.write_text('{"count": 1000}')

    async def go() -> None:
        server = FilterServer()
        server.register_message_filter(lambda session, raw: raw)
        statistics = Statistics(path)
        statistics.follow(server)
        server.receive(READY, lambda data: None)
        async with asyncio.timeout(10):
            while content(path)["count"]:
                await asyncio.sleep(0.005)
        assert content(path)["dns"] is None

    asyncio.run(go())


def line(session: bytes, text: bytes) -> bytes:
    return b"filter|0.7|1.1|smtp-in|data-line|" + session + b"|data-line|" + text + b"\n"


def test_every_message_is_timed_until_it_goes_back_and_none_is_kept(tmp_path: Path) -> None:
    """Also those that are refused, that wait, that are large, and that fail."""
    sessions = [b"%016x" % number for number in range(6)]
    slow = 0.05

    async def later(raw: bytes) -> bytes:
        await asyncio.sleep(slow)
        return raw

    def handler(session: Session, raw: bytes) -> bytes | Reject | Awaitable[bytes]:
        if raw == b"raise\r\n":
            raise RuntimeError("a bug")
        if raw == b"wait\r\n":
            return later(raw)
        return Reject(550, "5.7.1 no") if raw == b"refuse\r\n" else raw

    async def go() -> None:
        took: list[float] = []
        server = FilterServer(spool=tmp_path)
        server.register_message_filter(handler)
        server.time_messages(took.append)
        server.receive(READY, lambda data: None)
        texts = (b"plain", b"refuse", b"raise", b"wait", b"x" * 60_000)
        for session, text in zip(sessions, texts, strict=False):
            lines = [line(session, text)] * (6 if len(text) > 100 else 1)
            server.receive(b"".join(lines) + line(session, b"."), lambda data: None)
        gone = sessions[5]
        server.receive(line(gone, b"wait") + line(gone, b"."), lambda data: None)
        server.receive(b"report|0.7|1.1|smtp-in|link-disconnect|" + gone + b"\n", lambda data: None)
        async with asyncio.timeout(10):
            while len(took) < 5:
                await asyncio.sleep(0.005)
        await asyncio.sleep(slow)
        assert len(took) == 5
        assert max(took) >= slow * 0.9
        assert all(0 <= seconds < 10 for seconds in took)
        found = server._dispatcher.message_filter
        assert found is not None
        assert not found._since

    asyncio.run(go())


def test_a_server_without_a_message_filter_has_nothing_to_time() -> None:
    with pytest.raises(ValueError, match="no message filter"):
        FilterServer().time_messages(lambda seconds: None)


def test_a_resolver_counts_what_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answered(self: DnsResolver, key: tuple[tuple[bytes, ...], str]) -> Any:
        failed = key[0][0] == b"dead"
        outcome: Outcome = DnsTemporaryError("no") if failed else Answer()
        return 60.0, outcome

    monkeypatch.setattr(client.DnsResolver, "_ask_servers", answered)

    async def go() -> None:
        resolver = DnsResolver(["192.0.2.1"])
        for name in ("a.test", "a.test", "A.test", "b.test", "dead.test", "dead.test"):
            try:
                await resolver.query(name, "TXT")
            except DnsTemporaryError:
                assert name == "dead.test"
        assert resolver.cached("b.test", "TXT") == Answer()
        assert resolver.counts == {"cached": 4, "asked": 3, "failed": 1, "entries": 3}

    asyncio.run(go())
