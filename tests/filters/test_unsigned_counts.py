"""What the signing filter writes of mail without a signature, and what `health` makes of it."""

from __future__ import annotations

import asyncio
import os
import pwd
from pathlib import Path

import pytest

from entrypoint.health.unsigned import check_unsigned
from filters.unsigned_counts import UnsignedCounts

ME = pwd.getpwuid(os.geteuid()).pw_name
NOW = 1_764_000_000


class Clock:
    now = float(NOW)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "unsigned.json"


def problems(path: Path, clock: Clock) -> list[str]:
    return check_unsigned(clock.now, path, ME)


def started(path: Path | None, clock: Clock) -> UnsignedCounts:
    counts = UnsignedCounts(path, clock)
    counts.start()
    counts.finish()
    return counts


def unsigned(counts: UnsignedCounts, reason: str) -> int:
    number = counts.unsigned("example.org", reason)
    counts.finish()
    return number


def signed(counts: UnsignedCounts, domain: str = "example.org") -> None:
    counts.signed(domain)
    counts.finish()


def test_a_filter_that_has_just_started_is_healthy(path: Path, clock: Clock) -> None:
    assert problems(path, clock) == []
    started(path, clock)
    assert path.read_text() == "{}"
    assert problems(path, clock) == []


def test_unhealthy_until_the_next_signature_and_for_a_quarter_of_an_hour(
    path: Path, clock: Clock
) -> None:
    counts = started(path, clock)
    assert unsigned(counts, "OSError: no key") == 1
    clock.now += 60
    assert unsigned(counts, "OSError: no key") == 2
    told = [
        "2 messages from example.org could not be signed since 2025-11-24T16:00:00Z: "
        "OSError: no key"
    ]
    assert problems(path, clock) == told
    clock.now += 86_400
    assert problems(path, clock) == told
    signed(counts, "example.net")
    assert problems(path, clock) == told
    signed(counts)
    assert problems(path, clock) == []

    unsigned(counts, "again")
    signed(counts)
    assert problems(path, clock)
    clock.now += 900
    assert problems(path, clock) == []


def test_a_new_filter_begins_anew(path: Path, clock: Clock) -> None:
    unsigned(started(path, clock), "x")
    assert problems(path, clock)
    started(path, clock)
    assert problems(path, clock) == []


def test_signing_writes_nothing_where_nothing_was_wrong(path: Path, clock: Clock) -> None:
    counts = started(path, clock)
    before = path.stat().st_ino
    signed(counts)
    assert path.stat().st_ino == before


def test_a_disk_that_is_full_does_not_stop_mail(tmp_path: Path, clock: Clock) -> None:
    counts = started(tmp_path / "gone" / "unsigned.json", clock)
    assert unsigned(counts, "x") == 1


def test_without_a_path_it_only_counts(clock: Clock) -> None:
    assert unsigned(started(None, clock), "x") == 1


def test_a_large_message_is_signed_in_a_thread(path: Path, clock: Clock) -> None:
    async def work() -> None:
        counts = UnsignedCounts(path, clock)
        counts.start()
        async with asyncio.timeout(10):
            while not path.exists():
                await asyncio.sleep(0.001)
        await asyncio.to_thread(counts.unsigned, "example.org", "no key")
        counts.finish()

    asyncio.run(work())
    assert len(problems(path, clock)) == 1


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": {}}', '{"a": 1}', "\xff"])
def test_a_file_that_is_damaged_is_told(path: Path, clock: Clock, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    assert len(problems(path, clock)) == 1


def test_a_reason_stays_one_line(path: Path, clock: Clock) -> None:
    unsigned(started(path, clock), "x\n\x1b[2J" + "y" * 500)
    (line,) = problems(path, clock)
    assert line.isprintable()
    assert len(line) < 400
