"""How many passwords are looked at for one account, wherever the guesses come from."""

from __future__ import annotations

import pytest

from filters.guard import account_limit
from filters.guard.account_limit import (
    LOG_EVERY,
    MOST_AT_ONCE,
    MOST_NETWORKS,
    REFILL,
    WELCOME_FACTOR,
    AccountLimit,
)

NOW = 1_795_000_000.0
ALICE, BOB = "alice@example.org", "bob@example.org"
ONE_MORE = REFILL / MOST_AT_ONCE


@pytest.fixture
def limit() -> AccountLimit:
    return AccountLimit()


def guess(
    limit: AccountLimit, times: int, *, on: str = ALICE, welcome: bool = False, now: float = NOW
) -> int:
    """How many of so many guesses are looked at."""
    return sum(limit.take(on, now, welcome=welcome) for _ in range(times))


def test_so_many_at_once_and_so_many_again_over_the_time(limit: AccountLimit) -> None:
    assert guess(limit, 1000) == MOST_AT_ONCE
    assert limit.reached(ALICE, NOW, welcome=False)
    assert limit.reached(ALICE, NOW + ONE_MORE - 1, welcome=False)
    assert guess(limit, 1000, now=NOW + ONE_MORE) == 1
    assert guess(limit, 1000, now=NOW + ONE_MORE + REFILL) == MOST_AT_ONCE


def test_a_day_of_guessing_is_slow(limit: AccountLimit) -> None:
    looked_at = sum(guess(limit, 3, now=NOW + second) for second in range(86_400))
    assert looked_at == MOST_AT_ONCE + 86_400 // ONE_MORE - 1


def test_others_are_not_concerned(limit: AccountLimit) -> None:
    guess(limit, 1000)
    assert guess(limit, 1000, on=BOB) == MOST_AT_ONCE


def test_where_it_has_logged_in_it_has_a_larger_limit_of_its_own(limit: AccountLimit) -> None:
    guess(limit, 1000)
    assert guess(limit, 1000, welcome=True) == WELCOME_FACTOR * MOST_AT_ONCE
    assert guess(limit, 1000, welcome=True) == 0


@pytest.mark.parametrize("welcome", [False, True])
def test_a_right_password_counts_for_nothing(limit: AccountLimit, welcome: bool) -> None:
    for _ in range(100 * MOST_AT_ONCE):
        assert limit.take(ALICE, NOW, welcome=welcome)
        limit.give_back(ALICE, NOW, welcome=welcome)
    limit.give_back(ALICE, NOW, welcome=welcome)  # and never for less
    most = MOST_AT_ONCE * (WELCOME_FACTOR if welcome else 1)
    assert guess(limit, 1000, welcome=welcome) == most


def test_a_clock_that_is_set_back_closes_nothing_for_ever(limit: AccountLimit) -> None:
    guess(limit, 1000)
    before = NOW - 10 * 365 * 86_400
    assert limit.reached(ALICE, before, welcome=False)
    guess(limit, 1, now=before)
    assert guess(limit, 1000, now=before + REFILL) in (0, MOST_AT_ONCE)
    assert guess(limit, 1000, now=NOW + 2 * REFILL) == MOST_AT_ONCE


def test_a_flood_of_other_logins_frees_none_that_is_attacked(
    limit: AccountLimit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(account_limit, "MOST_LOGINS", 100)
    guess(limit, 1000)
    # As many a minute as there is room for: what is older makes room.
    for number in range(900):
        limit.take(f"user{number}@example.org", NOW + number * ONE_MORE / 90, welcome=False)
    assert len(limit._full_at) <= 100
    assert guess(limit, 1000, now=NOW + 10 * ONE_MORE) == 10


def test_memory_is_bounded_against_a_million_logins(limit: AccountLimit) -> None:
    for number in range(60_000):
        limit.take(f"{number}", NOW, welcome=False)
        limit.note_failure(f"{number}", "192.0.2.1", NOW)
        limit.note_failure(ALICE, f"{number}", NOW)
    assert len(limit._full_at) <= account_limit.MOST_LOGINS
    assert len(limit._attacks) <= account_limit.MOST_ATTACKED
    assert len(limit._attacks[ALICE].networks) <= MOST_NETWORKS


def test_lifted_by_login_or_all(limit: AccountLimit) -> None:
    guess(limit, 1000)
    guess(limit, 1000, welcome=True)
    guess(limit, 1000, on=BOB)
    assert limit.forget("carol@example.org") == 0
    assert limit.forget(ALICE) == 2
    assert guess(limit, 1000) == MOST_AT_ONCE
    assert guess(limit, 1000, on=BOB) == 0
    assert limit.forget("all") == 2
    assert guess(limit, 1000, on=BOB) == MOST_AT_ONCE


class TestWhatIsLogged:
    def test_failures_and_networks_once_an_hour(self, limit: AccountLimit) -> None:
        for number in range(540):
            limit.note_failure(ALICE, f"2001:db8:0:{number % 90:x}::/64", NOW + number)
        attack = limit.news(ALICE, NOW + 540)
        assert attack is not None
        assert (attack.failures, attack.origin()) == (540, "90 networks")
        assert limit.news(ALICE, NOW + 541) is None
        # It goes on: what is said an hour later is about all of it.
        limit.note_failure(ALICE, "198.51.100.7", NOW + LOG_EVERY)
        attack = limit.news(ALICE, NOW + LOG_EVERY + 540)
        assert attack is not None
        assert (attack.failures, attack.origin()) == (541, "91 networks")
        # It is over, and another begins.
        limit.note_failure(ALICE, "198.51.100.7", NOW + 3 * LOG_EVERY)
        attack = limit.news(ALICE, NOW + 3 * LOG_EVERY)
        assert attack is not None
        assert (attack.failures, attack.origin()) == (1, "1 network")

    def test_more_networks_than_are_remembered(self, limit: AccountLimit) -> None:
        for number in range(MOST_NETWORKS + 10):
            limit.note_failure(ALICE, f"{number}", NOW)
        attack = limit.news(ALICE, NOW)
        assert attack is not None
        assert attack.origin() == f"at least {MOST_NETWORKS} networks"
