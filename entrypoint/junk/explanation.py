"""Why a message is junk or not: word by word, and all else that is known.

In: a message as it is stored, and the account as it is now. What was known when the message arrived
stands in the field that it was delivered with (X-Signpost-Junk); of another message there are
only words. Out: lines for a terminal, with what strangers wrote made harmless.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from entrypoint.junk.account_state import AccountState, Counts, open_existing
from entrypoint.junk.digest import header_field
from entrypoint.junk.evidence import Evidence, Marks, marks_of, of_message, weighed
from entrypoint.junk.score import DECISIONS, LEAST, Decision, Score, counts, judge, probability
from entrypoint.junk.verdict import MOST_AUTHORS, by_rule
from entrypoint.junk.words import KnownWord, MessageWords, classify
from entrypoint.text import counted, printable, table

_HEADER = 64 * 1024
_PRINTABLE = re.compile(rb"[\x20-\x7e]{1,900}")
_REASONS = re.compile(r"\(words [0-9.]+((?:; [^;)]+)*)\)")
_MOST_WORDS = 25  # a side
_LONGEST_WORD = 40
_FROM_HERE = "not junk, for it was sent from this server"
_RULES = {"allow": "allowed; never junk with a DMARC pass", "block": "blocked; always junk"}


@dataclass(frozen=True)
class Explanation:
    """delivered: the field's value, "" without one. rules: the account's of these senders.

    above: what decides, whatever words and score say, and why; "" where nothing does.
    """

    delivered: str
    above: str
    score: Score
    words: MessageWords | None
    rules: tuple[tuple[str, str], ...]

    def lines(self) -> Iterator[str]:
        """For a terminal."""
        if self.delivered:
            yield f"at its delivery: {printable(self.delivered)}"
        else:
            yield "its delivery said nothing, so only its words and header are known"
        yield f"now: {self._now()}"
        yield from (f"{printable(who)}: {what}" for who, what in self.rules)
        if self.score.decision == "score":
            yield ""
            yield from table(self._parts(), right=(0,))
        # Of an account that knows one class alone none is looked up.
        if self.words is not None and 0 not in self.words.learned:
            yield from _word_lines(self.words)

    def _now(self) -> str:
        return f"{self.above}; without that: {self._by_score()}" if self.above else self._by_score()

    def _by_score(self) -> str:
        if self.score.decision == "too few lessons":
            learned = self.score.learned
            return (
                f"no verdict before {LEAST.spam} spam and {LEAST.ham} ham are learned;"
                f" there are {learned.spam} and {learned.ham}"
            )
        said = "junk" if self.score.junk else "not junk"
        return f"{said}, score {self.score.total:.1f}, junk from {self.score.threshold:.1f} on"

    def _parts(self) -> list[tuple[str, ...]]:
        words = f"words (spamicity {self.score.spamicity:.3f})"
        rows = [(f"{self.score.words:+.1f}", words)]
        rows += [(f"{each.weight:+.1f}", printable(each.reason)) for each in self.score.evidence]
        return [("SCORE", "REASON"), *rows]


def explain(home: Path, message: bytes) -> Explanation:
    """Raises WordsError or StateError."""
    delivered = _delivered(message)
    marks, words = marks_of(message), classify(home, message)
    state = open_existing(home)
    threshold, rules = None, list[tuple[str, str]]()
    above = _FROM_HERE if delivered == _said("from here") else ""
    if state is not None:
        with state:
            threshold = state.threshold()
            sender = _envelope_sender(message)
            above = _by_rule(marks, sender, delivered, state)
            for address in dict.fromkeys([*marks.authors[:MOST_AUTHORS], sender]):
                if (rule := state.sender_rule(address)) is not None:
                    rules.append((address, _RULES[rule]))
                elif state.was_written_to(address):
                    rules.append((address, "written to; never junk by words with a DMARC pass"))
    score = judge(words, _evidence(delivered, marks), threshold)
    return Explanation(delivered, above, score, words, tuple(rules))


def _by_rule(marks: Marks, sender: str, delivered: str, state: AccountState) -> str:
    """As at a delivery (verdict.by_rule), by what is known of it; "" where no rule decides."""
    from_here = delivered == _said("from here")
    fails = from_here or "no DMARC" in delivered or "without DMARC" in delivered
    decision = by_rule(marks, sender, state, dmarc=not fails)
    if decision == "blocked":
        return "junk, for its sender is blocked"
    if from_here:
        return _FROM_HERE
    if decision is None:
        return ""
    why = f"for its author {'is allowed' if decision == 'allowed' else 'was written to'}"
    known = delivered in (_said("allowed"), _said("written to"))
    return f"not junk, {why}" if known else f"not junk if it passes DMARC, {why}"


def _said(decision: Decision) -> str:
    return f"no ({DECISIONS[decision]})"


def _envelope_sender(message: bytes) -> str:
    """Of a message that was delivered; "" of another, and of a bounce."""
    value = header_field(message[:_HEADER], b"Return-Path") or b""
    return value.decode("utf-8", "replace").strip("<>").lower()


def _delivered(message: bytes) -> str:
    """The topmost one is ours: a stranger's is removed at delivery."""
    value = header_field(message[:_HEADER], b"X-Signpost-Junk") or b""
    return value.decode("ascii") if _PRINTABLE.fullmatch(value) else ""


def _evidence(delivered: str, marks: Marks) -> list[Evidence]:
    """As it was at the delivery, or what the message alone shows."""
    match = _REASONS.search(delivered)
    if match is not None:
        return weighed(reason.strip() for reason in match[1].split(";"))
    return weighed(of_message(marks))


def _word_lines(words: MessageWords) -> Iterator[str]:
    """Those that say most, from spam to ham."""
    learned = words.learned
    used = [word for word in words.words if counts(word, learned)]
    used.sort(key=lambda word: _weight(word, learned), reverse=True)
    spam = [word for word in used if _weight(word, learned) > 0]
    ham = used[len(spam) :]
    shown = [*spam[:_MOST_WORDS], *ham[-_MOST_WORDS:]]
    yield ""
    less = f"; {len(shown)} of them are shown" if len(shown) < len(used) else ""
    yield (
        f"{counted(len(words.words), 'word')}, of which {len(used)} say something:"
        f" {len(spam)} spam, {len(ham)} ham{less}"
    )
    if shown:
        yield from table(
            [
                ("SPAMICITY", f"OF {learned.spam} SPAM", f"OF {learned.ham} HAM", "WORD"),
                *(_row(word, learned) for word in shown),
            ],
            right=(0, 1, 2),
        )


def _row(word: KnownWord, learned: Counts) -> tuple[str, ...]:
    text = printable(word.text)
    if len(text) > _LONGEST_WORD:
        text = text[: _LONGEST_WORD - 3] + "..."
    return f"{probability(word, learned):.3f}", str(word.spam), str(word.ham), text


def _weight(word: KnownWord, learned: Counts) -> float:
    chance = probability(word, learned)
    return math.log(chance / (1 - chance))
