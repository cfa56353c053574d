"""What was answered for each number, and what was found of it in the end. Pure.

RFC 5321 4.1.1.4 and 4.2.5: with the 250 to the end of the data a server is responsible for the
message. Where that answer does not arrive (RFC 1047), the client sends again and the server may
have both; nobody can know. So a message counts as accepted by its 250 alone, and each try that had
no answer allows one copy more. So does each hop behind the server that was cut off, which shows in
the time at which the first copy came.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

Kind = Literal["message", "bounce", "rejected", "queued", "notice", "unknown"]


@dataclass
class Entry:
    """One number. places: where it may arrive. refused: its recipient does not exist outside.
    onward: seconds from a hand-over that may be cut off until what was handed over arrives.

    accepted: when it was answered 250. doubts: when tries ended without an answer.
    """

    number: int
    route: str
    places: frozenset[str]
    refused: bool = False
    onward: float = 0.0
    accepted: float | None = None
    doubts: list[float] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Found:
    """One copy, or one thing that was said about a number; at: when it came."""

    number: int
    place: str
    kind: Kind
    whole: bool
    at: float


@dataclass(frozen=True)
class Interval:
    """While sessions behind the server were cut off."""

    begin: float
    end: float

    def has(self, moment: float, later: float = 0.0) -> bool:
        """Whether a moment is in it, or so much later."""
        return self.begin <= moment <= self.end + later


COLUMNS = (
    "numbered",
    "accepted",
    "delivered",
    "bounced",
    "queued",
    "lost",
    "in part",
    "misplaced",
    "bounced without cause",
    "doubled where SMTP cannot know",
    "doubled otherwise",
)
# What a server must never do.
FAULTS = (
    "queued",
    "lost",
    "in part",
    "misplaced",
    "bounced without cause",
    "doubled otherwise",
)


class Tally:
    """How many numbers of each route have which fate. wrong: which, and what was found of them."""

    def __init__(self) -> None:
        self.counts: dict[str, dict[str, int]] = {}
        self.wrong: dict[str, list[str]] = {name: [] for name in FAULTS}
        self.gone: set[int] = set()  # numbers of which there is nothing

    def add(self, route: str, fate: str, what: str = "") -> None:
        """One more."""
        row = self.counts.setdefault(route, dict.fromkeys(COLUMNS, 0))
        row[fate] += 1
        if fate in self.wrong:
            self.wrong[fate].append(what)

    def total(self, fate: str) -> int:
        """Of all routes."""
        return sum(row[fate] for row in self.counts.values())


class Ledger:
    """The numbers of a run. Any thread may write."""

    def __init__(self) -> None:
        self.entries: dict[int, Entry] = {}
        self._lock = threading.Lock()
        self._accepted = 0

    def open(
        self, route: str, places: Iterable[str], *, refused: bool = False, onward: float = 0.0
    ) -> Entry:
        """A new number."""
        with self._lock:
            entry = Entry(len(self.entries) + 1, route, frozenset(places), refused, onward)
            self.entries[entry.number] = entry
            return entry

    def accept(self, entry: Entry, at: float) -> None:
        """It was answered 250."""
        with self._lock:
            entry.accepted = at
            self._accepted += 1

    @property
    def accepted(self) -> int:
        """How many were."""
        return self._accepted

    def before(self, moment: float) -> set[int]:
        """Those that were answered before a moment."""
        with self._lock:
            return {
                each.number
                for each in self.entries.values()
                if each.accepted is not None and each.accepted < moment
            }

    def compare(self, found: Iterable[Found], cuts: Sequence[Interval]) -> Tally:
        """What became of each number."""
        by_number: dict[int, list[Found]] = {}
        for each in found:
            if each.kind == "notice":
                continue
            by_number.setdefault(each.number, []).append(each)
        tally = Tally()
        for entry in self.entries.values():
            _judge(entry, by_number.pop(entry.number, []), cuts, tally)
        # What has no number, or one that nobody sent: somebody made a message of something else.
        for rest in by_number.values():
            for each in rest:
                tally.add("none", "misplaced", f"{each}")
        return tally


def _judge(entry: Entry, found: list[Found], cuts: Sequence[Interval], tally: Tally) -> None:
    what = f"{entry}: {found}"
    tally.add(entry.route, "numbered")
    if entry.accepted is not None:
        tally.add(entry.route, "accepted")
    copies = [each for each in found if each.kind == "message" and each.place in entry.places]
    bounces = [each for each in found if each.kind == "bounce"]
    waits = any(each.kind == "queued" for each in found)
    if copies:
        tally.add(entry.route, "delivered")
    elif bounces:
        tally.add(entry.route, "bounced")
    elif waits:
        tally.add(entry.route, "queued", what)
    elif entry.accepted is not None:
        tally.gone.add(entry.number)
        tally.add(entry.route, "lost", what)
    if any(not each.whole for each in found if each.kind in ("message", "rejected")):
        tally.add(entry.route, "in part", what)
    stray = [each for each in found if each.kind in ("message", "unknown") and each not in copies]
    if stray or (entry.refused and copies):
        tally.add(entry.route, "misplaced", what)
    if bounces and not entry.refused and all(each.kind != "rejected" for each in found):
        tally.add(entry.route, "bounced without cause", what)
    _count_doubles(entry, [*copies, *bounces], cuts, tally, what)


def _count_doubles(
    entry: Entry, ends: list[Found], cuts: Sequence[Interval], tally: Tally, what: str
) -> None:
    """Each hand-over has one end: a copy or a bounce."""
    one = (entry.accepted is not None) + len(entry.doubts)
    more = len(ends) - one
    if more <= 0:
        if len(ends) > 1:
            tally.add(entry.route, "doubled where SMTP cannot know")
        return
    moments = sorted(each.at for each in ends)[:-1] if one else [each.at for each in ends]
    cut = sum(any(each.has(moment, entry.onward) for each in cuts) for moment in moments)
    known = more <= cut and one > 0
    fate = "doubled where SMTP cannot know" if known else "doubled otherwise"
    tally.add(entry.route, fate, what)
