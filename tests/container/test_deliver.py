"""smtpd's delivery (`deliver`) alone: what it stores and what it says, whoever dies meanwhile."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from filters.delivery_marks import MarksOf
from filters.mailauth.message import Message

from .harness.shell import fresh, run
from .harness.signpost import IMAGE

CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT")
# More than a pipe takes: its other end is still being written when the agent reads.
# smtpd puts the first two lines on top; without the first for the null sender.
SMTPD = b"Return-Path: <someone@outside.test>\nDelivered-To: alice@example.org\n"
LONG = b"Subject: long\n\n" + b".a line\n" * 40000
SHORT = b"Subject: short\n\nHello.\n"


@dataclass(frozen=True)
class Delivered:
    """What came of it: one exit status a round, and what there is of messages."""

    statuses: list[int]
    written: str
    commands: list[str]
    stored: list[bytes]
    # Seconds a round; what the junk filter was asked, and whether it was found silent at last.
    took: list[float]
    asked: list[bytes]
    silent: bool


class Bench:
    """A container of the image, in which nothing runs but what a test starts."""

    def __init__(self) -> None:
        self.name = fresh("signpost-test-deliver")

    def __enter__(self) -> Bench:
        capabilities = (f"--cap-add={each}" for each in CAPABILITIES)
        run(
            *("docker", "run", "--detach", "--rm", "--init", "--name", self.name),
            *("--network", "none", "--cap-drop", "ALL", *capabilities),
            *("--volume", f"{Path(__file__).parent / 'delivery'}:/test:ro"),
            *("--entrypoint", "sleep", IMAGE, "600"),
        )
        return self

    def __exit__(self, *exception: object) -> None:
        run("docker", "rm", "--force", "--volumes", self.name)

    def deliver(self, message: bytes = SHORT, **how: object) -> Delivered:
        """See stand_in.py."""
        printed = run(
            *("docker", "exec", "-i", self.name, "python", "/test/stand_in.py", json.dumps(how)),
            stdin=SMTPD + message,
            timeout=120,
        )
        found = json.loads(printed)
        for name in ("stored", "asked"):
            found[name] = [base64.b64decode(each) for each in found[name]]
        return Delivered(**found)


@pytest.fixture(scope="module")
def bench(image: None) -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


def on_the_wire(message: bytes) -> bytes:
    """Lines that end in CRLF, dots doubled."""
    lines = message.removesuffix(b"\n").split(b"\n")
    return b"".join((b"." if line[:1] == b"." else b"") + line + b"\r\n" for line in lines)


both = pytest.mark.parametrize("maildir", [False, True], ids=["lmtp", "maildir"])


class TestAPartOfAMessage:
    """The pipe ends, and it is not the message's end: it is tried again, and nothing is there."""

    @both
    # "slow": the pipe's end is seen while the process that had it is still there.
    @pytest.mark.parametrize("feed", ["killed", "slow", "exits", "parent"])
    def test_is_never_stored(self, bench: Bench, feed: str, maildir: bool) -> None:
        done = bench.deliver(LONG, feed=feed, maildir=maildir, rounds=15)
        assert set(done.statuses) == {75}, done
        assert done.written == "smtpd ended before the message did; nothing was stored\n"
        assert done.stored == []

    @both
    def test_smtpd_may_be_gone_before_it_begins(self, bench: Bench, maildir: bool) -> None:
        done = bench.deliver(LONG, feed="orphan", maildir=maildir, rounds=15)
        assert (set(done.statuses), done.stored) == ({75}, [])

    @both
    def test_nothing_at_all_is_no_message(self, bench: Bench, maildir: bool) -> None:
        done = bench.deliver(LONG, feed="silent", maildir=maildir)
        assert (done.statuses, done.stored) == ([75], [])

    @both
    @pytest.mark.parametrize(("feed", "count"), [("none", 0), ("two", 2)])
    def test_who_writes_it_has_to_be_known(
        self, bench: Bench, feed: str, count: int, maildir: bool
    ) -> None:
        done = bench.deliver(LONG, feed=feed, maildir=maildir)
        assert (done.statuses, done.stored) == ([75], [])
        assert f'has {count} children named "smtpd: dispatcher"' in done.written


class TestAWholeMessage:
    @both
    def test_is_stored_once(self, bench: Bench, maildir: bool) -> None:
        done = bench.deliver(LONG, maildir=maildir, rounds=5)
        assert (done.statuses, done.written) == ([0] * 5, "")
        assert done.stored == [SMTPD + LONG if maildir else on_the_wire(LONG)] * 5

    @pytest.mark.parametrize(
        "body",
        [
            b".\n",
            b"..\n.\n",
            b"no end",
            b"a dot without an end\n.",
            bytes(range(128, 256)) + b"\n",
            b"x" * 65536 + b"\n" + b"." * 65536 + b"\n",
            b"y" * 65535 + b"\n.\n",
            b"a\0b\n",
            b"\0\n.\0\n",
            b"a\rb\r\n.\r\n",
        ],
        ids=lambda body: repr(body[:12]),
    )
    def test_comes_as_it_was(self, bench: Bench, body: bytes) -> None:
        message = SHORT + body
        assert bench.deliver(message).stored == [on_the_wire(message)]

    def test_its_first_line_may_begin_with_a_dot(self, bench: Bench) -> None:
        assert bench.deliver(b".\n\n").stored == [b"..\r\n\r\n"]

    def test_the_envelope_is_smtpds(self, bench: Bench) -> None:
        done = bench.deliver(sender="", recipient="Alice+Tag@Example.ORG")
        assert done.commands[:3] == [
            "LHLO localhost",
            "MAIL FROM:<>",
            "RCPT TO:<Alice+Tag@Example.ORG> ORCPT=rfc822;Alice+2BTag@Example.ORG",
        ]


class TestWhatStandsOnTop:
    """RFC 5321 §4.4: once each, and by whoever delivers."""

    @both
    @pytest.mark.parametrize("sender", ["someone@outside.test", ""])
    def test_is_ours(self, bench: Bench, sender: str, maildir: bool) -> None:
        strange = (
            b"Received: x\nreturn-path: <x@y>\n folded\nDelivered-To: alice@example.org\n"
            b"X-Signpost-Returned: yes\nReturn-Path: <z@y>\nX-Signpost-Delivered: 0 0\n"
        )
        left = b"Received: x\nDelivered-To: alice@example.org\nX-Signpost-Delivered: 0 0\n"
        original = "Info+x@example.org"
        done = bench.deliver(
            strange + SHORT, sender=sender, original=original, maildir=maildir, key="k"
        )
        top, _, rest = re.split(
            rb"(X-Signpost-Delivered: [0-9a-f]+ [0-9a-f]{32}\r?\n)", done.stored[0]
        )
        assert rest == (left + SHORT if maildir else on_the_wire(left + SHORT))
        expected = (
            f"Return-Path: <{sender}>\nDelivered-To: alice+x@example.org\n" if maildir else ""
        )
        expected += f"X-Original-To: {original}\n"
        assert top.replace(b"\r", b"").decode() == expected

    def test_without_a_key_it_has_no_mark(self, bench: Bench) -> None:
        assert bench.deliver().stored == [on_the_wire(SHORT)]

    @pytest.mark.parametrize(
        ("original", "said"),
        [
            ("a.b@x-y.example", " ORCPT=rfc822;a.b@x-y.example"),
            ("a+b=c@example.org", " ORCPT=rfc822;a+2Bb+3Dc@example.org"),
            ("a%s%n@example.org", " ORCPT=rfc822;a%s%n@example.org"),
            *(
                (odd, "")
                for odd in ("a", "@b", "a@", "a..b@c", ".a@b", "a.@b", "a@b.", 'x"y@b', "a@b@c")
            ),
        ],
    )
    def test_dovecot_hears_whom_it_was_for(self, bench: Bench, original: str, said: str) -> None:
        done = bench.deliver(original=original)
        assert done.commands[2].partition(">")[2] == said

    @pytest.mark.parametrize(
        ("recipient", "original", "said"),
        [
            ("alice@example.org", "info+lists@example.net", "info+2Blists@example.net"),
            ("alice+lists@example.org", "info@example.net", "info+2Blists@example.net"),
            ("alice+~@example.org", "info@example.net", "info@example.net"),
            ("alice+~=@example.org", "exact+lists@example.net", "exact@example.net"),
            ("alice+~=own@example.org", "exact+lists@example.net", "exact+2Bown@example.net"),
            (
                "alice@example.org",
                "srs1+AA=far.test==x@b.test",
                "srs1+2BAA+3Dfar.test+3D+3Dx@b.test",
            ),
        ],
    )
    def test_with_the_tag_that_counts(
        self, bench: Bench, recipient: str, original: str, said: str
    ) -> None:
        done = bench.deliver(recipient=recipient, original=original)
        assert done.commands[2].endswith(f"> ORCPT=rfc822;{said}")


FIELDS = "Message-ID: <1@far.example>\nDate: Wed, 25 Nov 2026 04:00:00 +0000\n"
KEY = b"a key of forty letters and digits 012345"


def marked(
    fields: str = FIELDS, address: str = "alice@example.org", *, before: str | None = None
) -> str:
    """The header section with the mark of an earlier delivery, in which it was `before`."""
    of = Message((fields if before is None else before).replace("\n", "\r\n").encode())
    return (
        MarksOf(KEY, of).new("delivered", address, time.time()).decode().replace("\r", "") + fields
    )


def back(bench: Bench, header: str, mailbox: dict[str, str], **how: object) -> str | None:
    """What becomes of a message with this header: it is "stored", as "returned", or None."""
    message = header.encode() + SHORT
    how |= {"key": KEY.decode(), "mailbox": mailbox}
    done = bench.deliver(message, **how)
    assert (done.statuses, done.written) == ([0], "")
    if not done.stored:
        return None
    return "returned" if done.stored[0].count(b"X-Signpost-Returned: yes") else "stored"


def file(name: str, header: str, age: float = 0) -> dict[str, str]:
    return {name.format(f"{int(time.time() - age)}.M1.x"): f"{header}\nHello.\n"}


class TestAMessageThatComesBack:
    """It is stored if it is not there yet, and Dovecot hears of it."""

    @both
    @pytest.mark.parametrize(
        "where", ["new/{}", "cur/{}:2,S", "tmp/{}", ".Filed/cur/{}:2,", ".A.B/new/{}", "A/B/cur/{}"]
    )
    def test_is_not_stored_again(self, bench: Bench, where: str, maildir: bool) -> None:
        header = marked()
        assert back(bench, header, file(where, header), maildir=maildir) is None

    @pytest.mark.parametrize("where", ["cur/{}:2,ST", ".Trash/cur/{}:2,S", "new/.{}", "other/{}"])
    def test_is_stored_where_it_was_deleted(self, bench: Bench, where: str) -> None:
        header = marked()
        assert back(bench, header, file(where, header)) == "returned"

    def test_is_stored_where_nothing_of_its_time_is_it(self, bench: Bench) -> None:
        header = marked()
        assert back(bench, header, file("new/{}", f"Subject: a bounce\n\n{header}")) == "returned"
        for age in (86400, -6 * 86400):
            assert back(bench, header, file("new/{}", header, age=age)) == "returned"

    def test_is_looked_for_a_second_at_most(self, bench: Bench) -> None:
        """Who has seen a mark may send it as often as he likes, and all mail waits meanwhile."""
        header = marked().encode() + SHORT
        marks = header[: header.index(b"Message-ID")] * 50 + header
        crowd = file("cur/{}", f"X: {'00' * 30000}\n")
        done = bench.deliver(marks, key=KEY.decode(), mailbox=crowd, links=20000)
        assert done.stored[0].count(b"X-Signpost-Returned: yes") == 1
        assert done.took[0] < 8

    @pytest.mark.parametrize(
        ("header", "becomes"),
        [
            (lambda: marked(), "returned"),
            (lambda: "Received: x\n" * 90 + marked().replace("Date: ", "DATE:\n\t"), "returned"),
            # What a server on the way has added.
            (lambda: marked(before=FIELDS.splitlines(True)[0]), "returned"),
            (lambda: marked(before=FIELDS.splitlines(True)[1]), "returned"),
            (lambda: marked(before=""), "returned"),
            # Of another message, or for another; or a person has sent it again.
            (lambda: marked(before=FIELDS.replace("1@", "2@")), "stored"),
            (lambda: marked(before=FIELDS + "Resent-From: x\n"), "stored"),
            (lambda: "Resent-From: bob@x\n" + marked(), "stored"),
            (lambda: "Resent-From: bob@x\nResent-Message-ID: <3@x>\n" + marked(), "stored"),
            (lambda: marked(address="bob@example.org"), "stored"),
            (lambda: marked().replace("Delivered: ", "Delivered: 1"), "stored"),
            (lambda: marked().replace("Delivered", "Forwarded"), "stored"),
            (lambda: "X-Signpost-Delivered: 0 0\n" * 60 + marked(), "stored"),
            (lambda: "X-Signpost-Delivered: 0 0\n" * 49 + marked(), "returned"),
        ],
    )
    def test_is_known_by_the_mark_alone(
        self, bench: Bench, header: Callable[[], str], becomes: str
    ) -> None:
        assert back(bench, header(), {}) == becomes

    @pytest.mark.parametrize("recipient", ["ALICE@Example.ORG", "alice+x@example.org"])
    def test_may_come_to_another_spelling(self, bench: Bench, recipient: str) -> None:
        assert back(bench, marked(), {}, recipient=recipient) == "returned"

    def test_of_an_alias_that_sends_it_elsewhere_too(self, bench: Bench) -> None:
        """Each time it passes there it gets a mark: the second is of its return."""
        of = MarksOf(KEY, Message(FIELDS.replace("\n", "\r\n").encode()))
        first, second = (
            of.new("forwarded", "info@example.org", time.time() + n).decode().replace("\r", "")
            for n in range(2)
        )
        how = {"original": "Info+x@example.org"}
        there = file("new/{}", first + FIELDS)
        assert back(bench, first + FIELDS, {}, **how) == "stored"
        assert back(bench, second + first + FIELDS, there, **how) is None
        assert back(bench, second + first + FIELDS, {}, **how) == "returned"

    def test_in_several_branches_is_stored_once(self, bench: Bench) -> None:
        done = bench.deliver(marked().encode() + SHORT, key=KEY.decode(), maildir=True, rounds=3)
        assert (done.statuses, len(done.stored)) == ([0] * 3, 1)


class TestARecipient:
    @pytest.mark.parametrize(
        ("recipient", "delimiter"),
        [
            ("alice@example.org", "+"),
            ("ALICE+x+y@Example.Org", "+"),
            ("alice-x@example.org", "-"),
            ("-x@example.org", "+"),
        ],
    )
    def test_who_has_a_mailbox_gets_it(self, bench: Bench, recipient: str, delimiter: str) -> None:
        assert bench.deliver(recipient=recipient, delimiter=delimiter).statuses == [0]

    @pytest.mark.parametrize(
        ("recipient", "original", "delivered"),
        [
            ("alice@example.org", "info+Lists@example.net", "alice+Lists@example.org"),
            ("alice@example.org", "info@example.net", "alice@example.org"),
            ("alice@example.org", "info+@example.net", "alice@example.org"),
            ("alice+own@example.org", "info+lists@example.net", "alice+own@example.org"),
            ("alice+@example.org", "info+lists@example.net", "alice+lists@example.org"),
            # Of the table of aliases.
            ("alice+~@example.org", "info+a+b@example.net", "alice+a+b@example.org"),
            ("alice+~@example.org", "info@example.net", "alice@example.org"),
            ("alice+~=@example.org", "info+lists@example.net", "alice@example.org"),
            ("alice+~=own@example.org", "info+Lists@example.net", "alice+own@example.org"),
            # Of somebody else.
            ("alice+~x@example.org", "info+lists@example.net", "alice+~x@example.org"),
            ("alice@example.org", "SRS0=AAAA=BB=far.test=a+b@example.org", "alice@example.org"),
            ("alice@example.org", "srs1+AAAA=far.test==x+b@example.org", "alice@example.org"),
        ],
    )
    def test_the_tag_that_the_mail_was_written_to(
        self, bench: Bench, recipient: str, original: str, delivered: str
    ) -> None:
        every = {"alice@example.org", "alice+~=own@example.org"}
        for delimiter in "+-_=." if recipient in every and "Lists" in original else "+":
            texts = (text.replace("+", delimiter) for text in (recipient, original, delivered))
            ends_in, written_to, expected = texts
            done = bench.deliver(recipient=ends_in, original=written_to, delimiter=delimiter)
            assert done.commands[2].startswith(f"RCPT TO:<{expected}>")

    @both
    @pytest.mark.parametrize("recipient", ["bob@example.org", "Bob+x@example.org", "ob@example.or"])
    def test_who_has_none_any_more_bounces_at_once(
        self, bench: Bench, recipient: str, maildir: bool
    ) -> None:
        done = bench.deliver(recipient=recipient, maildir=maildir, mailboxes="boob@example.org\n")
        address = re.sub(r"\+.*@", "@", recipient.lower())
        assert (done.statuses, done.stored) == ([69], [])
        assert done.written == f"550 5.1.1 <{address}>: there is no such account any more\n"

    @both
    def test_without_a_list_it_is_delivered(self, bench: Bench, maildir: bool) -> None:
        assert bench.deliver(mailboxes=None, maildir=maildir).statuses == [0]


class TestARefusal:
    @pytest.mark.parametrize(
        ("answer", "status"),
        [
            ("552 5.2.2 <alice@example.org> Quota exceeded", 69),
            ("552 5.2.2 <alice@example.org> Not enough disk quota", 75),
            ("550 5.1.1 <alice@example.org> User doesn't exist", 75),
            ("550 5.1.10 no", 69),
            ("451 4.3.0 <alice@example.org> Temporary internal error", 75),
            ("250 at the wrong time", 75),
        ],
    )
    @pytest.mark.parametrize("before", [0, 1, 2, 3, 4, 5])
    def test_is_final_if_dovecot_means_it(
        self, bench: Bench, answer: str, status: int, before: int
    ) -> None:
        if answer.startswith("250") and before != 4:
            pytest.skip("that is the right time")
        usual = ["220 hello", "250-localhost\r\n250 PIPELINING", "250 ok", "250 ok", "354 go on"]
        done = bench.deliver(answers=[*usual[:before], answer])
        assert (done.statuses, done.written) == ([status], answer + "\n")

    @pytest.mark.parametrize("before", [0, 3, 5])
    @pytest.mark.parametrize(
        ("answer", "said"),
        [
            (None, "unexpected EOF from LMTP server"),
            ("what?", "LMTP server sent an invalid line"),
            ("552-5.2.2 too\r\n552 5.2.2 much", "552 5.2.2 much"),
        ],
    )
    def test_of_any_form_is_said(
        self, bench: Bench, answer: str | None, said: str, before: int
    ) -> None:
        usual = ["220 hello", "250 localhost", "250 ok", "250 ok", "354 go on"]
        done = bench.deliver(answers=[*usual[:before], answer])
        assert done.statuses == [69 if answer and answer.startswith("552") else 75]
        assert done.written == said + "\n"

    @pytest.mark.reliability
    def test_silence_is_waited_for_a_minute(self, bench: Bench) -> None:
        done = bench.deliver(answers=["220 hello", ""])
        assert (done.statuses, done.written) == ([75], "no answer from the LMTP server\n")
