"""Messages for the tests, with the envelope that they came in."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from entrypoint.test_target.messages.received import Extra, ReceivedMessage

RECEIVED = datetime(2026, 3, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def mail(
    text: str = "a text",
    *,
    subject: str = "a subject",
    from_: str = "Alice <alice@a.example>",
    to: str = "bob@b.example",
    header: str = "",
    sender: str = "alice@a.example",
    recipients: Sequence[str] = ("bob@b.example",),
    **session: Any,
) -> ReceivedMessage:
    """header: further fields, each with its line end."""
    raw = f"From: {from_}\r\nTo: {to}\r\nSubject: {subject}\r\n{header}\r\n{text}\r\n"
    return received(raw.encode(), sender=sender, recipients=recipients, **session)


def received(
    raw: bytes,
    *,
    sender: str = "alice@a.example",
    recipients: Sequence[str] = ("bob@b.example",),
    **session: Any,
) -> ReceivedMessage:
    """session: fields of Extra that matter to the case."""
    known: dict[str, Any] = {
        "client": "192.0.2.1",
        "helo": "client.example",
        "port": 1025,
        "received": RECEIVED,
        **session,
    }
    return ReceivedMessage(raw, Extra(sender=sender, recipients=tuple(recipients), **known))
