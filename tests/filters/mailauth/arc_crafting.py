"""ARC sets that no honest sealer would make, written by RFC 8617 without the engine."""

import re
from collections.abc import Mapping, Sequence

from tests.filters.mailauth.crafting import (
    SIGNED,
    Key,
    craft,
    field,
    fields_of,
    relaxed_field,
    signature,
)

RESULTS, SIGNATURE, SEAL = "ARC-Authentication-Results", "ARC-Message-Signature", "ARC-Seal"
_ORDER = [name.lower().encode() for name in (RESULTS, SIGNATURE, SEAL)]
_INSTANCE = re.compile(rb"[:;\s]i\s*=\s*(\d+)")

Tags = Mapping[str, str | None]


def add_set(
    message: bytes,
    key: Key,
    *,
    instance: int | None = None,
    cv: str | None = None,
    said: str = "mx.example.org; spf=pass smtp.mailfrom=alice@example.org",
    results: str | None = None,
    names: Sequence[str] = SIGNED,
    tags: Tags | None = None,
    seal_tags: Tags | None = None,
    after: Mapping[str, str] | None = None,
    seal_after: Mapping[str, str] | None = None,
    alone: bool = False,
) -> bytes:
    """Return the message with a set in front: the next one, unless told otherwise.

    results: the whole ARC-Authentication-Results value; tags, after: as in craft, of the message
    signature, and seal_…: of the seal. alone: the seal covers its own set only.
    """
    older = arc_fields(message)
    number = 1 + max((found for found, _field in older), default=0)
    number = number if instance is None else instance
    value = f"i={number}; {said}" if results is None else results
    aar = f"{RESULTS}: {value}\r\n".encode("latin-1")
    ams = craft(
        aar + message,
        key,
        name=SIGNATURE,
        names=names,
        tags={"v": None, "i": str(number), "d": "sealer.example", **(tags or {})},
        after=after,
    )
    values: dict[str, str | None] = {
        "i": str(number),
        "a": craft_algorithm(ams),
        "cv": cv or ("none" if number == 1 else "pass"),
        "d": "sealer.example",
        "s": "mail",
        **(seal_tags or {}),
        "b": "",
    }
    covered = [] if alone else [raw for _number, raw in older]
    data = b"".join(relaxed_field(raw) for raw in (*covered, aar, ams))
    data += relaxed_field(field(values, SEAL)).removesuffix(b"\r\n")
    values["b"] = signature(data, key)
    return field({**values, **(seal_after or {})}, SEAL) + ams + aar + message


def craft_algorithm(ams: bytes) -> str:
    """Return a= of a message signature."""
    found = re.search(rb"[\s;]a=([a-z0-9-]+)", ams)
    return found.group(1).decode() if found else ""


def arc_fields(message: bytes) -> list[tuple[int, bytes]]:
    """Return the ARC fields with their instances, in the order that a seal covers them."""
    found = []
    for raw in fields_of(message):
        name = raw.partition(b":")[0].strip().lower()
        match = _INSTANCE.search(raw) if name in _ORDER else None
        if match:
            found.append((int(match.group(1)), _ORDER.index(name), raw))
    return [(number, raw) for number, _rank, raw in sorted(found)]
