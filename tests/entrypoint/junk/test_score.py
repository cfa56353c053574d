"""Words and evidence, as one score and one line."""

from __future__ import annotations

import itertools

import pytest

from entrypoint.junk.account_state import Counts
from entrypoint.junk.evidence import WEIGHTS, Evidence
from entrypoint.junk.score import LEAST, THRESHOLD, Score, counts, judge, log_odds, probability
from entrypoint.junk.words import KnownWord, MessageWords

LEARNED = Counts(200, 400)
SPAM, HAM = KnownWord("watches", 20, 0), KnownWord("minutes", 0, 40)


def words(*known: KnownWord, learned: Counts = LEARNED) -> MessageWords:
    return MessageWords(known, learned)


def test_spam_is_above_ham_and_what_says_nothing_between() -> None:
    spam, ham = words(*[SPAM] * 30), words(*[HAM] * 30)
    nothing = words(*[KnownWord("the", 150, 300)] * 30, *[KnownWord("unheard", 0, 0)] * 900)
    assert judge(spam, (), None).junk
    assert [judge(each, (), None).words > 0 for each in (spam, ham)] == [True, False]
    assert judge(nothing, (), None).total == 0
    assert judge(words(), (), None).total == 0
    assert judge(words(SPAM, *nothing.words), (), None) == judge(words(SPAM), (), None)


@pytest.mark.parametrize(
    "learned", [(0, 0), (49, 1000), (1000, 99), (49, 99)], ids=lambda pair: f"{pair[0]} {pair[1]}"
)
def test_before_enough_of_both_classes_there_is_no_verdict(learned: tuple[int, int]) -> None:
    few = words(*[KnownWord("x", learned[0], 0)] * 90, learned=Counts(*learned))
    score = judge(few, [Evidence(99.0, "first contact")], None)
    assert not score.junk
    assert score.line() == (
        f"no (not enough learned: {learned[0]} of 50 spam, {learned[1]} of 100 ham)"
    )
    assert not judge(None, [Evidence(99.0, "first contact")], None).junk
    assert judge(words(*[SPAM] * 90, learned=LEAST), (), None).junk


def test_more_of_the_same_is_always_more() -> None:
    """bogofilter's spamicity would be 1.000000 for the most of them."""
    scores = [judge(words(*[SPAM] * n), (), None).words for n in range(1, 12)]
    assert all(one < next_one for one, next_one in itertools.pairwise(scores))
    scores = [judge(words(*[SPAM] * 6, *[HAM] * n), (), None).words for n in range(9)]
    assert all(one > next_one for one, next_one in itertools.pairwise(scores))


def test_words_are_bounded_and_any_count_will_do() -> None:
    for many in ([SPAM] * 30, [HAM] * 30, [SPAM] * 20_000, [HAM] * 20_000, [SPAM, HAM] * 10_000):
        assert abs(judge(words(*many), (), None).words) < 8.4
    assert log_odds(words(*[SPAM, HAM] * 40)) == pytest.approx(0, abs=3)


def test_a_word_of_one_spam_says_little_where_much_spam_was_learned() -> None:
    """Or each new word would be spam to an account that has learned more spam than ham."""
    once = KnownWord("new", 1, 0)
    assert probability(once, Counts(100, 100)) > 0.8
    assert probability(once, Counts(1000, 100)) < 0.6
    assert counts(once, Counts(100, 100))
    assert not counts(once, Counts(1000, 100))
    assert not counts(KnownWord("unheard", 0, 0), Counts(50, 5000))


def test_the_threshold_is_the_accounts_and_counts_as_printed() -> None:
    just = [Evidence(THRESHOLD - 0.04, "first contact")]
    assert judge(words(), just, None).junk
    assert " score=5.0 threshold=5.0 " in judge(words(), just, None).line()
    assert judge(words(), just, 5.04).junk
    assert " score=5.0 threshold=5.0 " in judge(words(), just, 5.04).line()
    assert not judge(words(), just, 5.06).junk
    assert judge(words(), just, -3.0).junk
    assert not judge(words(), [Evidence(THRESHOLD - 0.06, "first contact")], None).junk


def test_the_line() -> None:
    found = [Evidence(1.5, "first contact"), Evidence(2.5, "listed by zen.example")]
    assert judge(words(*[SPAM] * 9), found, 4.0).line() == (
        "yes score=11.3 threshold=4.0 (words 1.000; first contact; listed by zen.example)"
    )
    assert judge(words(HAM), (), None).line().startswith("no score=-")
    assert Score(True, "blocked", 5.0).line() == "yes (blocked sender)"
    assert Score(False, "allowed", 5.0).line() == "no (allowed sender, DMARC pass)"
    assert Score(False, "written to", 5.0).line() == "no (written to, DMARC pass)"
    assert Score(False, "from here", 5.0).line() == "no (sent from this server)"


def test_the_line_is_short_and_printable_whatever_there_is() -> None:
    every = [Evidence(weight, reason) for reason, weight in WEIGHTS.items()]
    lists = [Evidence(2.5, "listed by " + "x" * 50)] * 3  # 150 characters: filters/facts.py
    line = judge(words(*[SPAM] * 99), [*every, *lists], None).line()
    assert len(line) <= 900
    assert line.isascii()
    assert line.isprintable()
    assert line.endswith(")")


def test_no_word_of_a_stranger_is_in_the_line() -> None:
    hostile = KnownWord("yes\n) \x1b[31m", 50, 0)
    assert "\x1b" not in judge(words(*[hostile] * 30), (), None).line()
