"""Mailpit's search words, each by what it finds. test_search_property has all that they can be."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest

from entrypoint.test_target.search.dates import parse_moment, time_zone
from entrypoint.test_target.search.parse import parse_query
from entrypoint.test_target.store import indexing
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.store.reading import Selection
from tests.entrypoint.test_target.mails import RECEIVED, mail, received

ATTACHED = (
    b"From: f@f.example\r\nTo: t@t.example\r\nSubject: 6\r\n"
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/html\r\n\r\n"
    b'<a href="https://shop.example/reset">go</a>\r\n--b\r\n'
    b"Content-Disposition: attachment; filename=Invoice.pdf\r\n\r\nwithin\r\n--b\r\n"
    b"Content-Type: image/png\r\nContent-ID: <c>\r\nContent-Disposition: inline\r\n\r\nx\r\n"
    b"--b--\r\n"
)
MAILS = [
    mail("Your new password is here", subject="Reset your password"),
    mail("reset it", subject="Your password", to='"Doe, Jane" <jane@doe.example>, x@y.example'),
    mail("ΟΔΟΣΑ Straße", subject="Re: (draft), <v1> 100%_", header="Cc: cc@cc.example\r\n"),
    mail("x", subject="3", header="Reply-To: Re <re@re.example>\r\nX-Tags: Two Words, b\r\n"),
    mail("x", subject="4", sender="bounce@a.example", run="R1", recipients=["hid@h.example"]),
    mail("x " * 2000, subject="5", header="Message-ID: <Five@m.example>\r\n"),
    received(ATTACHED, received=RECEIVED + timedelta(days=1)),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], list[int]]]:
    """The numbers of the messages that a query finds."""
    with asyncio.Runner() as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(indexing, "SPAN", 3)  # messages of a block; the last is in none
        mailbox = Mailbox(tmp_path_factory.mktemp("store") / "store.db")
        ids = runner.run(mailbox.add(MAILS))
        runner.run(mailbox.set_read(ids[:1], read=True))

        async def indexed() -> None:
            while await mailbox.index_lag():
                await asyncio.sleep(0)

        runner.run(asyncio.wait_for(indexed(), 20))

        def find(query: str) -> list[int]:
            page = runner.run(mailbox.find(Selection(parse_query(query, "Europe/Paris"))))
            return sorted(ids.index(item["ID"]) for item in page.items)

        yield find
        mailbox.close()


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        # Words: substrings in any case, all of them, in any order.
        ("PASSWORD", [0, 1]),
        ("asswor", [0, 1]),
        ("password reset", [0, 1]),
        ('"password reset"', []),
        ('"your password"', [0, 1]),
        ("straße", [2]),
        ("οδοσ", [2]),
        ("ΟΔΟΣ", [2]),
        ("-password", [2, 3, 4, 5, 6]),
        ("!password -straße", [3, 4, 5, 6]),
        ("here", [0]),
        ("invoice", [6]),
        ("shop.example/reset", [6]),
        ("within", []),
        ("bounce@a", [4]),
        ("re@re.example", [3]),
        ("hid@h.example", [4]),
        ("m.example", []),
        # Where a word is looked for.
        ("subject:reset", [0]),
        ("subject:Reset your password", [0]),
        ('subject:"your password"', [0, 1]),
        ('subject:"(draft), <v1>"', [2]),
        ("subject:100%_", [2]),
        ("subject:100__", []),
        ("SUBJECT:RESET", [0]),
        ("from:alice", [0, 1, 2, 3, 4, 5]),
        ("from:bounce", []),
        ("to:jane", [1]),
        ('to:"doe, jane"', [1]),
        ('to:"Doe, Jane <jane@doe.example>"', [1]),
        ("to:hid", []),
        ("cc:cc@cc", [2]),
        ("bcc:hid", [4]),
        ("reply-to:re@", [3]),
        ("addressed:hid@h.example", [4]),
        ("addressed:f@f", [6]),
        ("-addressed:example", []),
        ("message-id:five@m", [5]),
        ("to:", [0, 1, 2, 3, 4, 5, 6]),
        # Whole tags, runs and addresses.
        ('tag:"two words"', [3]),
        ("tag:two", []),
        ("-tag:B", [0, 1, 2, 4, 5, 6]),
        ("is:tagged", [3]),
        ("run:r1", [4]),
        ("run:r", []),
        ("addressed-exactly:JANE@doe.example", [1]),
        ("addressed-exactly:hid@h.example", [4]),
        ("addressed-exactly:jane", []),
        ("addressed-exactly:f@f.example", []),
        # States.
        ("is:read", [0]),
        ("-is:unread", [0]),
        ("is:unread subject:your", [1]),
        ("has:attachment", [6]),
        ("has:attachments has:inline", [6]),
        ("-has:inlines", [0, 1, 2, 3, 4, 5]),
        # Sizes and dates.
        ("larger:2k", [5]),
        ("larger:0.002mb smaller:1m", [5]),
        ("smaller:2kb -has:inline", [0, 1, 2, 3, 4]),
        ("after:2026-03-02", [6]),
        ("before:2026-03-01T13:00:01", [0, 1, 2, 3, 4, 5]),
        ("before:2026-03-01T12:00:01Z", [0, 1, 2, 3, 4, 5]),
        ("before:2026-03-01T12:59:59", []),
        ('after:"Mar 2, 2026"', [6]),
        ("-after:1772400000", [0, 1, 2, 3, 4, 5]),
        ("after:yesterdy", [0, 1, 2, 3, 4, 5, 6]),
    ],
)
def test_a_query_finds(found: Callable[[str], list[int]], query: str, numbers: list[int]) -> None:
    assert found(query) == numbers


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        *(("2026-03-01", "2026-02-28T23:00"), ("2026-3-1", "2026-02-28T23:00")),
        *(("2026/03/01", "2026-02-28T23:00"), ("03/01/2026", "2026-02-28T23:00")),
        *(("2026", "2025-12-31T23:00"), ("2026-03", "2026-02-28T23:00")),
        *(("1 March 2026", "2026-02-28T23:00"), ("2026-03-01 08:30", "2026-03-01T07:30")),
        *(("2026-03-01T08:30:00+05:00", "2026-03-01T03:30"), ("1772323200", "2026-03-01T00:00")),
        *(("1772323200000", "2026-03-01T00:00"), ("2026-03-01 08:30 UTC", "2026-03-01T08:30")),
        ("Sun, 1 Mar 2026 08:30:00 -0000", "2026-03-01T07:30"),
        *(("2026-13-01", None), ("0000-01-01", None), ("9999-99-99T99", None), ("", None)),
    ],
)
def test_dates(text: str, moment: str | None) -> None:
    expected = (
        int(datetime.fromisoformat(moment).replace(tzinfo=UTC).timestamp() * 1000)
        if moment
        else None
    )
    assert parse_moment(text, time_zone("Europe/Paris")) == expected


@pytest.mark.parametrize(
    "name", ["None/Such", "../../etc/passwd", "/etc/passwd", "", "a\0b", "Europe"]
)
def test_a_time_zone_that_is_none_is_the_servers(name: str) -> None:
    assert time_zone(name) is None
