"""What of a message its words are taken from: at most 64 kB of what may be read.

The first 128 kB of a message are looked at, so that a lesson sees what a verdict saw.
"""

from __future__ import annotations

LOOKED_AT = 128 * 1024  # bytes of the message
_SIZE = 64 * 1024


def excerpt(message: bytes) -> bytes:
    """The message that bogofilter gets."""
    return message[:LOOKED_AT][:_SIZE]
