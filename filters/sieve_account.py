"""Whose Sieve script sends a message: `sieve-send` puts the account on top of it, as a field.

It must not know what an account may do.
"""

from __future__ import annotations

from filters.mailauth.message import Message, remove

FIELD = b"x-signpost-account"


def whose_script(message: Message) -> tuple[str | None, Message]:
    """The account, and the message without that field; None and the same where there is none.

    Only the field on top counts: a redirected message may have brought one of its own.
    """
    marks = message.named(FIELD)
    if not marks:
        return None, message
    account = marks[0].value.strip().decode("ascii", "backslashreplace")
    return account, Message(remove(message.raw, marks[:1]))
