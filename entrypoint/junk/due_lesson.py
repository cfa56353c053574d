"""What is to be learned of a message that something happened to, once its text is there.

Three know something of it: its fields, what was seen of it before, and the account's notes of its
delivery and its lessons. What that means is said in moves.py, and what may be learned in
ham_rules.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.junk.account_state import AccountState
from entrypoint.junk.delivery_fields import delivery_fields, delivery_of
from entrypoint.junk.digest import digest
from entrypoint.junk.folders import Times
from entrypoint.junk.ham_rules import allowed
from entrypoint.junk.moves import BROUGHT, Event, Read, looked_at
from entrypoint.junk.seen_messages import SeenMessages, Waiting
from entrypoint.junk.special_folders import Kind, kind_of


@dataclass(frozen=True)
class WaitingMessage:
    """One that waits, and was found. number: its `delivery_digest`. times: None if it has gone."""

    item: Waiting
    text: bytes
    number: bytes
    times: Times | None


def due_lesson(
    message: WaitingMessage,
    seen: SeenMessages,
    state: AccountState,
    *,
    account: str,
    has_script: bool,
) -> tuple[Event, str]:
    """The event, without a class where nothing is learned; and the domain that it counts for.

    account: its address. has_script: whether a delivery may have filed it by its owner's script.
    Raises StateError.
    """
    item, text, times = message.item, message.text, message.times
    kind, event = kind_of(item.folder), item.event
    since = seen.in_junk_since(message.number, item.key)
    lesson = state.lesson(digest(text))
    learned = None if lesson is None else lesson.cls
    fields, note = delivery_fields(text), delivery_of(state, text)
    # A verdict that was noted, and is not in the message, came too late for its delivery.
    filed_as_junk = (
        note is not None
        and (fields.marked_spam or (note.junk and fields.called_junk))
        and not has_script
    )
    if event.cls is None and times is not None:
        read = Read(
            delivered=fields.at,
            called_junk=fields.called_junk or fields.marked_spam,
            filed_as_junk=filed_as_junk,
            # A sub-address names a folder.
            may_be_filed=has_script or fields.recipient != account,
            is_addressed=_is_addressed(item.folder, fields.recipient, account),
            was_in_junk=since is not None and since < times.named,
            was_outside=seen.was_outside(message.number, item.key),
            lesson=learned,
        )
        event = looked_at(kind, times, read, is_brought=event.source == BROUGHT) or event
        if kind is not Kind.JUNK:
            seen.put_outside(message.number, item.key)
    corrected = since is not None or filed_as_junk or kind is Kind.JUNK
    return allowed(state, event, note, learned, corrected=corrected)


def _is_addressed(folder: str, recipient: str, account: str) -> bool:
    """Whether its sender has named this very folder (templates/dovecot/subaddress.sieve)."""
    own, local = account.rpartition("@")[0], recipient.rpartition("@")[0]
    # With one character that separates them.
    return local.startswith(own) and f".{local[len(own) + 1 :]}" == folder.lower()
