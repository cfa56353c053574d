"""Mail loops: which marks are known, what is refused by them, and what is marked."""

import json
import time
from pathlib import Path

import pytest

from filters.addresses import AddressFile
from filters.delivery_marks import MarksOf
from filters.loops import MOST_HOPS, Loops, read_loops, reject_many_hops
from filters.mailauth.message import Message
from filters.smtpd import Reject, Session, Transaction

KEY = b"a key"
BOOK = {
    "delimiter": "+",
    "domains": ["example.org", "example.net"],
    "owners": {
        "alice@example.org": ["alice@example.org"],
        "bob@example.org": ["bob@example.org"],
        "team@example.org": ["alice@example.org", "bob@example.org"],
        "away@example.org": [],
        "both@example.org": ["alice@example.org"],
        "@example.net": [],
    },
    "forwards": ["away@example.org", "both@example.org", "@example.net"],
}
FIELDS = (
    b"From: x@far.example\r\nMessage-ID: <1@far.example>\r\n"
    b"Date: Wed, 25 Nov 2026 04:00:00 +0000\r\n"
)
BODY = b"\r\nHello.\r\n"


@pytest.fixture
def loops(tmp_path: Path) -> Loops:
    path = tmp_path / "addresses.json"
    path.write_text(json.dumps(BOOK))
    return Loops(KEY, AddressFile(path))


def to(*recipients: str) -> Session:
    return Session("s", transaction=Transaction("01234567", "x@far.example", list(recipients)))


def delivered(*addresses: str, fields: bytes = FIELDS, key: bytes = KEY) -> bytes:
    marks = MarksOf(key, Message(fields + BODY))
    return b"".join(marks.new("delivered", address, time.time()) for address in addresses)


def marks_of(marked: bytes, came: bytes) -> int:
    assert marked.endswith(came)
    return marked.removesuffix(came).count(b"X-Signpost-Forwarded: ")


class TestWhatAnAliasSendsElsewhere:
    @pytest.mark.parametrize(
        ("first", "again"),
        [
            ("away@example.org", "away@example.org"),
            ("Away@Example.ORG", "away+x@example.org"),
            ("both@example.org", "both@example.org"),
            ("one@example.net", "two@example.net"),
        ],
    )
    def test_is_marked_and_refused_when_it_comes_back(
        self, loops: Loops, first: str, again: str
    ) -> None:
        came = FIELDS + BODY
        assert loops.reject_returned(to(first), came) is None
        marked = loops.marked(to(first), came)
        assert marks_of(marked, came) == 1
        hops = b"Received: x\r\n" * 5 + marked.replace(b"Date: ", b"date:\r\n\t")
        for refusal in (loops.reject_returned, loops.reject_sent_again):
            assert refusal(to(again), hops) == Reject(
                554, f"5.4.6 a mail loop: <{again}> has had this message before"
            )
            assert refusal(to("alice@example.org"), hops) is None
            assert refusal(to("away@example.org", "one@example.net"), hops) is None
            assert refusal(to(again), hops.replace(b"<1@", b"<2@")) is None
            assert refusal(to(again), b"Resent-From: x@y.example\r\n" + hops) is None

    def test_is_not_marked_otherwise(self, loops: Loops) -> None:
        came = FIELDS + BODY
        for recipients in (["alice@example.org"], ["team@example.org", "x@far.example"], []):
            assert loops.marked(to(*recipients), came) == came
        assert marks_of(loops.marked(to("away@example.org", "alice@example.org"), came), came) == 1
        assert loops.marked(Session("s"), came) == came

    def test_ends_where_another_is_named_beside_it(self, loops: Loops) -> None:
        """Nobody is refused what he has not had, and next time all have had it."""
        both = to("away@example.org", "alice@example.org")
        once = loops.marked(to("away@example.org"), FIELDS + BODY)
        assert loops.reject_returned(both, once) is None
        twice = loops.marked(both, once)
        assert marks_of(twice, once) == 2
        assert loops.reject_returned(both, twice) is not None

    def test_a_server_may_add_what_was_missing(self, loops: Loops) -> None:
        came = b"From: x@far.example\r\n" + BODY
        marked = loops.marked(to("away@example.org"), came)
        for added in (
            b"",
            b"Message-ID: <3@x>\r\n",
            b"Date: x\r\n",
            b"Date: x\r\nMessage-ID: y\r\n",
        ):
            assert loops.reject_returned(to("away@example.org"), added + marked) is not None


class TestWhatWasDeliveredHere:
    def test_is_refused_to_whom_sends_it_again_and_taken_from_others(self, loops: Loops) -> None:
        """`deliver` stores what comes back if it is not there; a script and a person are told."""
        message = delivered("alice@example.org") + FIELDS + BODY
        assert loops.reject_returned(to("alice@example.org"), message) is None
        for recipient in ("alice@example.org", "ALICE+x@example.org"):
            assert loops.reject_sent_again(to(recipient), message) is not None
        for others in (["bob@example.org"], ["team@example.org"], ["both@example.org"]):
            assert loops.reject_sent_again(to("alice@example.org", *others), message) is None
        team = delivered("bob@example.org") + message
        assert loops.reject_sent_again(to("team@example.org"), team) is not None

    @pytest.mark.parametrize(
        "mark",
        [
            delivered("alice@example.org", key=b"another"),
            delivered("alice@example.org", fields=b"Message-ID: <2@far.example>\r\n"),
            delivered("alice@example.org").replace(b"Delivered", b"Forwarded"),
            delivered("alice@example.org").replace(b"Delivered: ", b"Delivered: 1"),
            b"X-Signpost-Delivered: 0 0\r\n" * 50 + delivered("alice@example.org"),
            b"X-Signpost-Delivered:\r\nX-Signpost-Delivered: \xff \xfe\r\n",
            b"X-Signpost-Delivered: " + b"0" * 100_000 + b"\r\n",
        ],
        ids=["key", "message", "kind", "time", "fifty", "none", "long"],
    )
    def test_no_other_mark_says_so(self, loops: Loops, mark: bytes) -> None:
        message = mark + FIELDS + BODY
        assert loops.reject_sent_again(to("alice@example.org"), message) is None
        below = FIELDS + b"\r\n" + delivered("alice@example.org")
        assert loops.reject_sent_again(to("alice@example.org"), below) is None


def test_many_hops_are_a_loop_whatever_the_marks() -> None:
    hop = b"Received: from x by y; Wed, 25 Nov 2026 04:00:00 +0000\r\n"
    assert reject_many_hops(Message(hop * MOST_HOPS + FIELDS + BODY)) is None
    refusal = reject_many_hops(Message(hop * (MOST_HOPS + 1) + FIELDS + BODY))
    assert refusal is not None
    assert str(refusal.code) + refusal.text[:6] == "554" + "5.4.6 "


def test_a_key_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    book, empty = tmp_path / "addresses.json", tmp_path / "empty"
    book.write_text(json.dumps(BOOK))
    empty.write_text("\n")
    errors: list[str] = []
    assert read_loops(None, None, errors) is None
    assert not errors
    for path, addresses in (
        (empty, AddressFile(book)),
        (tmp_path / "x", AddressFile(book)),
        (empty, None),
    ):
        assert read_loops(path, addresses, errors) is None
    assert len(errors) == 3
