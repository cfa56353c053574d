"""What can be asked about a message, and whether a query's answer is yes.

The store puts the same into SQL; this is for a message that has just come, and what the SQL is
compared with in the tests.
"""

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
)


@dataclass(frozen=True)
class SearchRecord:
    """The texts are folded and cleaned (subject and message_id: folded).

    text: all that a bare word is looked for in. recipients, tags, run: in lower case. created: ms
    since 1970. tags and read change as time goes by; all else does not.
    """

    text: str
    from_: str
    to: str
    cc: str
    bcc: str
    reply_to: str
    subject: str
    message_id: str
    recipients: frozenset[str]
    run: str
    created: int
    size: int
    attachments: int
    inline: int
    tags: frozenset[str] = frozenset()
    read: bool = False


def matches(query: Query, record: SearchRecord) -> bool:
    """Whether all terms hold."""
    return all(holds(term.condition, record) != term.negated for term in query.terms)


def holds(condition: Condition, record: SearchRecord) -> bool:
    """Whether one does."""
    if isinstance(condition, Contains):
        return any(condition.needle in text for text in _texts(condition, record))
    if isinstance(condition, Tagged):
        return condition.name in record.tags
    if isinstance(condition, InRun):
        return condition.name == record.run
    if isinstance(condition, AddressedExactly):
        return condition.address in record.recipients
    if isinstance(condition, Has):
        return _has(condition, record)
    if isinstance(condition, Received):
        if condition.before:
            return record.created <= condition.moment
        return record.created >= condition.moment
    return record.size < condition.size if condition.smaller else record.size > condition.size


def _texts(condition: Contains, record: SearchRecord) -> tuple[str, ...]:
    addressed = (record.from_, record.to, record.cc, record.bcc, record.reply_to)
    return {
        "text": (record.text,),
        "from": addressed[:1],
        "to": addressed[1:2],
        "cc": addressed[2:3],
        "bcc": addressed[3:4],
        "reply-to": addressed[4:],
        "addressed": addressed,
        "subject": (record.subject,),
        "message-id": (record.message_id,),
    }[condition.field]


def _has(condition: Has, record: SearchRecord) -> bool:
    return {
        "read": record.read,
        "tagged": bool(record.tags),
        "attachment": record.attachments > 0,
        "inline": record.inline > 0,
    }[condition.state]
