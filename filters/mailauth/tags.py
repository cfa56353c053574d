"""Tag lists of DKIM and its relatives: `tag=value; tag=value` (RFC 6376 §3.2).

It must not know what any tag means.
"""

from __future__ import annotations

import re

# RFC 6376 §3.2: tag-name = ALPHA *(ALPHA / DIGIT / "_").
_NAME = re.compile(rb"[A-Za-z][A-Za-z0-9_]*")
_FWS = b" \t\r\n"
# Outside FWS a value is printable; 8-bit bytes are for the one who asked to judge (RFC 8616).
_ALLOWED = bytes(byte for byte in range(256) if byte >= 0x20 and byte != 0x7F) + b"\t"


class TagListError(Exception):
    """The text is no tag list; the message says why, without any of its bytes."""


def parse(text: bytes) -> dict[str, bytes]:
    """Return the tags in their order, white space around the values removed."""
    if text.replace(b"\r\n", b"").translate(None, _ALLOWED):
        raise TagListError("a control character in the tag list")
    specs = text.split(b";")
    if not specs[-1].strip(_FWS):
        specs.pop()
    tags: dict[str, bytes] = {}
    for spec in specs:
        name, equals, value = spec.partition(b"=")
        name = name.strip(_FWS)
        if not equals or not _NAME.fullmatch(name):
            raise TagListError("something that is no tag=value in the tag list")
        tag = name.decode("ascii")
        if tag in tags:
            raise TagListError(f"the tag {tag[:20]}= occurs twice")
        tags[tag] = value.strip(_FWS)
    return tags


def without_value(text: bytes, tag: bytes) -> bytes:
    """Return the list with this tag's value cut out, the white space around it too (§3.7)."""
    specs = text.split(b";")
    for number, spec in enumerate(specs):
        name, equals, _value = spec.partition(b"=")
        if equals and name.strip(_FWS) == tag:
            specs[number] = name + equals
    return b";".join(specs)


def compact(value: bytes) -> bytes:
    """Return the value without folding white space, as base64 is read."""
    return value.translate(None, _FWS)


def items(value: bytes) -> tuple[bytes, ...]:
    """Return the items of a colon-separated list, in lower case."""
    return tuple(item.strip(_FWS).lower() for item in value.split(b":"))
