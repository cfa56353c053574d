"""The structure of an ARC chain: its sets, read and checked without any cryptography.

RFC 8617 §4.1, §4.2 and steps 1 to 3 of §5.2. It must not know keys, DNS or who is trusted.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from filters.mailauth import tags
from filters.mailauth.auth_results import parse_arc_field
from filters.mailauth.message import Field, Message
from filters.mailauth.names import ldh

MOST_SETS = 50  # §4.2.1
SEAL, SIGNATURE, RESULTS = b"arc-seal", b"arc-message-signature", b"arc-authentication-results"
_SHOWN = {
    SEAL: "ARC-Seal",
    SIGNATURE: "ARC-Message-Signature",
    RESULTS: "ARC-Authentication-Results",
}
_LONGEST_FIELD = 16_384
_LARGEST_CHAIN = 256 * 1024  # fifty honest sets take half of it
_INSTANCE = re.compile(rb"[0-9]{1,2}")


@dataclass(frozen=True)
class ArcSet:
    """The three fields of one instance, and the tags of its seal and its signature."""

    instance: int
    seal: Field
    signature: Field
    results: Field
    seal_tags: dict[str, bytes]
    signature_tags: dict[str, bytes]


@dataclass(frozen=True)
class Chain:
    """A message's ARC fields.

    sets: from the oldest, empty where the structure is wrong, and then problem says why. highest:
    the highest instance that can be read, 0 if there is no ARC field or none with one, 50 if there
    are too many to be read. sealer: d= of the newest ARC-Seal, None where it cannot be read. ended:
    the newest ARC-Seal says cv=fail.
    """

    sets: tuple[ArcSet, ...] = ()
    highest: int = 0
    sealer: str | None = None
    ended: bool = False
    problem: str = ""


class _ChainError(Exception):
    pass


@dataclass(frozen=True)
class _Part:
    """One ARC field. instance: None where it cannot be read, and then problem says why."""

    field: Field
    instance: int | None
    tags: dict[str, bytes]
    problem: str = ""


def read_chain(message: Message) -> Chain:
    """Return the chain of a message; its cost is linear, and what is too much is not even read."""
    fields = [field for field in message.fields if field.key in _SHOWN]
    if len(fields) > 3 * MOST_SETS:
        return Chain(highest=MOST_SETS, problem=f"more than {MOST_SETS} ARC sets")
    if sum(len(field.raw) for field in fields) > _LARGEST_CHAIN:
        return Chain(highest=MOST_SETS, problem="ARC fields that are too long")
    parts = [_part(field) for field in fields]
    if not parts:
        return Chain()
    highest = max((part.instance or 0 for part in parts), default=0)
    newest = [part for part in parts if part.field.key == SEAL and highest == part.instance != 0]
    domains = [ldh(part.tags.get("d", b"").decode("latin-1")) for part in newest]
    sealer = domains[0] if len(domains) == 1 else None
    # §5.2 step 2 comes before the structure: whoever sealed a broken chain said so.
    if any(part.tags.get("cv") == b"fail" for part in newest):
        return Chain((), highest, sealer, True, "the newest ARC-Seal says cv=fail")
    try:
        sets = _sets(parts, highest)
    except _ChainError as error:
        return Chain((), highest, sealer, False, str(error))
    return Chain(sets, highest, sealer)


def newest_first(sets: Sequence[ArcSet]) -> list[Field]:
    """Return the sets' fields as they stand in a message, from the top.

    DKIM takes fields of a name from the bottom, so the oldest set is hashed first (§5.1.1).
    """
    return [field for s in reversed(sets) for field in (s.seal, s.signature, s.results)]


def covered(instance: int) -> tuple[bytes, ...]:
    """Return the names of the fields that the seal of an instance covers, as h= would (§5.1.1)."""
    return (RESULTS, SIGNATURE, SEAL) * (instance - 1) + (RESULTS, SIGNATURE)


def _part(field: Field) -> _Part:
    shown = _SHOWN[field.key]
    if field.key == RESULTS:
        parsed = parse_arc_field(field.value)
        if parsed is None:
            return _Part(field, None, {}, f"an {shown} without an instance")
        return _Part(field, parsed[0], {})
    if len(field.value) > _LONGEST_FIELD:
        return _Part(field, None, {}, f"an {shown} that is too long")
    try:
        found = tags.parse(field.value)
    except tags.TagListError as error:
        return _Part(field, None, {}, f"an {shown} is malformed: {error}")
    written = found.get("i", b"")
    if not _INSTANCE.fullmatch(written):
        return _Part(field, None, found, f"an {shown} without an instance")
    return _Part(field, int(written), found)


def _sets(parts: Iterable[_Part], highest: int) -> tuple[ArcSet, ...]:
    """Return the sets of instances 1 to highest (§5.2 step 3). Raises _ChainError."""
    found: dict[tuple[int, bytes], _Part] = {}
    for part in parts:
        if part.instance is None:
            raise _ChainError(part.problem)
        if not 1 <= part.instance <= MOST_SETS:
            raise _ChainError(f"an ARC instance that is not 1 to {MOST_SETS}")
        key = part.instance, part.field.key
        if key in found:
            raise _ChainError(f"two {_SHOWN[part.field.key]} fields of instance {part.instance}")
        found[key] = part
    return tuple(_set(found, number) for number in range(1, highest + 1))


def _set(found: dict[tuple[int, bytes], _Part], number: int) -> ArcSet:
    for key, shown in _SHOWN.items():
        if (number, key) not in found:
            raise _ChainError(f"no {shown} of instance {number}")
    seal, signature = found[number, SEAL], found[number, SIGNATURE]
    # §4.1.3: a seal has no h=; what it covers is fixed.
    if "h" in seal.tags:
        raise _ChainError(f"the ARC-Seal of instance {number} has h=")
    wanted = b"none" if number == 1 else b"pass"
    if seal.tags.get("cv") != wanted:
        shown = wanted.decode("ascii")
        raise _ChainError(f"the ARC-Seal of instance {number} does not say cv={shown}")
    return ArcSet(
        number,
        seal.field,
        signature.field,
        found[number, RESULTS].field,
        seal.tags,
        signature.tags,
    )
