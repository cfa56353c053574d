"""DMARC's laws, whatever the domains and records: see the cases 2001 and on for single rules.

The oracle reads the zone as RFC 9989's text does, one name after the other, without the engine.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.mailauth.authenticate import Envelope, MessageResult, authenticate
from filters.mailauth.dmarc.discovery import discover, organizational_domain
from filters.mailauth.dmarc.evaluate import DmarcResult, evaluate
from filters.mailauth.dmarc.record import parse
from filters.mailauth.dns.resolver import Answer, DnsTemporaryError, Lookup, StaticResolver
from filters.mailauth.message import Author
from filters.mailauth.results import DkimResult, SpfResult

DOMAINS = st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join)
RECORDS = st.sampled_from(
    [f"v=DMARC1; p=reject{rest}" for rest in ("", "; psd=y", "; psd=n", "; adkim=s; aspf=s")]
    + ["v=DMARC1", "SERVFAIL", "two"]
)
ZONES = st.dictionaries(DOMAINS, RECORDS, max_size=6)
WORDS = st.sampled_from(["pass", "fail", "neutral", "policy", "temperror", "permerror", "none"])
SPF_WORDS = st.sampled_from(["pass", "fail", "softfail", "none", "temperror", "permerror"])


def zone_of(records: Mapping[str, str]) -> StaticResolver:
    zone: dict[str, Any] = {}
    for domain, text in records.items():
        texts = ["v=DMARC1; p=none", "v=DMARC1; p=reject"] if text == "two" else [text]
        zone[f"_dmarc.{domain}"] = text if text == "SERVFAIL" else {"TXT": texts}
    return StaticResolver(zone)


def signature(word: Any, domain: str) -> DkimResult:
    return DkimResult(word, domain, f"@{domain}", "s", "rsa-sha256", "AAAAAAAA", "")


def sender(word: Any, domain: str) -> SpfResult:
    return SpfResult(word, "mailfrom", domain, f"a@{domain}", "")


async def judged(
    domain: str, resolver: Lookup, spf: SpfResult | None, dkim: list[DkimResult]
) -> DmarcResult:
    author = Author(domain, (f"a@{domain}",), "", well_formed=True)
    return await evaluate(author, await discover(domain, resolver), spf, dkim, resolver)


def organization(domain: str, records: Mapping[str, str]) -> str | None:
    """RFC 9989 §4.10.2 for names of fewer than eight labels; None where DNS fails."""
    labels = domain.split(".")
    found = []
    for at in range(len(labels)):
        name = ".".join(labels[at:])
        text = records.get(name, "two")
        if text == "SERVFAIL":
            return None
        if text == "two":
            continue
        if "psd=n" in text:
            return name
        if "psd=y" in text:
            return name if at == 0 else ".".join(labels[at - 1 :])
        found.append(name)
    return found[-1] if found else domain


@settings(max_examples=400)
@given(ZONES, DOMAINS, SPF_WORDS, DOMAINS, st.lists(st.tuples(WORDS, DOMAINS), max_size=3))
def test_only_what_is_aligned_and_passes_makes_a_pass(
    records: Mapping[str, str],
    domain: str,
    spf_word: str,
    spf_domain: str,
    signatures: list[tuple[str, str]],
) -> None:
    dkim = [signature(word, signer) for word, signer in signatures]
    lookup = Lookup(zone_of(records))
    result = asyncio.run(judged(domain, lookup, sender(spf_word, spf_domain), dkim))

    top = organization(domain, records)
    claims = [*signatures, (spf_word, spf_domain)]
    strict = "adkim=s" in applicable(domain, top, records)
    aligned = {
        other
        for _word, other in claims
        if other == domain
        or (not strict and top is not None and organization(other, records) == top)
    }
    if result.result == "pass":
        assert any(word == "pass" and other in aligned for word, other in claims)
        assert all(identifier.domain in aligned for identifier in result.aligned)
    if result.result == "fail":
        assert not any(word in {"pass", "temperror"} and other in aligned for word, other in claims)
    if "SERVFAIL" not in records.values() and not any(word == "temperror" for word, _ in claims):
        assert result.result in {"pass", "fail", "none"}
        assert result.organizational_domain in {top, domain}


def applicable(domain: str, top: str | None, records: Mapping[str, str]) -> str:
    """RFC 9989 §4.10.1: the domain's own record, its organization's, its public suffix's."""
    above = (top or "").partition(".")[2]
    for name in (domain, top or "", above):
        if records.get(name, "two") not in {"two", "SERVFAIL"}:
            return records[name]
    return ""


@given(ZONES, DOMAINS)
def test_the_organizational_domain_is_the_rfc_s(records: Mapping[str, str], domain: str) -> None:
    async def ours() -> str | None:
        try:
            return await organizational_domain(domain, zone_of(records))
        except DnsTemporaryError:
            return None

    expected = organization(domain, records)
    if expected is not None:  # the walk may end before it meets what fails
        assert asyncio.run(ours()) == expected


@given(ZONES, DOMAINS)
def test_walks_share_their_questions(records: Mapping[str, str], domain: str) -> None:
    zone = zone_of(records)
    dkim = [signature("pass", f"{label}.{domain}") for label in "abcde"]
    asyncio.run(judged(domain, Lookup(zone), None, dkim))
    assert len(zone.asked) == len(set(zone.asked))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_text_makes_the_reader_raise(start: bytes, rest: bytes) -> None:
    for text in (start, b"v=DMARC1;" + rest, start + b"v=DMARC1; p=reject" + rest):
        record = parse(text)
        assert record is None or record.p in {None, "none", "quarantine", "reject"}


class Broken:
    async def query(self, name: str, rdtype: str) -> Answer:
        raise ZeroDivisionError


def test_a_defect_is_a_temperror(caplog: pytest.LogCaptureFixture) -> None:
    message = b"From: a@example.org\r\n\r\n"
    verdict = asyncio.run(authenticate(message, Envelope("192.0.2.1", "h", ""), Broken()))
    assert verdict.dmarc.result == "temperror"
    assert "ZeroDivisionError" in caplog.text


EVIL = StaticResolver(
    {
        "evil.example": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        "_dmarc.evil.example": {"TXT": ["v=DMARC1; p=none"]},
        "_dmarc.bank.example": {"TXT": ["v=DMARC1; p=reject"]},
    }
)
PIECES = [
    b"ceo@bank.example", b"m@evil.example", b"<", b">", b",", b"(", b")", b'"', b":", b";", b" ",
    b"@", b"\\", b"[", b"]", b"\r\n ", b"\r\n", b"\r", b"\n", b"\0", b"\x0b", b"From: ", b"From : ",
    b"from\r\n :", b"Sender: ", b"=?utf-8?q?ceo=40bank=2Eexample?=", b"=?utf-8?b?AA==?=",
    b"bank.example", b".evil.example", b"\xff", "\u3002".encode(),
]  # fmt: skip


def by_mallory(header: bytes) -> MessageResult:
    envelope = Envelope("192.0.2.1", "evil.example", "m@evil.example")
    return asyncio.run(authenticate(header + b"\r\n\r\nbody\r\n", envelope, EVIL))


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_no_from_field_makes_mallory_the_bank(pieces: list[bytes]) -> None:
    verdict = by_mallory(b"From: " + b"".join(pieces))
    if verdict.dmarc.result == "pass":
        # Mallory's own names may look as they like: bank.example.evil.example is evil.example's.
        (domain,) = {address.rpartition("@")[2] for address in verdict.author.addresses}
        assert domain == verdict.dmarc.author_domain
        assert f".{domain}".endswith(".evil.example")


def test_mallory_passes_for_mallory() -> None:
    assert by_mallory(b"From: m@evil.example").dmarc.result == "pass"


def test_reasons_stay_short_whatever_the_names() -> None:
    long = ".".join(["x" * 60] * 4)
    dkim = [signature("pass", f"a{n}.{long}") for n in range(5)]
    lookup = Lookup(zone_of({"a.b": "v=DMARC1; p=reject"}))
    result = asyncio.run(judged("a.b", lookup, sender("pass", long), dkim))
    assert result.result == "fail"
    assert len(result.reason) < 400
