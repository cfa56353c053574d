"""Greylisting: who comes again after a while is let in, and a broken database lets all in."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from pathlib import Path

import pytest

from filters.guard import greylisting
from filters.guard.greylist import REMEMBERED, RETRY_WITHIN, WAIT, Greylist
from filters.guard.greylisting import Greylisting

NOW = 1_795_000_000
NET, DOMAIN, TO = "192.31.196.0/24", "far.test", "alice@example.org"


@pytest.fixture
def greylist(tmp_path: Path) -> Greylist:
    return Greylist(tmp_path / "greylist.sqlite")


def test_the_first_time_waits_and_the_retry_is_let_in_for_good(greylist: Greylist) -> None:
    assert greylist.wait(NET, DOMAIN, TO, NOW) == WAIT
    assert greylist.wait(NET, DOMAIN, TO, NOW + 10) == WAIT - 10
    assert not greylist.is_known(NET, DOMAIN, NOW + 10)
    assert greylist.wait(NET, DOMAIN.upper(), TO.upper(), NOW + WAIT) == 0
    assert not greylist.is_known(NET, DOMAIN, NOW + WAIT + REMEMBERED + 1)
    assert greylist.is_known(NET, DOMAIN, NOW + WAIT + REMEMBERED)


@pytest.mark.parametrize(
    ("client", "domain", "to"),
    [("192.31.197.0/24", DOMAIN, TO), (NET, "other.test", TO), (NET, DOMAIN, "bob@example.org")],
)
def test_each_triplet_waits_by_itself(
    greylist: Greylist, client: str, domain: str, to: str
) -> None:
    greylist.wait(NET, DOMAIN, TO, NOW)
    assert greylist.wait(client, domain, to, NOW + WAIT) == WAIT


def test_a_retry_that_comes_too_late_is_a_first_time(greylist: Greylist) -> None:
    greylist.wait(NET, DOMAIN, TO, NOW)
    assert greylist.wait(NET, DOMAIN, TO, NOW + RETRY_WITHIN + 1) == WAIT


def test_a_clock_that_was_set_back_lets_nobody_wait_for_ever(greylist: Greylist) -> None:
    greylist.wait(NET, DOMAIN, TO, NOW + 10**9)
    assert greylist.wait(NET, DOMAIN, TO, NOW) == WAIT
    assert greylist.wait(NET, DOMAIN, TO, NOW + WAIT) == 0


def test_use_keeps_a_client_known(greylist: Greylist) -> None:
    greylist.wait(NET, DOMAIN, TO, NOW)
    greylist.wait(NET, DOMAIN, TO, NOW + WAIT)
    month = 30 * 86_400
    for count in range(1, 12):
        assert greylist.is_known(NET, DOMAIN, NOW + count * month)


def test_it_is_kept_over_a_restart(greylist: Greylist, tmp_path: Path) -> None:
    greylist.wait(NET, DOMAIN, TO, NOW)
    again = Greylist(tmp_path / "greylist.sqlite")  # nobody closed the first one
    assert again.wait(NET, DOMAIN, TO, NOW + WAIT) == 0


def test_what_is_old_or_too_much_is_swept(greylist: Greylist, tmp_path: Path) -> None:
    for number in range(100):
        greylist.wait(NET, DOMAIN, f"{number}", NOW - number)
    greylist.wait(NET, DOMAIN, "old", NOW - RETRY_WITHIN - 1)
    greylist.sweep(NOW, most=50)
    with sqlite3.connect(tmp_path / "greylist.sqlite") as look:
        assert look.execute("SELECT count(*), min(first) FROM seen").fetchone() == (50, NOW - 49)
    look.close()
    assert greylist.wait(NET, DOMAIN, "0", NOW + WAIT) == 0


def test_nothing_of_an_address_stands_in_the_file(greylist: Greylist, tmp_path: Path) -> None:
    greylist.wait(NET, DOMAIN, TO, NOW)
    greylist.close()
    assert b"alice" not in b"".join(path.read_bytes() for path in tmp_path.iterdir())


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


class TestAsked:
    def test_who_is_vouched_for_may_come_from_anywhere(self, tmp_path: Path) -> None:
        clock = Clock()
        asked = 0

        async def far() -> str | None:
            nonlocal asked
            asked += 1
            return "far.test"

        async def nobody() -> str | None:
            return None

        async def scene() -> None:
            greylisting = Greylisting(tmp_path / "g.sqlite", clock=clock)
            assert await greylisting.wait(NET, far, DOMAIN, TO) == WAIT
            clock.now += WAIT
            assert await greylisting.wait("1.2.3.0/24", nobody, DOMAIN, TO) == WAIT
            assert await greylisting.wait("5.6.7.0/24", far, DOMAIN, TO) == 0
            assert await greylisting.wait("9.9.9.0/24", far, DOMAIN, "bob@example.org") == 0
            # A stranger who writes that domain into MAIL is no friend by it.
            assert await greylisting.wait("9.9.9.0/24", nobody, DOMAIN, TO) == WAIT
            clock.now += WAIT
            assert await greylisting.wait("1.2.3.0/24", nobody, DOMAIN, TO) == 0
            assert await greylisting.wait("1.2.3.0/24", far, DOMAIN, "x@example.org") == 0
            assert asked == 3  # not for a network that is known
            greylisting.finish()

        asyncio.run(scene())

    @pytest.mark.parametrize("kind", ["a folder", "no folder", "nonsense"])
    def test_a_database_that_fails_lets_mail_through(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "g.sqlite"
        if kind == "a folder":
            path.mkdir()
        elif kind == "no folder":
            path = tmp_path / "missing" / "g.sqlite"
        else:
            path.write_bytes(b"nonsense" * 1000)

        async def nobody() -> str | None:
            return None

        async def scene() -> int:
            greylisting = Greylisting(path)
            try:
                return await greylisting.wait(NET, nobody, DOMAIN, TO)
            finally:
                greylisting.finish()

        # What is no database is put aside, and greylisting goes on.
        assert asyncio.run(scene()) == (WAIT if kind == "nonsense" else 0)

    def test_a_failure_is_logged_once_until_it_is_over(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        (path := tmp_path / "g.sqlite").mkdir()

        async def nobody() -> str | None:
            return None

        async def scene() -> None:
            greylisting = Greylisting(path)
            for _ in range(3):
                assert await greylisting.wait(NET, nobody, DOMAIN, TO) == 0
            path.rmdir()
            assert await greylisting.wait(NET, nobody, DOMAIN, TO) == WAIT
            greylisting.finish()

        asyncio.run(scene())
        failed, over = (line for line in caplog.messages if "greylisted" in line)
        assert failed.startswith(f"{path}: mail is not greylisted: ")
        assert over == f"{path}: mail is greylisted again"

    def test_a_database_that_breaks_meanwhile_is_begun_afresh(self, tmp_path: Path) -> None:
        path = tmp_path / "g.sqlite"

        async def nobody() -> str | None:
            return None

        async def scene() -> None:
            greylisting = Greylisting(path)
            assert await greylisting.wait(NET, nobody, DOMAIN, TO) == WAIT
            for file in tmp_path.iterdir():
                file.write_bytes(b"broken" * 5000)
            found = [await greylisting.wait(NET, nobody, DOMAIN, f"{n}") for n in range(5)]
            assert found[-1] == WAIT
            greylisting.finish()

        asyncio.run(scene())

    def test_a_flood_is_let_through_rather_than_queued(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(greylisting, "MOST_WAITING", 3)

        async def nobody() -> str | None:
            return None

        async def scene() -> list[int]:
            asked = Greylisting(tmp_path / "g.sqlite")
            waits = [asked.wait(NET, nobody, DOMAIN, f"{n}") for n in range(10)]
            found = await asyncio.gather(*waits)
            asked.finish()
            return found

        assert sorted(asyncio.run(scene())) == [0] * 7 + [WAIT] * 3
        assert len(caplog.messages) == 1
