"""ARC chains sealed and verified (RFC 8617). What decides a chain is in cases/3…-arc-….

Others' sealers and verifiers: tests/container/test_arc_crosscheck.py and test_validation_suite.py.
"""

import asyncio
import random
import re
from collections.abc import Iterable, Sequence

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.mailauth.arc.seal import seal
from filters.mailauth.arc.verify import verify
from filters.mailauth.auth_results import MethodResult, parse_arc_field
from filters.mailauth.dkim.sign import sign
from filters.mailauth.dkim.signing_key import SigningKey, load_signing_key, public_record
from filters.mailauth.dns.resolver import Resolver, StaticResolver
from filters.mailauth.message import Message
from filters.mailauth.results import ArcResult
from tests.filters.mailauth.arc_crafting import add_set
from tests.filters.mailauth.crafting import pem, rsa_key

KEYS = [
    load_signing_key("one.example", "r", pem(rsa_key())),
    load_signing_key("two.example", "e", pem(Ed25519PrivateKey.generate())),
]
RSA, ED = KEYS
ZONE = {f"{key.selector}._domainkey.{key.domain}": {"TXT": [public_record(key)]} for key in KEYS}
HEADER = b"From: a@example.org\r\nTo: b@example.net\r\nSubject: s\r\n"
MESSAGE = HEADER + b"\r\nbody\r\n"
SAID = (
    MethodResult("spf", "pass", None, "as a comment", (("smtp.mailfrom", "a@example.org"),)),
    MethodResult("dkim", "pass", 'a "reason"', "", (("header.b", "a/b+c="),)),
)
ID = "mx.example.net"


def check(message: bytes, resolver: Resolver | None = None) -> ArcResult:
    return asyncio.run(verify(Message(message), resolver or StaticResolver(ZONE)))


def sealed(
    message: bytes, keys: Iterable[SigningKey], results: Sequence[MethodResult] = SAID
) -> bytes:
    """The message after hops that verify it, and seal it with these keys."""
    for key in keys:
        found = check(message)
        arc_set = seal(Message(message), chain=found, authserv_id=ID, results=results, key=key)
        message = arc_set + message
    return message


chunks = st.lists(st.sampled_from([b"x", b" ", b"\t", b"\r\n", b"\r", b"\0", b"\xe9", b"."]))
folded = st.lists(st.sampled_from([b"w", b"  ", b"\t", b"\r\n ", b"\xff", b"\r"]))


@given(chunks, folded, st.lists(st.sampled_from(KEYS), min_size=1, max_size=4), st.randoms())
def test_what_is_sealed_verifies_in_any_order_of_the_fields(
    body: list[bytes], subject: list[bytes], keys: list[SigningKey], chance: random.Random
) -> None:
    header = b"From: a@example.org\r\nSubject: " + b"".join(subject) + b"x\r\n"
    message = sealed(header + b"\r\n" + b"".join(body), keys)
    found = check(message)
    assert (found.result, found.instances, found.sealer) == ("pass", len(keys), keys[-1].domain)
    assert found.reason == ""
    fields = [field.raw for field in Message(message).fields]
    chance.shuffle(fields)
    assert check(b"".join(fields) + b"\r\n" + b"".join(body)).result == "pass"


CHAIN = sealed(sign(Message(MESSAGE), [RSA]) + MESSAGE, [RSA, ED, RSA])
# Every letter and digit is signed but what follows the signed bits of the newest b=.
PLACES = [match.start() for match in re.finditer(rb"[A-Za-z0-9](?!=*(?:\r\n)+ARC-)", CHAIN)]


@settings(max_examples=300)
@given(st.sampled_from(PLACES))
def test_one_changed_byte_anywhere_fails(at: int) -> None:
    other = b"z" if CHAIN[at : at + 1].lower() == b"q" else b"q"
    assert check(CHAIN[:at] + other + CHAIN[at + 1 :]).result != "pass"


def test_a_missing_field_fails_but_the_newest_set_may_go() -> None:
    fields = [field for field in Message(CHAIN).fields if field.key.startswith(b"arc-")]
    assert len(fields) == 9
    for field in fields:
        assert check(CHAIN.replace(field.raw, b"")).result == "fail"
    for first in (3, 6):
        rest = CHAIN
        for field in fields[first : first + 3]:
            rest = rest.replace(field.raw, b"")
        assert check(rest).result == "fail"
    without_newest = CHAIN[fields[3].start :]
    assert (check(without_newest).result, check(without_newest).instances) == ("pass", 2)


def test_two_sets_cannot_change_places() -> None:
    swapped = CHAIN
    for old, new in ((b"i=1;", b"i=9;"), (b"i=2;", b"i=1;"), (b"i=9;", b"i=2;")):
        swapped = swapped.replace(old, new)
    assert check(swapped).result == "fail"


def test_every_hop_says_what_it_saw() -> None:
    found = check(CHAIN)
    assert [hop.sealer for hop in found.hops] == ["one.example", "two.example", "one.example"]
    for hop, arc in zip(found.hops, ("none", "pass", "pass"), strict=True):
        assert hop.authserv_id == ID
        assert hop.results == (*SAID, MethodResult("arc", arc))
    assert (found.authserv_id, found.results) == (ID, found.hops[-1].results)


def test_a_chain_that_fails_vouches_for_nothing() -> None:
    found = check(CHAIN.replace(b"body", b"bodi"))
    assert (found.result, found.instances, found.sealer) == ("fail", 3, "one.example")
    assert (found.results, found.authserv_id, found.hops) == ((), None, ())


def test_our_own_word_on_arc_is_taken_if_there_is_one() -> None:
    ours = MethodResult("arc", "none", None, "", (("smtp.remote-ip", "192.0.2.1"),))
    (hop,) = check(sealed(MESSAGE, [RSA], [ours])).hops
    assert hop.results == (ours,)


def tags_of(message: bytes, name: bytes) -> dict[bytes, bytes]:
    field = Message(message).named(name)[0]
    specs = re.sub(rb"\s", b"", field.value).split(b";")
    return dict(spec.partition(b"=")[::2] for spec in specs)


def test_what_is_covered_and_what_never_is() -> None:
    added = b"".join(
        name + b": x\r\n"
        for name in (b"Authentication-Results", b"Received", b"Return-Path", b"Bcc", b"X-Spam")
    )
    signed = sign(Message(MESSAGE), [RSA])
    listed = b"List-Id: <l.example>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
    message = sealed(added + signed + listed + MESSAGE, [RSA])
    covered = tags_of(message, b"arc-message-signature")[b"h"].split(b":")
    assert {
        b"from", b"to", b"cc", b"subject", b"reply-to", b"list-id", b"mime-version",
        b"content-type", b"dkim-signature",
    } == set(covered)  # fmt: skip
    assert covered.count(b"from") == 2
    assert check(message.replace(b": x\r\n", b": y\r\n")).result == "pass"


def test_a_seal_has_the_tags_of_the_standard_and_no_others() -> None:
    message = sealed(MESSAGE, [RSA, ED])
    assert set(tags_of(message, b"arc-seal")) == {b"i", b"a", b"cv", b"d", b"s", b"t", b"b"}
    assert set(tags_of(message, b"arc-message-signature")) == {
        b"i", b"a", b"c", b"d", b"s", b"t", b"h", b"bh", b"b"
    }  # fmt: skip


def test_lines_are_short_and_fold() -> None:
    arc_set = sealed(b"DKIM-Signature: x\r\n" * 30 + MESSAGE, [RSA]).partition(b"DKIM-Sig")[0]
    lines = arc_set.split(b"\r\n")
    assert lines.pop() == b""
    assert max(map(len, lines)) <= 78
    assert sum(line.startswith(b"ARC-") for line in lines) == 3
    assert all(line.startswith((b"ARC-", b" ", b"\t")) for line in lines)


def test_dkimpy_itself_verifies_what_we_seal() -> None:
    record = public_record(RSA).encode()
    message = sealed(sign(Message(MESSAGE), [RSA]) + MESSAGE, [RSA] * 3)
    assert dkim.arc_verify(message, dnsfunc=lambda _name, timeout: record)[0] == b"pass"
    changed = message + b"x"
    assert dkim.arc_verify(changed, dnsfunc=lambda _name, timeout: record)[0] == b"fail"


class TestAChainThatHasFailed:
    BROKEN = CHAIN.replace(b"body", b"bodi")

    def test_is_sealed_once_as_failed_and_the_seal_covers_its_own_set(self) -> None:
        message = sealed(self.BROKEN, [RSA])
        assert tags_of(message, b"arc-seal")[b"cv"] == b"fail"
        found = check(message)
        assert (found.result, found.instances) == ("fail", 4)
        assert found.reason == "the newest ARC-Seal says cv=fail"
        alone = Message(message).fields[:3]
        renamed = b"".join(field.raw for field in alone) + MESSAGE.replace(b"body", b"bodi")
        record = public_record(RSA).encode()
        results = dkim.ARC(renamed).verify_instance(
            *reversed(dkim.ARC(renamed).sorted_arc_headers()), dnsfunc=lambda _name, timeout: record
        )
        assert results["as-valid"]

    def test_gets_no_further_set(self) -> None:
        message = sealed(self.BROKEN, [RSA])
        assert sealed(message, [RSA]) == message

    def test_by_its_structure_is_sealed_too(self) -> None:
        gap = CHAIN.replace(Message(CHAIN).fields[3].raw, b"")
        message = sealed(gap, [ED])
        assert tags_of(message, b"arc-seal")[b"cv"] == b"fail"
        assert tags_of(message, b"arc-seal")[b"i"] == b"4"


@pytest.mark.parametrize("failure", ["TIMEOUT", "SERVFAIL"])
@pytest.mark.parametrize("key", KEYS, ids=["the newest key", "an older key"])
def test_what_dns_cannot_tell_is_not_sealed_as_failed(key: SigningKey, failure: str) -> None:
    message = sealed(MESSAGE, [ED, RSA])
    zone = {**ZONE, f"{key.selector}._domainkey.{key.domain}": failure}
    found = check(message, StaticResolver(zone))
    assert (found.result, found.temporary) == ("fail", True)
    assert seal(Message(message), chain=found, authserv_id=ID, results=SAID, key=RSA) == b""


def test_fifty_sets_verify_and_get_no_fifty_first() -> None:
    message = MESSAGE
    key = ED.private
    assert isinstance(key, Ed25519PrivateKey)
    for _ in range(50):
        message = add_set(message, key, tags={"d": ED.domain, "s": "e"}, seal_tags={"d": ED.domain, "s": "e"})  # noqa: E501  # fmt: skip
    found = check(message)
    assert (found.result, found.instances) == ("pass", 50)
    assert sealed(message, [RSA]) == message


@pytest.mark.parametrize(
    ("field", "reason"),
    [
        (b"ARC-Seal: i=1;\r\n", "more than 50 ARC sets"),
        (
            b"ARC-Authentication-Results: i=1; " + b"(" * 2_000 + b"\r\n",
            "ARC fields that are too long",
        ),
    ],
)
def test_too_much_is_neither_read_nor_sealed(field: bytes, reason: str) -> None:
    message = field * (151 if len(field) < 100 else 140) + MESSAGE
    found = check(message)
    assert (found.result, found.instances, found.reason) == ("fail", 50, reason)
    assert sealed(message, [RSA]) == message


def test_keys_are_asked_for_from_the_newest_and_no_further_than_the_first_failure() -> None:
    message = sealed(MESSAGE, [RSA, ED, RSA])
    zone = StaticResolver({"r._domainkey.one.example": {"TXT": [public_record(RSA)]}})
    assert check(message, zone).reason == "ARC-Seal of instance 2: no key record for the signature"
    assert set(zone.asked) == {
        ("r._domainkey.one.example", "TXT"),
        ("e._domainkey.two.example", "TXT"),
    }
    assert zone.asked[-1] == ("e._domainkey.two.example", "TXT")


def test_a_large_message_verifies() -> None:
    message = sealed(HEADER + b"\r\n" + b"a line  \r\n" * 40_000, [RSA])
    assert check(message).result == "pass"
    assert check(message + b"x").result == "fail"


def test_no_author_no_seal() -> None:
    assert sealed(b"To: b@example.net\r\n\r\n", [RSA]) == b"To: b@example.net\r\n\r\n"


def test_another_messages_result_is_refused() -> None:
    with pytest.raises(ValueError, match="not that of this message"):
        seal(Message(MESSAGE), chain=check(CHAIN), authserv_id=ID, results=SAID, key=RSA)


names = st.sampled_from([b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results"])
fields = st.tuples(names, st.binary(max_size=60) | st.sampled_from([b" i=1;", b" i=2; cv=pass"]))


@given(st.lists(fields, max_size=8), st.sampled_from([MESSAGE, CHAIN]))
def test_hostile_fields_make_a_result(found: list[tuple[bytes, bytes]], rest: bytes) -> None:
    front = b"".join(name + b":" + value + b"\r\n" for name, value in found)
    result = check(front + rest)
    assert result.result in {"none", "pass", "fail"}
    assert not result.temporary
    assert result.result != "pass" or not any(field.startswith(b"ARC-") for field in front.split())
    again = seal(Message(front + rest), chain=result, authserv_id=ID, results=SAID, key=ED)
    assert again == b"" or check(again + front + rest).instances == result.instances + 1


@given(st.binary(max_size=200))
def test_a_hostile_key_record_makes_a_result(text: bytes) -> None:
    zone = {name: {"TXT": [text.decode("utf-8", "surrogateescape")]} for name in ZONE}
    assert check(CHAIN, StaticResolver(zone)).result == "fail"


class Broken:
    async def query(self, name: str, rdtype: str) -> None:
        raise RuntimeError


def test_a_fault_of_ours_is_a_result_that_nobody_seals(caplog: pytest.LogCaptureFixture) -> None:
    found = check(CHAIN, Broken())  # type: ignore[arg-type]
    assert (found.result, found.temporary) == ("fail", True)
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize(
    ("value", "instance", "authserv_id"),
    [
        (b" i=1; a.example; none", 1, "a.example"),
        (b"(c)i(c)=\r\n 07 (c);a.example;spf=pass", 7, "a.example"),
        (b" i=1; nothing to read", 1, None),
        (b" i=1; \xff", 1, None),
        (b" I=1; a.example; none", None, None),
        (b" i=1 a.example; none", None, None),
        (b" a.example; i=1; none", None, None),
        (b" i=100; a.example; none", None, None),
        (b" i=; a.example; none", None, None),
        (b" (i=1; a.example; none", None, None),
        (b"", None, None),
    ],
)
def test_reading_arc_authentication_results(
    value: bytes, instance: int | None, authserv_id: str | None
) -> None:
    found = parse_arc_field(value)
    assert (found and found[0]) == instance
    assert (found and found[1] and found[1].authserv_id) == authserv_id
