"""Who is not asked for a while, and who tries when it is over."""

from __future__ import annotations

from entrypoint.junk.sparing import IN_A_ROW, OF_ALL_IN_A_ROW, SPARED, Sparing


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def late(sparing: Sparing, account: str, times: int = IN_A_ROW) -> None:
    for _ in range(times):
        sparing.ended(account, late=True)


def test_after_the_time_one_question_tries_and_those_beside_it_need_not() -> None:
    clock = Clock()
    sparing = Sparing(clock)
    late(sparing, "a")
    assert not sparing.may_ask("a")
    assert sparing.may_ask("b")
    clock.now += SPARED
    assert sparing.may_ask("a")
    assert not sparing.may_ask("a")
    sparing.ended("a", late=False)
    assert sparing.may_ask("a")


def test_a_few_that_are_late_among_others_spare_nobody() -> None:
    sparing = Sparing(Clock())
    for _ in range(100):
        late(sparing, "a", IN_A_ROW - 1)
        sparing.ended("a", late=False)
        assert sparing.may_ask("a")


def test_everybody_is_spared_after_some_in_a_row() -> None:
    clock = Clock()
    sparing = Sparing(clock)
    for number in range(OF_ALL_IN_A_ROW - 1):
        late(sparing, str(number), 1)
    sparing.ended("well", late=False)
    late(sparing, "slow", 1)
    assert sparing.may_ask("other")
    for number in range(OF_ALL_IN_A_ROW):
        late(sparing, str(number), 1)
    assert not sparing.may_ask("other")
    clock.now += SPARED
    assert sparing.may_ask("other")
    assert not sparing.may_ask("another")
    sparing.ended("other", late=False)
    assert sparing.may_ask("another")


def test_each_account_tries_when_everybody_may_again() -> None:
    """Who came while nobody might has not had its turn."""
    clock = Clock()
    sparing = Sparing(clock)
    for account in "abcdef":
        late(sparing, account)
    clock.now += SPARED
    assert [account for account in "abcdef" if sparing.may_ask(account)] == ["a"]
    sparing.ended("a", late=False)
    assert all(sparing.may_ask(account) for account in "abcdef")


def test_what_it_remembers_is_bounded() -> None:
    sparing = Sparing(Clock())
    for number in range(5000):
        late(sparing, str(number), 1)
    assert len(sparing._late) <= 1001
