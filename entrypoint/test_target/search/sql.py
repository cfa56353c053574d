"""A query → a condition in SQL with its parameters, for the tables of `store.schema`."""

# What is put together here are names of tables and columns; values are parameters.

from __future__ import annotations

from collections.abc import Callable
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


@dataclass(frozen=True)
class SqlCondition:
    """text: on the table `messages m`. Nothing of the query is in it: each parameter is a `?`."""

    text: str
    parameters: tuple[str | int, ...]


def table_and_column(field: TextField) -> tuple[str, str]:
    """Where a field stands: a table, and what to look into."""
    return "texts" if field == "text" else "fields", _COLUMNS[field]


def to_sql(query: Query, containing: Callable[[Contains], SqlCondition]) -> SqlCondition:
    """All terms; `1` for a query without any. containing: knows which messages hold a text."""
    texts: list[str] = []
    parameters: list[str | int] = []
    for term in query.terms:
        one = _condition(term.condition, containing)
        texts.append(f"NOT ({one.text})" if term.negated else f"({one.text})")
        parameters.extend(one.parameters)
    return SqlCondition(" AND ".join(texts) or "1", tuple(parameters))


def _condition(
    condition: Condition, containing: Callable[[Contains], SqlCondition]
) -> SqlCondition:
    if isinstance(condition, Contains):
        return containing(condition)
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
