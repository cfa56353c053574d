"""Does every authoritative server of the zone serve exactly this key?

It must not know what follows from the answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from entrypoint.dkim_keys.expected_key import ExpectedKey
from entrypoint.dkim_keys.model import Answer, Observation
from entrypoint.probe import authoritative
from entrypoint.probe.authoritative import Ask, ServerAnswer
from entrypoint.text import printable
from filters.mailauth.dkim.key_record import KeyRecordError, read_record
from filters.mailauth.dns.resolver import DnsTemporaryError, Resolver

_STRING = 255
_FORM = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
_WORST: tuple[Answer, ...] = ("wrong", "partial", "missing", "unreachable", "unknown", "served")


async def observe(
    key: ExpectedKey, resolver: Resolver, ask: Ask = authoritative.ask
) -> Observation:
    """Ask every server of the zone. Nothing is raised; bound the time from outside."""
    try:
        answers = await authoritative.every_answer(key.domain, key.name, resolver, ask)
    except DnsTemporaryError as error:
        return Observation("unknown", printable(error.reason))
    return _summary([_of_server(each, key) for each in answers])


def _of_server(answer: ServerAnswer, key: ExpectedKey) -> Observation:
    """What one server's answer says of the key."""
    server, name = printable(answer.server), printable(answer.name)
    if answer.failure == "unreachable":
        return Observation("unreachable", f"{server} cannot be asked: {answer.trouble}")
    if answer.failure == "no name server":
        return Observation("unknown", f"no name server of {name} is known")
    if answer.failure == "alias loop":
        return Observation("wrong", f"{name} is in an alias loop")
    seen = judge(answer.texts, key)
    alias = "" if answer.name == key.name else f"{key.name} is an alias of {name}: "
    return Observation(seen.answer, f"{alias}{server} {seen.detail}")


def _summary(seen: Sequence[Observation]) -> Observation:
    """What all servers say; those that have the key are not named where others do not."""
    answers = {each.answer for each in seen}
    if answers == {"served"}:
        return Observation("served")
    if answers == {"missing"}:
        return Observation("missing", "no name server of the zone has the record yet")
    answer = min(answers, key=_WORST.index)
    if answer == "missing" and "served" in answers:
        answer = "partial"
    details = (each.detail for each in seen if each.answer != "served")
    return Observation(answer, "; ".join(dict.fromkeys(details)))


def judge(texts: Sequence[bytes], key: ExpectedKey) -> Observation:
    """What one server's records at the key's name are."""
    if not texts:
        return Observation("missing", "has no such record")
    if len(texts) > 1:
        return Observation("wrong", f"has {len(texts)} records, and there must be one")
    try:
        published = read_record(texts[0], key.algorithm)
    except KeyRecordError as error:
        cut = " (it was cut at 255 characters)" if len(texts[0]) == _STRING else ""
        return Observation("wrong", f"has a record that is no use: {error}{cut}")
    if published.key.public_bytes(*_FORM) != key.public:
        return Observation("wrong", "has another key")
    return Observation("served")
