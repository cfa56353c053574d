"""Whose a password is that smtpd asks about without naming the client."""

from __future__ import annotations

import pytest

from filters.guard.open_logins import (
    LASTS,
    MOST_COVERED,
    MOST_LOGINS,
    MOST_QUESTIONS,
    MOST_SESSIONS,
    UnderWay,
)

NOW = 1_795_000_000.0
CAFE, HOME, ALICE, BOB = "198.51.100.7", "203.0.113.20", "alice@example.org", "bob@example.org"


@pytest.fixture
def under_way() -> UnderWay:
    """Alice is blocked at the café, and nobody anywhere else."""
    return UnderWay(lambda address, login: 600.0 * ((address, login.lower()) == (CAFE, ALICE)))


def test_with_nobody_under_way_every_question_goes_on(under_way: UnderWay) -> None:
    assert under_way.waits(ALICE) == 0


def test_a_login_that_is_blocked_at_every_client_waits(under_way: UnderWay) -> None:
    under_way.begin("one", CAFE, NOW)
    assert (under_way.waits(ALICE), under_way.waits(BOB)) == (600, 0)
    under_way.begin("two", CAFE, NOW)
    assert under_way.waits(ALICE) == 600
    under_way.end("one")
    assert under_way.waits(ALICE) == 600
    under_way.end("two")
    assert under_way.waits(ALICE) == 0


def test_an_attack_at_the_same_moment_does_not_concern_the_owner_elsewhere(
    under_way: UnderWay,
) -> None:
    under_way.begin("attacker", CAFE, NOW)
    under_way.begin("owner", HOME, NOW)
    for _ in range(100):  # these were the owner's: they tell against nobody
        assert under_way.waits(ALICE) == 0
        under_way.outcome("owner", HOME, ALICE)
        under_way.begin("owner", HOME, NOW)


def test_refused_guesses_do_not_use_up_the_owners_patience(under_way: UnderWay) -> None:
    for _ in range(100):
        under_way.begin("attacker", CAFE, NOW)
        assert under_way.waits(ALICE) == 600
        under_way.outcome("attacker", CAFE, ALICE)
    under_way.begin("owner", HOME, NOW)
    under_way.begin("attacker", CAFE, NOW)
    assert under_way.waits(ALICE) == 0


def test_an_auth_without_a_password_covers_a_few_times_only(under_way: UnderWay) -> None:
    under_way.begin("decoy", HOME, NOW)
    let_through = 0
    for _ in range(100):
        under_way.begin("attacker", CAFE, NOW)
        let_through += not under_way.waits(ALICE.upper())
        under_way.outcome("attacker", CAFE, ALICE)
    assert let_through == MOST_COVERED
    decoy = under_way.end("decoy")
    assert decoy is not None
    assert decoy.covered == MOST_COVERED


def test_whoever_has_covered_is_not_refused_itself(under_way: UnderWay) -> None:
    under_way.begin("owner", HOME, NOW)
    for _ in range(MOST_COVERED):
        under_way.begin("attacker", CAFE, NOW)
        under_way.waits(ALICE)
        under_way.outcome("attacker", CAFE, ALICE)
    assert under_way.waits(ALICE) == 0


def test_what_is_remembered_is_bounded(under_way: UnderWay) -> None:
    for number in range(MOST_SESSIONS + 10):
        under_way.begin(f"s{number}", HOME, NOW)
    assert len(under_way._auths) == MOST_SESSIONS
    assert under_way.end("s9") is None
    blocked = UnderWay(lambda address, login: 600.0 * (address == CAFE))
    blocked.begin("attacker", CAFE, NOW)
    blocked.begin("other", HOME, NOW)
    for number in range(2 * MOST_LOGINS):
        for _ in range(2 * MOST_QUESTIONS):
            blocked.waits(f"user{number}")
    assert len(blocked._let_through) <= MOST_LOGINS
    assert max(map(len, blocked._let_through.values())) <= MOST_QUESTIONS


def test_what_was_never_ended_is_forgotten(under_way: UnderWay) -> None:
    under_way.begin("lost", HOME, NOW)
    under_way.begin("attacker", CAFE, NOW + LASTS + 1)
    assert under_way.waits(ALICE) == 600
