"""A message → its rows."""

from __future__ import annotations

import json
import secrets
import sqlite3
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.test_target.messages.content import read_message
from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.shapes.summary import Summary, summarise
from entrypoint.test_target.store.tagging import add_tags

_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
# Mail is text: level 1 takes 50 µs for 4 KB, makes three fifths of it, and higher ones no less.
_LEVEL = 1
_LEAST = 512  # bytes that are worth it


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


def prepare(message: ReceivedMessage) -> PreparedMessage:
    """Takes a millisecond for what most tests send; never raises for what a message holds."""
    identity = new_id()
    summary = summarise(message, read_message(message.raw), identity)
    deflated = len(message.raw) >= _LEAST
    raw = zlib.compress(message.raw, _LEVEL) if deflated else message.raw
    text = json.dumps(summary.json, ensure_ascii=False, separators=(",", ":"))
    return PreparedMessage(identity, summary, text, raw, deflated)


def new_id() -> str:
    """22 characters, as Mailpit's."""
    return "".join(secrets.choice(_LETTERS) for _ in range(22))


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
        seq = cursor.lastrowid
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


def inflate(raw: bytes, *, deflated: bool) -> bytes:
    """The message's own bytes."""
    return zlib.decompress(raw) if deflated else raw
