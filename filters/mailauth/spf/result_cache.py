"""SPF results that are known already: what DNS has not changed is not evaluated again.

A result follows from what the evaluation was given and from the answers that it has looked at, so
whoever gets all of them again has the result too. Until its time to live is over, an answer is the
very same object, and mostly it says the same afterwards. It must not know how a record is
evaluated.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from filters.mailauth.dns.types import Answer, Known, Outcome, Question, RecordData
from filters.mailauth.results import SpfWord

Result = tuple[SpfWord, str, str]  # with the reason and the explanation
Client = tuple[str, str]  # its address, and the domain that is checked
Sender = tuple[str, str, str]  # local part, envelope sender, HELO

# Strangers choose what is kept, and what an entry holds on to outlives its time in DNS.
_MOST = 2_048
_MOST_ANSWERS = 32
_LARGEST = 4_096  # characters of names, records and result


class _Entry(NamedTuple):
    answers: tuple[tuple[Question, Answer], ...]
    sender: Sender | None
    result: Result


class Looked:
    """What is known of DNS, and what an evaluation has looked at: its questions, in order."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.at: dict[Question, Outcome | None] = {}

    def __call__(self, name: str, rdtype: str) -> Outcome | None:
        """Answer as `known` does."""
        outcome = self.at[name, rdtype] = self._known(name, rdtype)
        return outcome


class ResultCache:
    """At most 2,048 results, the one that was asked for last at the end.

    One for each client and domain: a record that looks at the sender takes the place of no other.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._entries: OrderedDict[Client, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, client: Client, sender: Sender, known: Known) -> Result | None:
        """Return what an evaluation would, or None where there has to be one.

        `known` is asked what the evaluation would ask, in its order, and no more: a budget is
        spent alike.
        """
        entry = self._entries.get(client)
        if entry is None or (entry.sender is not None and entry.sender != sender):
            return None
        for question, answer in entry.answers:
            now = known(*question)
            if now is not answer and now != answer:
                return None
        self._entries.move_to_end(client)
        return entry.result

    def keep(
        self,
        client: Client,
        sender: Sender | None,
        looked: Mapping[Question, Outcome | None],
        result: Result,
    ) -> None:
        """Remember a result. sender: None where the evaluation has not looked at it."""
        answers = tuple(
            (question, answer) for question, answer in looked.items() if isinstance(answer, Answer)
        )
        # A failure of DNS is not kept: an exception holds on to whatever it came through.
        if len(answers) < len(looked) or len(answers) > _MOST_ANSWERS:
            return
        size = sum(map(len, (*client, *(sender or ()), *result)))
        for question, answer in answers:
            size += len(question[0]) + sum(map(_length, answer.records))
        if size > _LARGEST:
            return
        self._entries[client] = _Entry(answers, sender, result)
        self._entries.move_to_end(client)
        if len(self._entries) > self._most:
            self._entries.popitem(last=False)


def _length(record: RecordData) -> int:
    return len(record[1] if isinstance(record, tuple) else record)
