"""Whom a message names as having sent it beside its author: Sender, Resent-From, Resent-Sender.

RFC 5322 §3.6.2 and §3.6.6. Mail programs show them ("Carol on behalf of Alice"), and DKIM signs
them. It must not know who may use which address.
"""

from __future__ import annotations

from collections.abc import Iterator

from filters.mailauth.author import UnreadableError, mailboxes, written
from filters.mailauth.message import Message

_FIELDS = frozenset({b"sender", b"resent-from", b"resent-sender"})


def resenders(message: Message) -> Iterator[tuple[str, str | None, str]]:
    """Yield (field's name, address, its domain); of a field that cannot be read (name, None, text).

    An address literal's domain is "".
    """
    for field in message.fields:
        if field.key not in _FIELDS:
            continue
        name = field.key.decode().title()
        try:
            found = mailboxes(field.value)
        except UnreadableError:
            yield name, None, field.value.decode("utf-8", "surrogateescape").lower()
            continue
        for local, domain in found:
            yield name, written(local, domain), domain or ""
