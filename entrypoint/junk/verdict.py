"""A message for an account → its score, and what the account remembers of it.

Waits for the disk and for bogofilter: for a thread. What an account's own rules decide needs
neither words nor lessons.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from entrypoint.junk.account_state import NONE_LEARNED, AccountState, open_state
from entrypoint.junk.evidence import Known, Marks, evidence, marks_of, passes_dmarc
from entrypoint.junk.score import Decision, Score, judge
from entrypoint.junk.words import check_not_lost, classify
from entrypoint.paths import account_home
from filters.facts import ArrivalFacts, parse_facts

_LONGEST_FIELD = 1024
# Of several authors, so many are looked up in the account's rules.
MOST_AUTHORS = 20


@dataclass(frozen=True)
class DeliveryQuestion:
    """What a delivery asks. mark: of this delivery, or "". facts: as the server wrote them.

    until: when it goes on without an answer, on the monotonic clock.
    """

    account: str
    sender: str
    mark: str
    facts: str
    message: bytes
    until: float = math.inf

    @classmethod
    def read(cls, data: bytes, until: float = math.inf) -> DeliveryQuestion | None:
        """`account NUL sender NUL mark NUL facts NUL message`; None for anything else."""
        fields = data.split(b"\0", 4)
        if len(fields) != 5 or any(len(field) > _LONGEST_FIELD for field in fields[:4]):
            return None
        account, sender, mark, facts = (field.decode("utf-8", "replace") for field in fields[:4])
        return cls(account, sender, mark, facts, fields[4], until)


def verdict(question: DeliveryQuestion, mail: Path) -> Score:
    """The score, which the account has noted. Raises StateError, WordsError or NoAccountError."""
    home = account_home(question.account, mail)
    marks, facts = marks_of(question.message), parse_facts(question.facts)
    if not home.is_dir():  # the account's first message
        return judge(None, (), None)
    with open_state(home) as state:
        score = _judged(home, question, marks, facts, state)
        _take_down(question, marks, facts, score, state)
    return score


def _judged(
    home: Path,
    question: DeliveryQuestion,
    marks: Marks,
    facts: ArrivalFacts | None,
    state: AccountState,
) -> Score:
    dmarc = facts is not None and passes_dmarc(facts, marks)
    rule = by_rule(marks, question.sender, state, dmarc=dmarc)
    if rule is not None or facts is None:
        return Score(rule == "blocked", rule or "from here")
    known = known_of(question.account, marks, state)
    lessons = state.counts().total  # before the words, which come first
    words = classify(home, question.message)
    if words is None:
        # And behind them, since they may be forgotten meanwhile.
        check_not_lost(home, NONE_LEARNED, min(lessons, state.counts().total))
    return judge(words, evidence(facts, marks, known), state.threshold())


def by_rule(marks: Marks, sender: str, state: AccountState, *, dmarc: bool) -> Decision | None:
    """What stands above words: the account's rules, and whom it has written to.

    dmarc: whether the message passes it.
    """
    allowed = dmarc and state.sender_rule(marks.author) == "allow"
    for address in filter(None, (*marks.authors[:MOST_AUTHORS], sender.lower())):
        key, rule = state.deciding_rule(address) or ("", None)
        # Of a domain that is blocked an author may be allowed, whatever envelope sender he has.
        if rule == "block" and not (allowed and f".{marks.domain}".endswith(f".{key}")):
            return "blocked"
    if allowed:
        return "allowed"
    return "written to" if dmarc and state.was_written_to(marks.author) else None


def known_of(account: str, marks: Marks, state: AccountState) -> Known:
    """What the account knows of the author."""
    return Known(
        own_address=marks.author == account,
        first_contact=not marks.author or state.is_first_contact(marks.author),
    )


def _take_down(
    question: DeliveryQuestion,
    marks: Marks,
    facts: ArrivalFacts | None,
    score: Score,
    state: AccountState,
) -> None:
    """Before the message is stored: whoever finds it in a mailbox finds this, too."""
    now = int(time.time())
    authenticated = facts is not None and (passes_dmarc(facts, marks) or facts.dkim == "pass")
    with state.changing():
        if facts is not None and marks.author and not score.junk:
            state.note_author(marks.author, now)
        if question.mark:
            # An answer that is too late files nothing: the message goes to the inbox.
            filed = score.junk and time.monotonic() < question.until
            state.note_delivery(question.mark, now, filed, authenticated, marks.domain)
