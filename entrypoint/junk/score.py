"""Words and evidence → one score, and the line that a message carries.

How much a word says comes from its share of each class, each with a little doubt (`_DOUBT`): with
ten times the spam learned, a word of one spam is worth a tenth. (bogofilter's own estimate doubts
the word as a whole; with more spam than ham learned that misfiles ham.) They are joined as
bogofilter joins them, by Fisher's method, but as odds: two messages of spamicity 1.000000 have an
order. The odds of independent words are far too sure of themselves, since words are not; the root
of their logarithm is what adds up with evidence (a normal deviate). It is 8.4 at most, either way.

On made mail of seeds 11 to 13 (bench/junk) words alone found 75 % of the spam at one ham in 1,000,
bogofilter 46 %; with evidence it is 81 %. At the threshold none of 3,000 ham was junk after 200
spam and 400 ham, and at most one after 50 and 100, 400 and 100, or 100 and 1,600.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from entrypoint.junk.account_state import NONE_LEARNED, Counts
from entrypoint.junk.evidence import Evidence
from entrypoint.junk.words import KnownWord, MessageWords

THRESHOLD = 5.0  # of an account that has no other
LEAST = Counts(50, 100)  # messages of both classes, before words are believed

_DOUBT = 0.25  # messages of each class that every word is taken to have been in, besides
_LEAST = 0.2  # how far from 0.5 a word has to be

Decision = Literal["blocked", "allowed", "written to", "from here", "too few lessons", "score"]


@dataclass(frozen=True)
class Score:
    """The verdict and what it came from."""

    junk: bool
    decision: Decision
    threshold: float = THRESHOLD  # of a decision by score
    words: float = 0.0  # their part
    spamicity: float = 0.5  # the same, as bogofilter would say it
    evidence: tuple[Evidence, ...] = ()
    learned: Counts = NONE_LEARNED

    @property
    def total(self) -> float:
        """The score."""
        return self.words + sum(each.weight for each in self.evidence)

    def line(self) -> str:
        """As the message's field says it: printable ASCII, closed words and blocklists' names."""
        said = "yes" if self.junk else "no"
        if self.decision == "too few lessons":
            spam, ham = self.learned.spam, self.learned.ham
            counts = f"{spam} of {LEAST.spam} spam, {ham} of {LEAST.ham} ham"
            return f"{said} (not enough learned: {counts})"
        if self.decision != "score":
            return f"{said} ({DECISIONS[self.decision]})"
        reasons = "; ".join([f"words {self.spamicity:.3f}", *(e.reason for e in self.evidence)])
        return f"{said} score={self.total:.1f} threshold={self.threshold:.1f} ({reasons})"


DECISIONS: dict[Decision, str] = {
    "blocked": "blocked sender",
    "allowed": "allowed sender, DMARC pass",
    "written to": "written to, DMARC pass",
    "from here": "sent from this server",
}


def judge(words: MessageWords | None, found: Sequence[Evidence], threshold: float | None) -> Score:
    """What words and evidence say; nothing before enough was learned."""
    limit = THRESHOLD if threshold is None else threshold
    learned = words.learned if words else NONE_LEARNED
    if words is None or learned.spam < LEAST.spam or learned.ham < LEAST.ham:
        return Score(False, "too few lessons", limit, learned=learned)
    odds = log_odds(words)
    part = math.copysign(math.sqrt(2 * abs(odds)), odds)
    total = part + sum(each.weight for each in found)
    # As they are printed: nobody should wonder about a 5.0 that is less than 5.0.
    junk = round(total, 1) >= round(limit, 1)
    spamicity = 1 / (1 + math.exp(-odds))
    return Score(junk, "score", limit, part, spamicity, tuple(found), learned)


def probability(word: KnownWord, learned: Counts) -> float:
    """That a message with this word is spam, going by the word alone."""
    spam = (word.spam + _DOUBT) / (learned.spam + 2 * _DOUBT)
    ham = (word.ham + _DOUBT) / (learned.ham + 2 * _DOUBT)
    return spam / (spam + ham)


def counts(word: KnownWord, learned: Counts) -> bool:
    """Whether a word is used: one that was never seen says nothing, nor one of both alike."""
    seen = word.spam + word.ham > 0
    return seen and abs(probability(word, learned) - 0.5) >= _LEAST


def log_odds(words: MessageWords) -> float:
    """Of the message being spam, by Fisher's method."""
    learned = words.learned
    used = [probability(word, learned) for word in words.words if counts(word, learned)]
    if not used:
        return 0.0
    # Each is a logarithm of the probability that words at random look as much like one class.
    like_ham = _log_survival(-sum(math.log(chance) for chance in used), len(used))
    like_spam = _log_survival(-sum(math.log1p(-chance) for chance in used), len(used))
    # bogofilter's (1 + H - S) / 2, over its complement.
    return _log_sum(like_ham, _log_complement(like_spam)) - _log_sum(
        like_spam, _log_complement(like_ham)
    )


def _log_survival(half: float, pairs: int) -> float:
    """ln P(X > 2 half) of a chi-squared X with 2 pairs degrees of freedom."""
    if half <= 0:
        return 0.0
    step, terms = 0.0, [0.0]
    logarithm = math.log(half)
    for number in range(1, pairs):
        step += logarithm - math.log(number)
        terms.append(step)
    largest = max(terms)
    return min(0.0, largest - half + math.log(sum(math.exp(term - largest) for term in terms)))


def _log_complement(logarithm: float) -> float:
    """ln (1 - x) of ln x; not less than what floats can tell from nothing, which bounds odds."""
    return math.log(max(-math.expm1(logarithm), 1e-15))


def _log_sum(one: float, other: float) -> float:
    larger = max(one, other)
    return larger + math.log1p(math.exp(-abs(one - other)))
