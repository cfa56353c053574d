"""A query → a condition in SQL with its parameters, for the tables of `store.schema`."""

# What is put together here are names of tables and columns; values are parameters.
# ruff: noqa: S608

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.test_target.search.terms import (
    AddressedExactly,
    Condition,
    Contains,
    Has,
    InRun,
    Query,
    Received,
    Tagged,
    TextField,
)

# The index knows which messages have a trigram. More of them than this select no fewer messages.
_MOST_TRIGRAMS = 12
_LARGEST = 2**63 - 1  # of SQLite's numbers
_COLUMNS: dict[TextField, str] = {
    "text": "text",
    "from": "from_",
    "to": "to_",
    "cc": "cc",
    "bcc": "bcc",
    "reply-to": "reply_to",
    "subject": "subject",
    "message-id": "message_id",
    # No needle has a line end, so none is found across two of them.
    "addressed": "from_ || char(10) || to_ || char(10) || cc || char(10) || bcc || char(10)"
    " || reply_to",
}
_STATES = {
    "read": "m.read",
    "tagged": "EXISTS (SELECT 1 FROM message_tags g WHERE g.seq = m.seq)",
    "attachment": "m.attachments > 0",
    "inline": "m.inline > 0",
}
_TAIL = "(SELECT value FROM state WHERE name = 'indexed')"


@dataclass(frozen=True)
class SqlCondition:
    """text: on the table `messages m`. Nothing of the query is in it: each parameter is a `?`."""

    text: str
    parameters: tuple[str | int, ...]


def to_sql(query: Query) -> SqlCondition:
    """All terms; `1` for a query without any."""
    texts: list[str] = []
    parameters: list[str | int] = []
    for term in query.terms:
        one = _condition(term.condition)
        texts.append(f"NOT ({one.text})" if term.negated else f"({one.text})")
        parameters.extend(one.parameters)
    return SqlCondition(" AND ".join(texts) or "1", tuple(parameters))


def _condition(condition: Condition) -> SqlCondition:
    if isinstance(condition, Contains):
        return _contains(condition)
    if isinstance(condition, Tagged):
        return SqlCondition(
            "m.seq IN (SELECT g.seq FROM message_tags g JOIN tags t ON t.id = g.tag"
            " WHERE t.folded = ?)",
            (condition.name,),
        )
    if isinstance(condition, InRun):
        return SqlCondition("m.run = ?", (condition.name,))
    if isinstance(condition, AddressedExactly):
        return SqlCondition(
            "m.seq IN (SELECT r.seq FROM recipients r WHERE r.address = ?)", (condition.address,)
        )
    if isinstance(condition, Has):
        return SqlCondition(_STATES[condition.state], ())
    if isinstance(condition, Received):
        sign = "<=" if condition.before else ">="
        return SqlCondition(f"m.created {sign} ?", (condition.moment,))
    sign = "<" if condition.smaller else ">"
    return SqlCondition(f"m.size {sign} ?", (min(condition.size, _LARGEST),))


def _contains(condition: Contains) -> SqlCondition:
    """The index says which messages may have it, the text itself which do.

    What is not in the index yet is looked through, and so is all for what is shorter than a
    trigram.
    """
    column = _COLUMNS[condition.field]
    table = "texts" if condition.field == "text" else "fields"
    needle = condition.needle
    found = f"SELECT x.seq FROM {table} x WHERE instr({column}, ?)"
    if len(needle) < 3:
        return SqlCondition(f"m.seq IN ({found})", (needle,))
    return SqlCondition(
        f"m.seq IN ({found} AND x.seq IN (SELECT rowid FROM trigrams WHERE trigrams MATCH ?)"
        f" UNION ALL {found} AND x.seq > {_TAIL})",
        (needle, _trigrams(needle), needle),
    )


def _trigrams(needle: str) -> str:
    """FTS5's expression for those that have them all."""
    every = list(dict.fromkeys(needle[place : place + 3] for place in range(len(needle) - 2)))
    step = max(1, -(-len(every) // _MOST_TRIGRAMS))
    quoted = ('"' + trigram.replace('"', '""') + '"' for trigram in every[::step])
    return " AND ".join(quoted)
