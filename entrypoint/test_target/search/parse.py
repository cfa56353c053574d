"""A query's text → its terms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import tzinfo

from entrypoint.test_target.search.dates import parse_moment, time_zone
from entrypoint.test_target.search.terms import (
    AddressedExactly,
    Condition,
    Contains,
    Has,
    InRun,
    Query,
    Received,
    Sized,
    Tagged,
    Term,
    TextField,
)
from entrypoint.test_target.search.words import clean, fold

MOST_CHARACTERS = 8_000  # of a query
MOST_TERMS = 100
_FIELDS: dict[str, TextField] = {
    "to": "to",
    "from": "from",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "reply-to",
    "addressed": "addressed",
    "subject": "subject",
    "message-id": "message-id",
}
_STATES: dict[str, Term] = {
    "is:read": Term(Has("read")),
    "is:unread": Term(Has("read"), negated=True),
    "is:tagged": Term(Has("tagged")),
    "has:attachment": Term(Has("attachment")),
    "has:attachments": Term(Has("attachment")),
    "has:inline": Term(Has("inline")),
    "has:inlines": Term(Has("inline")),
}
_SIZE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)\s?(?:([km])b?)?\Z")
_UNITS = {None: 1, "k": 1024, "m": 1024 * 1024}


class QueryError(ValueError):
    """A query that is too long to be one; the text says what is allowed."""


def parse_query(text: str, zone: str = "") -> Query:
    """zone: the IANA name of the time zone of its dates. Raises QueryError."""
    if len(text) > MOST_CHARACTERS:
        raise QueryError(f"a search query has {MOST_CHARACTERS} characters at most")
    text = text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8")
    zone_of_dates = time_zone(zone)
    terms = [term for word in _words(text) if (term := _term(word, zone_of_dates))]
    if len(terms) > MOST_TERMS:
        raise QueryError(f"a search query has {MOST_TERMS} terms at most")
    return Query(tuple(terms))


def _words(text: str) -> Iterator[str]:
    """Parted at spaces outside of quotes; the quotes themselves go."""
    word, quoted = "", False
    for character in text + " ":
        if character == '"':
            quoted = not quoted
        elif character == " " and not quoted:
            if word.strip():
                yield word.strip()
            word = ""
        else:
            word += character
    if word.strip():  # the last quote has no end
        yield word.strip()


def _term(word: str, zone: tzinfo | None) -> Term | None:
    negated = len(word) > 1 and word[0] in "-!"
    word = word[1:] if negated else word
    if not any(character.isalnum() for character in word):
        return None
    state = _STATES.get(word.lower())
    if state is not None:
        return Term(state.condition, state.negated != negated)
    condition = _condition(word, zone)
    return Term(condition, negated) if condition else None


def _condition(word: str, zone: tzinfo | None) -> Condition | None:
    """None where Mailpit passes over the word: nothing behind the colon, or no date."""
    name, colon, value = word.partition(":")
    name = name.lower() if colon else ""
    cleaned = clean(value)
    if name in _FIELDS:
        # Mailpit compares subjects as they stand, all else without the signs around addresses.
        needle = fold(value) if name == "subject" else cleaned
        return Contains(_FIELDS[name], needle) if needle else None
    if name == "tag":
        return Tagged(cleaned) if cleaned else None
    if name == "run":
        return InRun(value.strip().lower()) if value.strip() else None
    if name == "addressed-exactly":
        return AddressedExactly(value.strip().lower()) if value.strip() else None
    if name in {"after", "before"}:
        moment = parse_moment(value, zone)
        return Received(name == "before", moment) if moment is not None else None
    if name in {"larger", "smaller"} and (size := _size(value)):
        return Sized(name == "smaller", size)
    needle = clean(word)
    return Contains("text", needle) if needle else None


def _size(text: str) -> int:
    """Bytes; 0 if it is no size."""
    match = _SIZE.match(text.strip().lower())
    return int(float(match[1]) * _UNITS[match[2]]) if match else 0
