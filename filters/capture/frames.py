"""What goes over the socket between the filter and the process that stores: JSON and bytes.

A frame is the lengths of both, then both. From the filter come questions, with an `id`, whose
answer has the same one; from the other end statements, with a number `state`, which the filter
returns once they hold.
"""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import Mapping
from typing import Any

_LENGTHS = struct.Struct(">II")
MOST_JSON = 64 << 20  # a zone has a megabyte, and a verdict the records that decided
MOST_BYTES = 1 << 30

Header = dict[str, Any]


class FrameError(ValueError):
    """What no other end of ours writes."""


def frame(header: Mapping[str, Any], body: bytes = b"") -> bytes:
    """All of it. Lone surrogates in texts come out as they were."""
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    return b"".join((_LENGTHS.pack(len(text), len(body)), text, body))


async def read_frame(reader: asyncio.StreamReader) -> tuple[Header, bytes]:
    """The next one. Raises EOFError at the end, FrameError for what is none."""
    json_length, body_length = _LENGTHS.unpack(await reader.readexactly(_LENGTHS.size))
    if json_length > MOST_JSON or body_length > MOST_BYTES:
        raise FrameError(f"a frame of {json_length} and {body_length} bytes")
    text = await reader.readexactly(json_length)
    body = await reader.readexactly(body_length) if body_length else b""
    try:
        header = json.loads(text)
    except ValueError as error:
        raise FrameError(f"no JSON: {error}") from None
    if not isinstance(header, dict):
        raise FrameError("no object")
    return header, body
