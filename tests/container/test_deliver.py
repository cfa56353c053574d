"""smtpd's delivery (`deliver`) alone: what it stores and what it says, whoever dies meanwhile."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .harness.shell import fresh, run
from .harness.signpost import IMAGE

CAPABILITIES = ("CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID", "SYS_CHROOT")
# More than a pipe takes: its other end is still being written when the agent reads.
LONG = b"Delivered-To: alice@example.org\nSubject: long\n\n" + b".a line\n" * 40000
SHORT = b"Delivered-To: alice@example.org\nSubject: short\n\nHello.\n"


@dataclass(frozen=True)
class Delivered:
    """What came of it: one exit status a round, and what there is of messages."""

    statuses: list[int]
    written: str
    commands: list[str]
    stored: list[bytes]


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
            stdin=message,
            timeout=120,
        )
        found = json.loads(printed)
        found["stored"] = [base64.b64decode(each) for each in found["stored"]]
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
        assert done.stored == [LONG if maildir else on_the_wire(LONG)] * 5

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
        assert bench.deliver(b".\n").stored == [b"..\r\n"]

    def test_the_envelope_is_smtpds(self, bench: Bench) -> None:
        done = bench.deliver(sender="", recipient="Alice+Tag@Example.ORG")
        assert done.commands[:3] == [
            "LHLO localhost",
            "MAIL FROM:<>",
            "RCPT TO:<Alice+Tag@Example.ORG>",
        ]


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
            assert f"RCPT TO:<{expected}>" in done.commands

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
