"""Facts of whole messages: what the engine finds becomes words, and what nobody can tell, none."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import dkim
import pytest

from filters.addresses import AddressFile
from filters.facts import LONGEST, ArrivalFacts, parse_facts
from filters.facts_writer import FactsWriter
from filters.guard.blocklists import Blocklists
from filters.mailauth.auth_results_parser import MethodResult
from filters.mailauth.authenticate import Envelope, MessageResult
from filters.mailauth.dmarc.evaluate import DmarcResult
from filters.mailauth.dns.resolver import Answer, StaticResolver
from filters.mailauth.message import Author
from filters.mailauth.results import ArcResult, SpfResult
from filters.smtpd import Reject, Report, Request, Session, Transaction
from filters.verifier import InboundPolicy, Verifier
from tests.container.harness.messages import key_pair
from tests.filters.test_srs import senders, srs0, srs1

PUBLIC = "192.31.196.25"
GREETED = Request((0, 7), "connect", "s", "t", b"")
GONE = Report((0, 7), "smtp-in", "link-disconnect", "s", ())
KEY, _STRINGS = key_pair()
RECORD = "".join(re.findall('"([^"]*)"', _STRINGS))

ZONES: dict[str, Any] = {
    "far.example": {"TXT": [f"v=spf1 ip4:{PUBLIC} -all"]},
    "_dmarc.far.example": {"TXT": ["v=DMARC1; p=none"]},
    "bare.example": {"TXT": ["v=spf1 -all"]},
    "_dmarc.strict.example": {"TXT": ["v=DMARC1; p=none"]},
    "example.org": {"TXT": [f"v=spf1 ip4:{PUBLIC} -all"]},
    "k._domainkey.far.example": {"TXT": [RECORD]},
    "k._domainkey.sender.example": {"TXT": [RECORD]},
    "25.196.31.192.bl.test": {"A": ["127.0.0.2"]},
    "25.196.31.192.second.test": {"A": ["127.0.0.9"]},
    "25.196.31.192.late.test": "TIMEOUT",
    "25.196.31.192.refusing.test": {"A": ["127.255.255.254"]},
}
DOWN = StaticResolver(dict.fromkeys([*ZONES, "h.far.example"], "TIMEOUT"))


def ours(folder: Path) -> AddressFile:
    alice = ["alice@example.org"]
    owners = {"alice@example.org": alice, "both@example.org": alice, "away@example.org": []}
    book = {"domains": ["example.org", "mail.example.org"], "owners": owners}
    (folder / "addresses.json").write_text(json.dumps(book))
    return AddressFile(folder / "addresses.json")


def session(**changed: Any) -> Session:
    fields: dict[str, Any] = {
        "client_address": PUBLIC,
        "rdns": "h.far.example",
        "fcrdns": "pass",
        "hostname": "mail.example.org",
        "helo": "h.far.example",
        "transaction": Transaction("01234567", "x@far.example", ["alice@example.org"]),
    }
    return Session("s", **{**fields, **changed})


def letter(author: str = "x@far.example", body: str = "body") -> bytes:
    return f"From: {author}\r\nSubject: a\r\n\r\n{body}\r\n".encode()


def signed(by: str, message: bytes) -> bytes:
    signature: bytes = dkim.sign(message, b"k", by.encode(), KEY, include_headers=[b"From"])
    return signature + message


def written(
    message: bytes,
    arriving: Session,
    resolver: StaticResolver | None = None,
    *,
    folder: Path,
    policy: InboundPolicy | None = None,
    zones: tuple[str, ...] = (),
) -> ArrivalFacts | None:
    """What the verifier writes on top; None where it writes nothing."""
    resolver = resolver or StaticResolver(ZONES)
    policy = policy or InboundPolicy(enforce="no")
    blocklists = Blocklists(zones, resolver, seconds=1.0) if zones else None
    writer = FactsWriter(
        ours(folder),
        blocklists,
        unknown_clients=policy.unknown_clients,
        trusted_sealers=policy.trusted_sealers,
        senders=senders(),
    )
    verifier = Verifier("mail.example.org", resolver, policy, facts=writer)

    async def arrive() -> bytes | Reject:
        writer.ask_blocklists(arriving, GREETED)
        return await verifier.verify(arriving, message)

    stamped = asyncio.run(arrive())
    assert isinstance(stamped, bytes)
    assert stamped.endswith(message)
    first, _, rest = stamped.partition(b"\r\n")
    assert b"x-signpost-facts" not in rest.removesuffix(message).lower()
    if not first.startswith(b"X-Signpost-Facts: "):
        return None
    value = first.removeprefix(b"X-Signpost-Facts: ").decode("ascii")
    assert len(value) < LONGEST
    assert value.isprintable()
    return parse_facts(value)


@pytest.mark.parametrize(
    ("message", "changed", "words"),
    [
        (
            letter(),
            {},
            "dmarc=pass dkim=none spf=pass rdns=ok helo=ok author=far.example",
        ),
        (
            signed("far.example", letter()),
            {"transaction": Transaction("01234567", "x@bare.example", ["alice@example.org"])},
            "dmarc=pass dkim=pass spf=fail rdns=ok helo=ok author=far.example",
        ),
        # The sending service's own signature says nothing of the author.
        (
            signed("sender.example", letter("x@strict.example")),
            {},
            "dmarc=fail dkim=other spf=pass rdns=ok helo=ok author=strict.example",
        ),
        (
            signed("far.example", letter("x@news.far.example")),
            {},
            "dmarc=pass dkim=pass spf=pass rdns=ok helo=ok author=news.far.example",
        ),
        # Without DMARC records: one above the author's domain is its own, one like it is not.
        (
            signed("sender.example", letter("x@news.sender.example")),
            {},
            "dmarc=none dkim=pass spf=pass rdns=ok helo=ok author=news.sender.example",
        ),
        (
            signed("sender.example", letter("x@notsender.example")),
            {},
            "dmarc=none dkim=other spf=pass rdns=ok helo=ok author=notsender.example",
        ),
        (
            signed("far.example", letter()).replace(b"body", b"changed"),
            {},
            "dmarc=pass dkim=fail spf=pass rdns=ok helo=ok author=far.example",
        ),
        (
            signed("sender.example", signed("far.example", letter())),
            {},
            "dmarc=pass dkim=pass spf=pass rdns=ok helo=ok author=far.example",
        ),
        (
            letter("x@bare.example"),
            {
                "rdns": None,
                "fcrdns": "fail",
                "helo": "mail.example.org",
                "transaction": Transaction("01234567", "x@bare.example", ["alice@example.org"]),
            },
            "dmarc=none dkim=none spf=fail rdns=missing helo=lies author=bare.example",
        ),
        (
            letter("x@a.example, y@b.example"),
            {"rdns": "25.196.31.192.isp.example", "helo": f"[{PUBLIC}]"},
            "dmarc=permerror dkim=none spf=pass rdns=generic helo=literal",
        ),
        # A web server of our own domain, which SPF vouches for, and somebody who only says so.
        (
            letter("x@example.org"),
            {
                "helo": "example.org",
                "transaction": Transaction("01234567", "x@example.org", ["alice@example.org"]),
            },
            "dmarc=none dkim=none spf=pass rdns=ok helo=ok author=example.org",
        ),
        (
            letter("alice@example.org"),
            {"helo": "EXAMPLE.org"},
            "dmarc=none dkim=none spf=pass rdns=ok helo=lies author=example.org",
        ),
        # What clients write themselves: not a byte of it.
        (
            letter('"dmarc=pass author=good.example" <x@xn--bcher-kva.example>'),
            {
                "helo": "a author=good.example\\x0d\\x0a",
                "rdns": "ok helo=ok dmarc=pass",
                "transaction": Transaction("01234567", "dmarc=pass@x y", ["alice@example.org"]),
            },
            "dmarc=none dkim=none spf=none rdns=ok helo=unknown author=xn--bcher-kva.example",
        ),
        (
            letter("x@bücher.example"),
            {"transaction": Transaction("01234567", "", ["alice@example.org"])},
            "dmarc=none dkim=none spf=none rdns=ok helo=ok author=xn--bcher-kva.example",
        ),
        (
            letter("x@[192.0.2.1]"),
            {},
            "dmarc=permerror dkim=none spf=pass rdns=ok helo=ok",
        ),
    ],
)
def test_what_a_message_is_known_by(
    message: bytes, changed: dict[str, Any], words: str, tmp_path: Path
) -> None:
    pytest.importorskip("spf")
    facts = written(message, session(**changed), folder=tmp_path)
    assert facts is not None
    assert facts.value() == words


def test_without_spf_a_message_that_might_have_passed_has_not_failed(tmp_path: Path) -> None:
    policy = InboundPolicy(enforce="no", spf=False)
    facts = written(letter(), session(), folder=tmp_path, policy=policy)
    assert facts == ArrivalFacts("unknown", "none", "unknown", "ok", "ok", (), "far.example")


def test_a_client_that_may_be_anyone_is_known_by_its_signatures_alone(tmp_path: Path) -> None:
    nat = InboundPolicy(enforce="no", unknown_clients=frozenset({PUBLIC}))
    arriving = session(helo="mail.example.org", rdns=None, fcrdns="fail")
    facts = written(letter(), arriving, folder=tmp_path, policy=nat, zones=("bl.test",))
    assert facts == ArrivalFacts(dmarc="unknown", dkim="none", author="far.example")
    facts = written(signed("far.example", letter()), arriving, folder=tmp_path, policy=nat)
    assert facts == ArrivalFacts(dmarc="pass", dkim="pass", author="far.example")


@pytest.mark.parametrize(
    ("sealer", "said", "policy", "words"),
    [
        ("list.example", "pass", "reject", "dmarc=pass dkim=none spf=unknown"),
        ("LIST.example", "pass", "none", "dmarc=pass dkim=none spf=unknown"),
        ("list.example", "fail", "reject", "dmarc=fail dkim=none spf=fail"),
        ("other.example", "pass", "reject", "dmarc=fail dkim=none spf=fail"),
        (None, "pass", "reject", "dmarc=fail dkim=none spf=fail"),
    ],
)
def test_a_trusted_forwarder_saw_the_author(
    sealer: str | None, said: str, policy: Any, words: str
) -> None:
    seen = MethodResult("dmarc", said, properties=(("header.from", "far.example"),))
    verdict = MessageResult(
        SpfResult("fail", "mailfrom", "far.example", "x@far.example", ""),
        (),
        Author("far.example", ("x@far.example",), "", well_formed=True),
        DmarcResult("fail", "far.example", "far.example", policy, "why"),
        ArcResult("pass", 1, sealer, "", (seen,)),
        Envelope(PUBLIC, "h.far.example", "x@far.example"),
    )
    writer = FactsWriter(None, trusted_sealers=frozenset({"list.example"}))
    assert writer.facts("mail.example.org", None, verdict).value().startswith(f"{words} ")


@pytest.mark.parametrize("message", [letter(), signed("far.example", letter())])
@pytest.mark.parametrize("rdns", [None, "h.far.example"])
def test_while_dns_is_down_nothing_is_held_against_a_message(
    message: bytes, rdns: str | None, tmp_path: Path
) -> None:
    pytest.importorskip("spf")
    arriving = session(rdns=rdns, fcrdns="fail" if rdns is None else "error")
    facts = written(message, arriving, DOWN, folder=tmp_path, zones=("bl.test", "late.test"))
    assert facts is not None
    assert (facts.dmarc, facts.spf) == ("temperror", "temperror")
    assert facts.dkim == ("temperror" if message.startswith(b"DKIM") else "none")
    assert (facts.rdns, facts.helo, facts.dnsbl) == ("unknown", "ok", ())


@pytest.mark.parametrize(
    "changed", [{"user": "alice@example.org"}, {"client_address": None, "local": True}]
)
def test_what_was_submitted_has_no_facts(changed: dict[str, Any], tmp_path: Path) -> None:
    assert written(letter(), session(**changed), folder=tmp_path) is None


def test_a_client_without_an_address_has_submitted_nothing(tmp_path: Path) -> None:
    found = written(letter(), session(client_address=None), folder=tmp_path)
    assert found is not None
    assert (found.rdns, found.helo, found.author) == ("unknown", "unknown", "far.example")


@pytest.mark.parametrize(
    ("recipients", "has_facts"),
    [
        (["away@example.org"], False),
        (["away@example.org", "alice@example.org"], True),
        (["both@example.org"], True),
        # Only who is known to have no mailbox has none: smtpd says of <postmaster> what it was
        # written as, and of a path that is too long for it nothing.
        (["postmaster"], True),
        (["away@example.org", "postmaster"], True),
        ([], True),
    ],
)
def test_what_only_leaves_by_an_alias_has_no_facts(
    recipients: list[str], has_facts: bool, tmp_path: Path
) -> None:
    arriving = session(transaction=Transaction("01234567", "x@far.example", recipients))
    assert (written(letter(), arriving, folder=tmp_path) is not None) == has_facts


@pytest.mark.parametrize(
    ("sender", "address", "has_facts"),
    [
        ("", srs0("alice@example.org"), True),
        ("", srs0("alice@example.org").lower(), True),
        ("", srs0("away@example.org"), False),
        ("", srs0("x@far.example"), False),
        ("", srs0("x@far.example").lower(), False),
        # smtpd refuses it, or a catch-all has it.
        ("", srs0("alice@example.org", secret="another"), True),
        # Forwarded from here twice.
        ("", srs1(srs0("alice@example.org")), True),
        # Only a bounce is the sender's; all else goes to a catch-all.
        ("y@far.example", srs0("x@far.example"), True),
    ],
)
def test_a_bounce_to_a_rewritten_sender_has_facts_if_that_is_ours(
    sender: str, address: str, has_facts: bool, tmp_path: Path
) -> None:
    """An alias's target has such an address, and so has everybody who writes to it there."""
    arriving = session(transaction=Transaction("01234567", sender, [address]))
    assert (written(letter(), arriving, folder=tmp_path) is not None) == has_facts


def test_without_a_writer_there_is_no_field() -> None:
    verifier = Verifier("mail.example.org", StaticResolver(ZONES), InboundPolicy())
    stamped = asyncio.run(verifier.verify(session(), letter()))
    assert isinstance(stamped, bytes)
    assert b"X-Signpost-Facts" not in stamped


@pytest.mark.parametrize(
    ("zones", "listed"),
    [
        (("bl.test",), ("bl.test",)),
        (("second.test", "none.test", "bl.test"), ("second.test", "bl.test")),
        (("late.test", "bl.test", "refusing.test"), ("bl.test",)),
    ],
)
def test_every_blocklist_that_lists_the_client_is_named(
    zones: tuple[str, ...], listed: tuple[str, ...], tmp_path: Path
) -> None:
    facts = written(letter(), session(), folder=tmp_path, zones=zones)
    assert facts is not None
    assert facts.dnsbl == listed


class Silent:
    """A resolver that never answers, and counts what it is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def query(self, name: str, rdtype: str, /) -> Answer:
        self.asked += 1
        await asyncio.Event().wait()
        raise AssertionError


def test_nobody_waits_for_a_blocklist_but_the_message_and_not_for_long(tmp_path: Path) -> None:
    async def arrive() -> tuple[bytes | Reject, float, int]:
        silent, loop = Silent(), asyncio.get_running_loop()
        writer = FactsWriter(ours(tmp_path), Blocklists(["a.test"], silent, seconds=0.2))
        policy = InboundPolicy(enforce="no")
        verifier = Verifier("mail.example.org", StaticResolver(ZONES), policy, facts=writer)
        arriving, start = session(), loop.time()
        writer.ask_blocklists(arriving, GREETED)
        assert loop.time() - start < 0.1
        await verifier.verify(arriving, letter())
        # The session's next message has the same answers at once.
        before = loop.time()
        second = await verifier.verify(arriving, letter())
        assert loop.time() - before < 0.15
        return second, loop.time() - start, silent.asked

    stamped, seconds, asked = asyncio.run(arrive())
    assert isinstance(stamped, bytes)
    assert stamped.startswith(b"X-Signpost-Facts: dmarc=pass ")
    assert 0.2 <= seconds < 2
    assert asked == 1


def test_who_has_gone_is_not_asked_about_any_more(tmp_path: Path) -> None:
    async def leave() -> int:
        writer = FactsWriter(ours(tmp_path), Blocklists(["a.test"], Silent(), seconds=60))
        leaving = session()
        writer.ask_blocklists(leaving, GREETED)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) > 1
        writer.note_end(leaving, GONE)
        writer.note_end(leaving, GONE)
        for _ in range(9):
            await asyncio.sleep(0)
        return len(asyncio.all_tasks())

    assert asyncio.run(leave()) == 1
