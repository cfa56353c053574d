"""How much an account may send: held, spent, given back, and kept over a restart."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from filters.guard.sending_limit import BY_SCRIPTS, WARN_SCRIPTS_EVERY, SendingLimit

ALICE, BOB = "alice@example.org", "bob@example.org"


class Clock:
    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock: Clock) -> SendingLimit:
    return SendingLimit(300, 3600, clock=clock)


def send(limit: SendingLimit, recipients: int, account: str = ALICE) -> int:
    held = sum(limit.hold(account) for _ in range(recipients))
    limit.send(account, held)
    return held


def test_a_limit_is_met_and_is_of_one_account_alone(limit: SendingLimit) -> None:
    assert send(limit, 200) == 200
    assert send(limit, 200) == 100
    assert send(limit, 1, ALICE.upper()) == 0
    assert send(limit, 300, BOB) == 300


def test_it_comes_back_over_the_period(limit: SendingLimit, clock: Clock) -> None:
    send(limit, 300)
    clock.now += 12.1
    assert send(limit, 5) == 1
    clock.now += 3600
    assert send(limit, 500) == 300


def test_what_is_not_sent_is_given_back(limit: SendingLimit) -> None:
    held = sum(limit.hold(ALICE) for _ in range(400))
    assert held == 300
    assert not limit.hold(ALICE)  # not even in another session
    limit.release(ALICE, held)
    assert send(limit, 400) == 300


def test_a_person_never_meets_the_default(limit: SendingLimit, clock: Clock) -> None:
    """A letter to a club of 250, and forty letters in the hours around it."""
    for hour in range(12):
        assert send(limit, 250 if hour == 6 else 40) in {250, 40}
        clock.now += 3600


def test_the_log_says_it_now_and_then(
    limit: SendingLimit, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(100):
        limit.warn(ALICE)
    clock.now += 700
    limit.warn(ALICE)
    assert len(caplog.messages) == 2
    assert caplog.messages[0].startswith(
        "login=alice@example.org has met its rate limit (300 recipients within an hour)"
    )


def test_several_are_held_together_or_none(limit: SendingLimit) -> None:
    assert limit.hold(ALICE, 299)
    assert not limit.hold(ALICE, 2)
    assert limit.hold(ALICE)


def test_it_says_what_is_to_be_said_as_often_as_is_wanted(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    limit = SendingLimit(300, 3600, clock=clock, warning=BY_SCRIPTS, warn_every=WARN_SCRIPTS_EVERY)
    for seconds in (0, 1800, 1799, 2):
        clock.now += seconds
        limit.warn(ALICE)
    assert len(caplog.messages) == 2
    assert "Sieve scripts of login=alice@example.org have met its rate limit" in caplog.messages[0]


def test_it_is_kept_over_a_restart(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sent.json"

    async def day() -> None:
        limit = SendingLimit(300, 3600, path, clock)
        send(limit, 290)
        send(limit, 10, BOB)
        limit.finish()

    asyncio.run(day())
    clock.now += 120  # ten come back
    again = SendingLimit(300, 3600, path, clock)
    assert sum(again.hold(ALICE) for _ in range(300)) == 20
    assert sum(again.hold(BOB) for _ in range(400)) == 300


def test_a_clock_that_was_wrong_holds_up_nobody_for_ever(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "sent.json"
    path.write_text('{"alice@example.org": [300, 9999999999]}')
    limit = SendingLimit(300, 3600, path, clock)
    assert not limit.hold(ALICE)
    clock.now += 3600
    assert sum(limit.hold(ALICE) for _ in range(400)) == 300


@pytest.mark.parametrize("content", ["", "[]", "{", '{"a": 1}', '{"a": ["x", 1]}', '{"a": [1]}'])
def test_a_file_that_is_broken_is_begun_afresh(tmp_path: Path, clock: Clock, content: str) -> None:
    path = tmp_path / "sent.json"
    path.write_text(content)
    limit = SendingLimit(300, 3600, path, clock)
    assert sum(limit.hold(ALICE) for _ in range(400)) == 300
    limit.finish()


def test_a_folder_that_cannot_be_written_harms_nobody(tmp_path: Path, clock: Clock) -> None:
    async def day() -> None:
        limit = SendingLimit(300, 3600, tmp_path / "missing" / "sent.json", clock)
        assert send(limit, 5) == 5
        limit.finish()

    asyncio.run(day())
