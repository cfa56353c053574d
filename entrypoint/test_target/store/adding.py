"""A message → its rows."""

from __future__ import annotations

import json
import logging
import secrets
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.test_target.messages.content import plain_message, read_message
from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.shapes.summary import Summary, summarise
from entrypoint.test_target.store.deflated import deflate
from entrypoint.test_target.store.deliveries import (
    PendingDelivery,
    insert_delivery,
    pending_delivery,
)
from entrypoint.test_target.store.tagging import add_tags

log = logging.getLogger(__name__)

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BITS = 160  # 22 letters have 128: what is left makes all of them as likely


class StoreFullError(Exception):
    """No room for the message. The text says whether the bound is reached, or the disk full."""


@dataclass(frozen=True)
class PreparedMessage:
    """All that can be made of a message before it is its turn."""

    identity: str
    summary: Summary
    json: str
    raw: bytes
    deflated: bool
    delivery: PendingDelivery | None


def prepare(message: ReceivedMessage) -> PreparedMessage:
    """Takes a millisecond for what most tests send; never raises for what a message holds."""
    identity = new_id()
    summary = _summary(message, identity)
    raw, deflated = deflate(message.raw)
    text = json.dumps(summary.json, ensure_ascii=False, separators=(",", ":"))
    return PreparedMessage(identity, summary, text, raw, deflated, pending_delivery(message))


def _summary(message: ReceivedMessage, identity: str) -> Summary:
    """An empty one where a parser fails: the message is a test's, and its bytes are of use."""
    try:
        return summarise(message, read_message(message.raw), identity)
    except Exception as error:
        log.warning(
            "message %s cannot be read, and is stored without a summary: %s: %s",
            *(identity, type(error).__name__, error),
            exc_info=True,
        )
    return summarise(message, plain_message(), identity)


def new_id() -> str:
    """22 characters, as Mailpit's."""
    number, letters = secrets.randbits(_BITS), ""
    for _ in range(22):  # a choice for each of them would take a tenth of what a message takes
        number, place = divmod(number, len(_LETTERS))
        letters += _LETTERS[place]
    return letters


def insert(connection: sqlite3.Connection, messages: Sequence[PreparedMessage]) -> None:
    """Their rows, in their order. Within a transaction of the caller's."""
    for message in messages:
        record = message.summary.record
        cursor = connection.execute(
            "INSERT INTO messages (id, created, size, attachments, inline, run)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(message.identity, record.created, record.size),
                *(record.attachments, record.inline, record.run),
            ),
        )
        seq = int(cursor.lastrowid or 0)
        connection.execute("INSERT INTO summaries VALUES (?, ?)", (seq, message.json))
        connection.execute(
            "INSERT INTO bodies VALUES (?, ?, ?)", (seq, message.deflated, message.raw)
        )
        connection.execute(
            "INSERT INTO fields VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(seq, record.from_, record.to, record.cc, record.bcc, record.reply_to),
                *(record.subject, record.message_id),
            ),
        )
        connection.execute("INSERT INTO texts VALUES (?, ?)", (seq, record.text))
        connection.executemany(
            "INSERT INTO recipients VALUES (?, ?)",
            [(address, seq) for address in record.recipients],
        )
        add_tags(connection, f"SELECT {seq}", (), message.summary.tags)
        if message.delivery is not None:
            insert_delivery(connection, seq, message.delivery)
