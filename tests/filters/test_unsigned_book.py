"""What the signing filter writes of mail without a signature, and what `health` makes of it."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from entrypoint.health.unsigned import check_unsigned
from filters.unsigned_book import UnsignedBook

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


def test_a_filter_that_has_just_started_is_healthy(path: Path, clock: Clock) -> None:
    assert problems(path, clock) == []
    UnsignedBook(path, clock)
    assert path.read_text() == "{}"
    assert problems(path, clock) == []


def test_unhealthy_until_the_next_signature_and_for_a_quarter_of_an_hour(
    path: Path, clock: Clock
) -> None:
    book = UnsignedBook(path, clock)
    assert book.unsigned("example.org", "OSError: no key") == 1
    clock.now += 60
    assert book.unsigned("example.org", "OSError: no key") == 2
    told = [
        "2 message(s) from example.org could not be signed since 2025-11-24T16:00:00Z: "
        "OSError: no key"
    ]
    assert problems(path, clock) == told
    clock.now += 86_400
    assert problems(path, clock) == told
    book.signed("example.net")
    assert problems(path, clock) == told
    book.signed("example.org")
    assert problems(path, clock) == []

    book.unsigned("example.org", "again")
    book.signed("example.org")
    assert problems(path, clock)
    clock.now += 900
    assert problems(path, clock) == []


def test_a_new_filter_begins_anew(path: Path, clock: Clock) -> None:
    UnsignedBook(path, clock).unsigned("example.org", "x")
    UnsignedBook(path, clock)
    assert problems(path, clock) == []


def test_signing_writes_nothing_where_nothing_was_wrong(path: Path, clock: Clock) -> None:
    book = UnsignedBook(path, clock)
    before = path.stat().st_ino
    book.signed("example.org")
    assert path.stat().st_ino == before


def test_a_disk_that_is_full_does_not_stop_mail(tmp_path: Path, clock: Clock) -> None:
    book = UnsignedBook(tmp_path / "gone" / "unsigned.json", clock)
    assert book.unsigned("example.org", "x") == 1


def test_without_a_path_it_only_counts(clock: Clock) -> None:
    assert UnsignedBook(None, clock).unsigned("example.org", "x") == 1


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": {}}', '{"a": 1}', "\xff"])
def test_a_file_that_is_damaged_is_told(path: Path, clock: Clock, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    assert len(problems(path, clock)) == 1


def test_a_reason_stays_one_line(path: Path, clock: Clock) -> None:
    UnsignedBook(path, clock).unsigned("example.org", "x\n\x1b[2J" + "y" * 500)
    (line,) = problems(path, clock)
    assert line.isprintable()
    assert len(line) < 400
