"""Whose a password is that smtpd asks about without naming the client."""

from __future__ import annotations

import pytest

from filters.guard.open_logins import (
    LASTS,
    MOST_COVERED,
    MOST_LOGINS,
    MOST_QUESTIONS,
    MOST_SESSIONS,
    OpenLogins,
)

NOW = 1_795_000_000.0
CAFE, HOME, ALICE, BOB = "198.51.100.7", "203.0.113.20", "alice@example.org", "bob@example.org"


@pytest.fixture
def logins() -> OpenLogins:
    """Alice is blocked at the café, and nobody anywhere else."""
    return OpenLogins(lambda address, login: 600.0 * ((address, login.lower()) == (CAFE, ALICE)))


def test_with_no_login_open_every_question_goes_on(logins: OpenLogins) -> None:
    assert logins.waits(ALICE) == 0


def test_a_login_that_is_blocked_at_every_client_waits(logins: OpenLogins) -> None:
    logins.begin("one", CAFE, NOW)
    assert (logins.waits(ALICE), logins.waits(BOB)) == (600, 0)
    logins.begin("two", CAFE, NOW)
    assert logins.waits(ALICE) == 600
    logins.end("one")
    assert logins.waits(ALICE) == 600
    logins.end("two")
    assert logins.waits(ALICE) == 0


def test_an_attack_at_the_same_moment_does_not_concern_the_owner_elsewhere(
    logins: OpenLogins,
) -> None:
    logins.begin("attacker", CAFE, NOW)
    logins.begin("owner", HOME, NOW)
    for _ in range(100):  # these were the owner's: they tell against nobody
        assert logins.waits(ALICE) == 0
        logins.outcome("owner", HOME, ALICE)
        logins.begin("owner", HOME, NOW)


def test_refused_guesses_do_not_use_up_the_owners_share(logins: OpenLogins) -> None:
    for _ in range(100):
        logins.begin("attacker", CAFE, NOW)
        assert logins.waits(ALICE) == 600
        logins.outcome("attacker", CAFE, ALICE)
    logins.begin("owner", HOME, NOW)
    logins.begin("attacker", CAFE, NOW)
    assert logins.waits(ALICE) == 0


def test_an_auth_without_a_password_covers_a_few_times_only(logins: OpenLogins) -> None:
    logins.begin("decoy", HOME, NOW)
    let_through = 0
    for _ in range(100):
        logins.begin("attacker", CAFE, NOW)
        let_through += not logins.waits(ALICE.upper())
        logins.outcome("attacker", CAFE, ALICE)
    assert let_through == MOST_COVERED
    decoy = logins.end("decoy")
    assert decoy is not None
    assert decoy.covered == MOST_COVERED


def test_whoever_has_covered_is_not_refused_itself(logins: OpenLogins) -> None:
    logins.begin("owner", HOME, NOW)
    for _ in range(MOST_COVERED):
        logins.begin("attacker", CAFE, NOW)
        logins.waits(ALICE)
        logins.outcome("attacker", CAFE, ALICE)
    assert logins.waits(ALICE) == 0


def test_what_is_remembered_is_bounded(logins: OpenLogins) -> None:
    for number in range(MOST_SESSIONS + 10):
        logins.begin(f"s{number}", HOME, NOW)
    assert len(logins._auths) == MOST_SESSIONS
    assert logins.end("s9") is None
    blocked = OpenLogins(lambda address, login: 600.0 * (address == CAFE))
    blocked.begin("attacker", CAFE, NOW)
    blocked.begin("other", HOME, NOW)
    for number in range(2 * MOST_LOGINS):
        for _ in range(2 * MOST_QUESTIONS):
            blocked.waits(f"user{number}")
    assert len(blocked._let_through) <= MOST_LOGINS
    assert max(map(len, blocked._let_through.values())) <= MOST_QUESTIONS


def test_what_was_never_ended_is_forgotten(logins: OpenLogins) -> None:
    logins.begin("lost", HOME, NOW)
    logins.begin("attacker", CAFE, NOW + LASTS + 1)
    assert logins.waits(ALICE) == 600
