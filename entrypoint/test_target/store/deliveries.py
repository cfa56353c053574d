"""Messages that are not in the mailboxes of their recipients yet.

A row is written with its message, in one transaction, and goes when every recipient has a copy, or
with the message: what was accepted is delivered whatever happens in between.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.store.deflated import deflate, inflate


@dataclass(frozen=True)
class PendingDelivery:
    """head: what stands before the message's own bytes. body: in their place, or None."""

    junk: bool
    head: bytes
    deflated: bool
    body: bytes | None


@dataclass(frozen=True)
class Delivery:
    """A message for the mailboxes. received: as `Extra.received`, in ISO 8601."""

    seq: int
    identity: str
    sender: str
    recipients: tuple[str, ...]
    received: str
    junk: bool
    content: bytes


def pending_delivery(message: ReceivedMessage) -> PendingDelivery | None:
    """None where nothing is for a mailbox."""
    content = message.delivered
    if content is None or not message.extra.recipients:
        return None
    if content.endswith(message.raw):
        return PendingDelivery(
            message.junk, content[: len(content) - len(message.raw)], False, None
        )
    body, deflated = deflate(content)
    return PendingDelivery(message.junk, b"", deflated, body)


def insert_delivery(connection: sqlite3.Connection, seq: int, delivery: PendingDelivery) -> None:
    """Within the transaction that inserts the message."""
    connection.execute(
        "INSERT INTO deliveries VALUES (?, ?, ?, ?, ?)",
        (seq, delivery.junk, delivery.head, delivery.deflated, delivery.body),
    )


def next_deliveries(connection: sqlite3.Connection, limit: int, most_bytes: int) -> list[Delivery]:
    """The oldest ones, one at least where there are any, and else no more bytes than that."""
    found: list[Delivery] = []
    size = 0
    rows = connection.execute(
        "SELECT d.seq, m.id, s.json, d.junk, d.head, d.deflated, d.body, b.deflated, b.raw"
        " FROM deliveries d JOIN messages m ON m.seq = d.seq JOIN summaries s ON s.seq = d.seq"
        " JOIN bodies b ON b.seq = d.seq ORDER BY d.seq LIMIT ?",
        (limit,),
    )
    for seq, identity, text, junk, head, deflated, body, raw_deflated, raw in rows:
        summary = json.loads(text)
        envelope = summary["Extra"]["Envelope"]
        if body is not None:
            content = inflate(body, deflated=bool(deflated))
        else:
            content = head + inflate(raw, deflated=bool(raw_deflated))
        found.append(
            Delivery(
                seq,
                identity,
                envelope["From"],
                tuple(envelope["To"]),
                summary["Created"],
                bool(junk),
                content,
            )
        )
        size += len(content)
        if size >= most_bytes:
            break
    return found


def forget_deliveries(connection: sqlite3.Connection, seqs: Sequence[int]) -> None:
    """They are done."""
    connection.executemany("DELETE FROM deliveries WHERE seq = ?", [(seq,) for seq in seqs])


def count_deliveries(connection: sqlite3.Connection) -> int:
    """How many messages wait."""
    return int(connection.execute("SELECT count(*) FROM deliveries").fetchone()[0])


def last_delivery(connection: sqlite3.Connection) -> int:
    """seq of the newest; 0 where there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM deliveries").fetchone()[0])
