"""Whether a login and a password belong together: how PAM and Dovecot ask, at a UNIX socket.

The question is `LOGIN NUL PASSWORD`, or `LOGIN NUL PASSWORD NUL ADDRESS` from who knows the client,
and the end of writing; the answer `right` or `wrong` and a line feed, or the end where there is
none.
"""

from __future__ import annotations

import asyncio

RIGHT, WRONG, NO_ANSWER = b"right\n", b"wrong\n", b""
LONGEST_QUESTION = 2048  # bytes; smtpd's own limits are 255 of login and 2047 of password
# Seconds for a question and its answer: the asker waits no longer (LONGEST of pam_signpost.c).
ANSWERED_WITHIN = 2.0


async def read_question(reader: asyncio.StreamReader) -> bytes | None:
    """All of it; None for one that is too long to be one."""
    question = b""
    while len(question) <= LONGEST_QUESTION and (part := await reader.read(LONGEST_QUESTION)):
        question += part
    return question if len(question) <= LONGEST_QUESTION else None
