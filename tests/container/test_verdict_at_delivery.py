"""What `deliver` asks the account's junk filter, what it believes, and how long it waits."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .test_deliver import KEY, SHORT, Bench, Delivered, both, file, marked, on_the_wire

YES = "yes score=7.3 threshold=5.0 (words 0.998; no DMARC, no DKIM; first contact)"
NO = "no score=1.2 threshold=5.0 (words 0.020)"
JUDGED = 131_072
rarely = pytest.mark.reliability
# In all, and how much a slow machine may add.
PATIENCE, SLACK = 2.0, 1.0


@pytest.fixture(scope="module")
def bench(image: None) -> Iterator[Bench]:
    with Bench() as bench:
        yield bench


def fields(done: Delivered, at: int = 0) -> list[str]:
    """The header section that was stored, a field each."""
    head = done.stored[at].replace(b"\r\n", b"\n").partition(b"\n\n")[0].decode("latin-1")
    return re.split(r"\n(?![ \t])", head)


def whole(message: bytes) -> bytes:
    return on_the_wire(message)


class TestTheQuestion:
    def test_is_whose_mail_it_is_and_what_will_be_stored(self, bench: Bench) -> None:
        top = b"Authentication-Results: x\nX-Signpost-Facts: dmarc=pass\n\tdkim=pass  spf=fail\n"
        done = bench.deliver(
            top + b"Received: here\n" + SHORT,
            junk=[f"{YES}\n"],
            key="k",
            recipient="Alice+Tag@Example.ORG",
            original="Info@example.net",
        )
        (asked,) = done.asked
        account, sender, mark, facts, message = asked.split(b"\0", 4)
        assert account == b"alice@example.org"
        assert sender == b"someone@outside.test"
        assert facts == b"dmarc=pass dkim=pass spf=fail"
        left = b"Authentication-Results: x\nReceived: here\n" + SHORT
        assert message == left
        own, original, delivered = fields(done)[:3]
        assert own == f"X-Signpost-Junk: {YES}"
        assert original == "X-Original-To: Info@example.net"
        assert re.fullmatch(rf"X-Signpost-Delivered: [0-9a-f]+ {mark.decode()}", delivered)
        assert len(mark) == 32
        assert done.stored[0].endswith(whole(left))

    def test_has_no_sender_mark_or_facts_where_there_are_none(self, bench: Bench) -> None:
        done = bench.deliver(sender="", junk=[f"{NO}\n"])
        assert done.asked == [b"alice@example.org\0\0\0\0" + SHORT]
        assert fields(done)[0] == f"X-Signpost-Junk: {NO}"

    @pytest.mark.parametrize("size", [JUDGED - 1, JUDGED, JUDGED + 1, 3 * JUDGED])
    def test_has_as_much_as_is_judged(self, bench: Bench, size: int) -> None:
        message = (SHORT + b".a line\n" * 50_000)[:size]
        done = bench.deliver(message, junk=[f"{YES}\n"])
        assert done.asked[0].split(b"\0", 4)[4] == message[:JUDGED]
        assert done.stored == [f"X-Signpost-Junk: {YES}\r\n".encode() + whole(message)]

    def test_is_not_used_up_by_what_is_dropped(self, bench: Bench) -> None:
        padding = b"X-Signpost-Facts: x\n" * 10_000
        done = bench.deliver(padding + SHORT, junk=[f"{YES}\n"])
        assert done.asked[0].endswith(b"\0" + SHORT)

    @pytest.mark.parametrize("size", [JUDGED, 2 * JUDGED])
    def test_a_header_section_of_any_length_is_part_of_it(self, bench: Bench, size: int) -> None:
        message = b"X-Long: x\n" * (size // 10) + SHORT
        done = bench.deliver(message, junk=[f"{YES}\n"])
        assert done.asked[0].split(b"\0", 4)[4] == message[:JUDGED]
        assert done.stored[0].endswith(whole(message))

    def test_is_asked_only_where_it_is_to_be(self, bench: Bench) -> None:
        for how in ({"judged": False}, {"maildir": True}):
            done = bench.deliver(junk=[f"{YES}\n"], **how)
            assert (done.statuses, done.asked) == ([0], [])
            assert not any(b"X-Signpost-Junk" in each for each in done.stored)

    def test_is_asked_of_what_has_come_back_if_it_is_stored(self, bench: Bench) -> None:
        """Whoever has seen the mark may have written another message."""
        header = marked()
        for there in ({}, file("new/{}", header)):
            how = {"key": KEY.decode(), "mailbox": there, "junk": [f"{YES}\n"]}
            done = bench.deliver(header.encode() + SHORT, **how)
            assert done.statuses == [0]
            assert len(done.stored) == len(done.asked) == (not there)
            # The mark is of another delivery.
            assert all(each.split(b"\0")[2] == b"" for each in done.asked)
            assert all(b"X-Signpost-Junk: yes" in each for each in done.stored)

    @pytest.mark.parametrize("feed", ["killed", pytest.param("parent", marks=rarely)])
    # Half of it comes: more than a pipe takes, and less or more than is judged.
    @pytest.mark.parametrize("size", [200_000, 600_000])
    def test_a_part_of_a_message_is_never_stored(self, bench: Bench, feed: str, size: int) -> None:
        message = SHORT + b"x\n" * (size // 2)
        done = bench.deliver(message, feed=feed, junk=[f"{YES}\n"], rounds=3)
        assert (set(done.statuses), done.stored) == ({75}, [])
        assert done.written == "smtpd ended before the message did; nothing was stored\n"
        assert len(done.asked) == (3 if size > 2 * JUDGED else 0)

    def test_a_message_whose_smtpd_dies_meanwhile_is_not_stored(self, bench: Bench) -> None:
        """It is tried again then, and would be there twice."""
        done = bench.deliver(feed="gone", junk=["late"])
        assert len(done.asked) == 1
        assert (done.statuses, done.stored) == ([75], [])
        assert done.written == "smtpd ended before the message did; nothing was stored\n"


class TestFactsAndVerdictsOfStrangers:
    """Dovecot takes white space before a colon for none (RFC 5322 §4.5), and so do we."""

    STRANGE = (
        "X-Signpost-Junk: yes",
        "X-SIGNPOST-JUNK:yes",
        "x-signpost-junk : no",
        "X-Signpost-Junk\t \t:\n yes",
        "X-Signpost-Junk\n :\n\tyes",
        "X-Signpost-Junk:",
        "X-Signpost-Facts: dmarc=pass",
        "X-SignPost-Facts : dmarc=pass",
        "X-Signpost-Returned : yes",
    )
    LEFT = ("X-Signpost-Junky: yes", "X-Signpost: yes", "Subject: X-Signpost-Junk: yes")

    @both
    @pytest.mark.parametrize("judged", [False, True])
    def test_are_dropped_wherever_they_stand(
        self, bench: Bench, judged: bool, maildir: bool
    ) -> None:
        strange = "\n".join(self.STRANGE)
        head = f"{strange}\nReceived: x\n{strange}\n" + "\n".join(self.LEFT) + f"\n{strange}\n"
        body = f"{strange}\n"
        message = f"{head}\n{body}".encode()
        junk = [f"{NO}\n"] if judged and not maildir else None
        done = bench.deliver(message, maildir=maildir, junk=junk, judged=judged)
        found = [each for each in fields(done) if not each.startswith(("Return-P", "Delivered-T"))]
        assert found == [f"X-Signpost-Junk: {NO}"] * bool(junk) + ["Received: x", *self.LEFT]
        assert done.stored[0].replace(b"\r\n", b"\n").endswith(b"\n\n" + body.encode())

    @both
    @pytest.mark.parametrize("padding", [b"X-Long: x\n", b"X-Signpost-Facts: x\n"])
    def test_are_text_behind_a_header_section_that_is_too_long(
        self, bench: Bench, padding: bytes, maildir: bool
    ) -> None:
        """Dovecot reads more of one than we do, and Sieve believed what it found there."""
        strange = b"X-Signpost-Junk: yes\n"
        message = b"From: x\n" + padding * ((9 << 20) // len(padding)) + strange + SHORT
        done = bench.deliver(message, maildir=maildir, judged=False)
        assert done.statuses == [0]
        assert not any(each.startswith("X-Signpost-") for each in fields(done))
        assert b"\n" + strange in done.stored[0].replace(b"\r\n", b"\n")

    @pytest.mark.parametrize(
        ("header", "facts"),
        [
            ("X-Signpost-Facts: a=1\nReceived: x\nX-Signpost-Facts: a=2\n", "a=1"),
            ("X-Signpost-Facts: a=1\nX-Signpost-Facts: a=2\nReceived: x\n", "a=1"),
            ("Received: x\nX-Signpost-Facts: a=2\n", ""),
            ("received:x\nX-Signpost-Facts: a=2\n", ""),
            ("A: b\nRECEIVED: x\n folded\nX-Signpost-Facts: a=2\n", ""),
            ("X-Signpost-Facts: a\x01\x7f\xfcb\0c\r\n\td  \n", "a b c d"),
            ("X-Signpost-Facts:\n", ""),
            # A script has sent it on, and its facts are gone: it was not submitted here.
            ("Received: x\nX-Signpost-Delivered: 0 0\n", "dmarc=unknown"),
            ("X-Signpost-Facts: a=1\nReceived: x\nX-Signpost-Delivered: 0 0\n", "a=1"),
            (f"X-Signpost-Facts: {'x' * 10_000}\nReceived: x\n", "x" * 2047),
        ],
    )
    def test_count_only_above_what_our_own_server_has_received(
        self, bench: Bench, header: str, facts: str
    ) -> None:
        done = bench.deliver(header.encode("latin-1") + SHORT, junk=[f"{NO}\n"])
        assert done.asked[0].split(b"\0", 4)[3] == facts.encode()


ANSWERS = ("yes", "no", "x" * 900, 'no (%s %n \\ ")')
NO_ANSWERS = (
    *("", "\n", "yes", "yes\n\n", "yes\nno\n", "yes\r\n", "yes\0\n", "y\tes\n", "y\x1bes\n"),
    *("\xfces\n", "yes\nSubject: x\n", "x" * 901 + "\n", "x" * 100_000, "closes"),
)


class TestAnAnswer:
    def test_of_one_line_is_believed(self, bench: Bench) -> None:
        done = bench.deliver(junk=[f"{each}\n" for each in ANSWERS], rounds=len(ANSWERS))
        tops = [f"X-Signpost-Junk: {each}\n".encode() for each in ANSWERS]
        assert done.stored == [whole(top + SHORT) for top in tops]

    def test_of_any_other_form_is_none(self, bench: Bench) -> None:
        long = SHORT + b"x\n" * 100_000
        done = bench.deliver(long, junk=NO_ANSWERS, rounds=len(NO_ANSWERS))
        assert (set(done.statuses), done.written) == ({0}, "")
        assert set(done.stored) == {whole(long)}
        # Whoever says something, or ends, is not silent.
        assert len(done.asked) == len(NO_ANSWERS)
        assert not done.silent
        assert max(done.took) < PATIENCE

    @pytest.mark.parametrize(
        "how",
        [
            "silent",
            "slow",
            *(pytest.param(each, marks=rarely) for each in ("deaf", "open", "full")),
        ],
    )
    def test_is_waited_for_for_two_seconds_and_not_again(self, bench: Bench, how: str) -> None:
        long = SHORT + b"x\n" * 200_000
        done = bench.deliver(long, junk=[how], rounds=3)
        assert (done.statuses, done.stored) == ([0] * 3, [whole(long)] * 3)
        assert PATIENCE - 0.1 < done.took[0] < PATIENCE + SLACK
        assert max(done.took[1:]) < SLACK
        assert len(done.asked) == (how != "full")
        assert done.silent


class TestWhoWasSilent:
    def test_is_asked_at_once_when_it_has_begun_anew(self, bench: Bench) -> None:
        done = bench.deliver(junk=["open", f"{YES}\n"], rounds=2, anew=True)
        assert [b"X-Signpost-Junk" in each for each in done.stored] == [False, True]
        assert not done.silent

    def test_is_asked_again_after_half_a_minute_by_one_alone(self, bench: Bench) -> None:
        """It is silent anew while it is asked: those beside it go on without."""
        done = bench.deliver(junk=["since"], silent=31)
        assert fields(done)[0] == "X-Signpost-Junk: no 0"
        assert not done.silent

    @pytest.mark.parametrize(
        ("silent", "asked"), [(2, False), (28, False), (31, True), (-60, True)]
    )
    def test_has_that_long(self, bench: Bench, silent: float, asked: bool) -> None:
        """The clock may have been set back."""
        done = bench.deliver(junk=["no\n"], silent=silent)
        assert bool(done.asked) is asked
        assert done.silent is not asked

    def test_nobody_at_all_costs_no_time(self, bench: Bench) -> None:
        done = bench.deliver(judged=True, rounds=3)
        assert (done.statuses, done.stored) == ([0] * 3, [whole(SHORT)] * 3)
        assert max(done.took) < SLACK
        assert not done.silent
