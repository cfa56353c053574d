"""What it means that a message is where it was not: every kind of folder, from anywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.junk.folders import ANSWERED, MARKED_HAM, MARKED_SPAM, SEEN, Times
from entrypoint.junk.moves import (
    Beginning,
    Event,
    Read,
    SeenBefore,
    arrived,
    looked_at,
    marked,
    unmarked,
)
from entrypoint.junk.special_folders import Kind, kind_of

BEGINNING = Beginning(1000.0)
NEW = Times(2000.0, 2000.001, 2000.002, 2000001000000)
MOVED_LATER = replace(NEW, changed=2500.0)
OLD = Times(500.0, 500.001, 2500.0, 500001000000)
UNKNOWN, ELSEWHERE, IN_JUNK = SeenBefore(), SeenBefore(elsewhere=True), SeenBefore(in_junk=True)
BOTH = SeenBefore(elsewhere=True, in_junk=True)
LOOK, BROUGHT = Event(None, "moved"), Event(None, "brought")
SPAM, HAM, FILED = Event("spam", "moved"), Event("ham", "moved"), Event("ham", "filed")


@pytest.mark.parametrize(
    ("kind", "seen", "event"),
    [
        (Kind.JUNK, UNKNOWN, LOOK),
        (Kind.JUNK, ELSEWHERE, SPAM),
        (Kind.JUNK, BOTH, SPAM),
        (Kind.JUNK, IN_JUNK, LOOK),
        (Kind.INBOX, UNKNOWN, LOOK),
        (Kind.INBOX, ELSEWHERE, None),
        (Kind.INBOX, IN_JUNK, HAM),
        (Kind.INBOX, BOTH, HAM),
        (Kind.OTHER, UNKNOWN, LOOK),
        (Kind.OTHER, ELSEWHERE, FILED),
        (Kind.OTHER, BOTH, HAM),
        (Kind.OWN, UNKNOWN, None),
        (Kind.OWN, ELSEWHERE, None),
        (Kind.OWN, IN_JUNK, HAM),
        (Kind.TRASH, UNKNOWN, None),
        (Kind.TRASH, ELSEWHERE, None),
        (Kind.TRASH, BOTH, None),
    ],
)
def test_where_it_is_and_was(kind: Kind, seen: SeenBefore, event: Event | None) -> None:
    assert arrived(kind, SEEN, seen, NEW, BEGINNING) == event


@given(st.sampled_from(Kind), st.integers(0, 15))
def test_what_is_older_than_the_first_look_and_was_not_seen_teaches_nothing(
    kind: Kind, marks: int
) -> None:
    assert arrived(kind, marks, UNKNOWN, OLD, BEGINNING) in (None, LOOK, BROUGHT)
    dated = Times(2000.0, 1500.0, 2000.0, 1)  # an APPEND with a date, while an import runs
    assert arrived(kind, marks, UNKNOWN, dated, Beginning(1000.0, 2001.0)) in (None, LOOK)
    if kind is Kind.JUNK:
        assert arrived(kind, marks, UNKNOWN, OLD, BEGINNING) == BROUGHT
        assert arrived(kind, marks, UNKNOWN, dated, Beginning(1000.0, 2001.0)) is None
        assert looked_at(kind, OLD, Read(), is_brought=True) is None
        assert looked_at(kind, OLD, Read(lesson="ham"), is_brought=True) == SPAM


@given(st.sampled_from(Kind), st.integers(0, 15), st.booleans(), st.booleans())
def test_marks_it_had_before_teach_nothing(
    kind: Kind, marks: int, elsewhere: bool, in_junk: bool
) -> None:
    event = arrived(kind, marks, SeenBefore(elsewhere, in_junk, marks), NEW, BEGINNING)
    assert event is None or event.source in ("moved", "filed")


@pytest.mark.parametrize(
    ("kind", "before", "now", "event"),
    [
        (Kind.INBOX, 0, MARKED_SPAM, Event("spam", "flagged")),
        (Kind.INBOX, MARKED_HAM, MARKED_SPAM, Event("spam", "flagged")),
        (Kind.INBOX, MARKED_HAM, MARKED_HAM | MARKED_SPAM, Event("spam", "flagged")),
        (Kind.JUNK, MARKED_SPAM, MARKED_HAM, Event("ham", "flagged")),
        (Kind.JUNK, MARKED_SPAM, 0, None),
        (Kind.INBOX, 0, MARKED_HAM | MARKED_SPAM, None),
        (Kind.INBOX, MARKED_HAM | MARKED_SPAM, MARKED_SPAM, Event("spam", "flagged")),
        (Kind.INBOX, MARKED_HAM | MARKED_SPAM, MARKED_HAM, Event("ham", "flagged")),
        (Kind.INBOX, MARKED_HAM | MARKED_SPAM, MARKED_HAM | MARKED_SPAM | SEEN, None),
        (Kind.INBOX, 0, ANSWERED | SEEN, Event("ham", "answered")),
        (Kind.OTHER, SEEN, ANSWERED | SEEN, Event("ham", "answered")),
        (Kind.JUNK, 0, ANSWERED, None),
        (Kind.TRASH, 0, ANSWERED, None),
        (Kind.INBOX, ANSWERED, ANSWERED | SEEN, None),
        (Kind.INBOX, MARKED_SPAM, MARKED_SPAM | ANSWERED, None),
        (Kind.INBOX, MARKED_SPAM | MARKED_HAM, 15, Event("ham", "answered")),
    ],
)
def test_marks(kind: Kind, before: int, now: int, event: Event | None) -> None:
    assert marked(kind, before, now) == event


@pytest.mark.parametrize(
    ("kind", "before", "now", "event"),
    [
        (Kind.INBOX, MARKED_SPAM, 0, Event("ham", "unmarked")),
        (Kind.OTHER, MARKED_SPAM | SEEN, SEEN, Event("ham", "unmarked")),
        (Kind.INBOX, MARKED_HAM, 0, None),
        (Kind.INBOX, MARKED_SPAM, MARKED_SPAM | SEEN, None),
        (Kind.JUNK, MARKED_SPAM, 0, None),
        (Kind.TRASH, MARKED_SPAM, 0, None),
    ],
)
def test_marks_that_are_taken_off(kind: Kind, before: int, now: int, event: Event | None) -> None:
    assert unmarked(kind, before, now) == event


DELIVERED = Read(delivered=1999.0)
FILED_THERE = replace(DELIVERED, may_be_filed=True)


@pytest.mark.parametrize(
    ("times", "read", "event"),
    [
        (NEW, DELIVERED, SPAM),
        (NEW, FILED_THERE, None),
        (MOVED_LATER, FILED_THERE, SPAM),
        (NEW, replace(FILED_THERE, delivered=1900.0), SPAM),  # uploaded long after its delivery
        (NEW, replace(FILED_THERE, delivered=None), SPAM),
        (MOVED_LATER, replace(DELIVERED, called_junk=True), None),
        (NEW, replace(FILED_THERE, was_outside=True), SPAM),
        (NEW, replace(DELIVERED, called_junk=True, was_outside=True), SPAM),
        (MOVED_LATER, replace(DELIVERED, was_in_junk=True), None),
        (MOVED_LATER, replace(DELIVERED, lesson="spam"), None),
        (NEW, replace(DELIVERED, lesson="ham", called_junk=True), SPAM),
        (NEW, replace(FILED_THERE, lesson="ham", was_in_junk=True), SPAM),
    ],
)
def test_what_the_text_says_of_one_in_junk(times: Times, read: Read, event: Event | None) -> None:
    assert looked_at(Kind.JUNK, times, read) == event


RESCUED = replace(DELIVERED, called_junk=True, filed_as_junk=True)


@pytest.mark.parametrize(
    ("times", "read", "event"),
    [
        (MOVED_LATER, RESCUED, HAM),
        (NEW, RESCUED, None),  # nobody has moved it: Junk could not be written to
        (MOVED_LATER, replace(RESCUED, filed_as_junk=False), None),
        (MOVED_LATER, replace(RESCUED, lesson="spam"), None),
    ],
)
def test_out_of_junk_before_it_was_seen_there(
    times: Times, read: Read, event: Event | None
) -> None:
    assert looked_at(Kind.INBOX, times, read) == event


@given(st.sampled_from([Kind.INBOX, Kind.OTHER]), st.booleans())
def test_elsewhere_only_its_digest_tells(kind: Kind, was_in_junk: bool) -> None:
    event = looked_at(kind, NEW, Read(was_in_junk=was_in_junk, called_junk=True))
    assert event == (HAM if was_in_junk else None)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", Kind.INBOX),
        (".Junk", Kind.JUNK),
        (".junk", Kind.JUNK),
        (".Junk.Old", Kind.JUNK),
        (".Archive.Spam", Kind.JUNK),
        (".Junkyard", Kind.OTHER),
        (".Trash", Kind.TRASH),
        (".Trash.2026", Kind.TRASH),
        (".Deleted Items", Kind.TRASH),
        (".Sent", Kind.OWN),
        (".Drafts", Kind.OWN),
        (".Archive", Kind.OTHER),
        (".Entw&APw-rfe", Kind.OWN),
        (".Papierkorb", Kind.TRASH),
        (".Gel&APY-schte Elemente.2026", Kind.TRASH),
        (".&BBoEPgRABDcEOAQ9BDA-", Kind.TRASH),
        (".Junk-E-Mail", Kind.JUNK),
        (".Courrier ind&AOk-sirable", Kind.JUNK),
        (".&V4NXPpCuTvY-", Kind.JUNK),
        (".Gesendet", Kind.OWN),
        (".R&-D", Kind.OTHER),
        (".B&APw-cher", Kind.OTHER),
        (".&", Kind.OTHER),
        (".&A-", Kind.OTHER),
        (".&2D0-", Kind.OTHER),
        (".&AAAA-", Kind.OTHER),
    ],
)
def test_folders(name: str, kind: Kind) -> None:
    assert kind_of(name) is kind
