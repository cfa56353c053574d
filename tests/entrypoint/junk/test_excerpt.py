"""What of a message its words are taken from."""

from __future__ import annotations

import base64
import random
import time

import pytest

from entrypoint.junk.excerpt import excerpt

PICTURE = base64.encodebytes(random.Random(1).randbytes(75_000))


def mixed(*parts: bytes, boundary: bytes = b"=_b") -> bytes:
    """A multipart message."""
    head = b'From: a@example.net\nContent-Type: multipart/mixed;\n boundary="' + boundary + b'"\n\n'
    return (
        head
        + b"".join(b"--" + boundary + b"\n" + part for part in parts)
        + (b"--" + boundary + b"--\nepilogue\n")
    )


def test_a_picture_in_front_hides_no_text() -> None:
    picture = b'Content-Type: image/png; name="cat.png"\nContent-Transfer-Encoding: base64\n\n'
    got = excerpt(mixed(picture + PICTURE, b"Content-Type: text/plain\n\nCheap watches\n"))
    assert b"Cheap watches" in got
    assert b'name="cat.png"' in got
    assert PICTURE[:70] not in got
    assert b"epilogue" not in got
    assert len(got) < 1000


def test_a_long_part_hides_no_other() -> None:
    css = b"Content-Type: text/html\n\n" + b"<style>a {color: red}</style>\n" * 1500
    got = excerpt(mixed(css, b"Content-Type: text/plain\n\nCheap watches\n"))
    assert b"Cheap watches" in got
    assert len(got) < 64 * 1024


def test_many_short_lines_hide_no_other_part_and_empty_ones_nothing() -> None:
    page = b"Content-Type: text/html\n\n" + b"a<b\n" * 7_000
    blank = b"Content-Type: text/plain\n\n" + b"\n \t\n" * 8_000 + b"Cheap watches\n"
    got = excerpt(mixed(page, blank))
    assert b"Cheap watches" in got
    assert 1_000 <= got.count(b"\n") < 1_020
    assert excerpt(mixed(*[page] * 5)).count(b"\n") < 2_010


def test_a_message_in_a_message_is_read() -> None:
    inner = mixed(
        b"Content-Type: image/gif\n\n" + PICTURE[:7_700], b"\nCheap watches\n", boundary=b"inner"
    )
    outer = mixed(b"Content-Type: message/rfc822\n\n" + inner, b"\nRegards\n")
    got = excerpt(outer)
    assert b"Cheap watches" in got
    assert b"Regards" in got
    assert PICTURE[:70] not in got


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        (b':\n multipart/mixed; boundary="b"', 75_000),
        (b': multipart/mixed; boundary="\\b"', 75_000),
        (b": multipart/mixed; boundary*0=b; boundary*1=", 7_000),
        (b": multipart/mixed", 7_000),
    ],
)
def test_a_boundary_that_is_written_otherwise_hides_no_text(parameters: bytes, size: int) -> None:
    picture = b"--b\nContent-Type: image/png\n\n" + PICTURE[:size]
    text = b"\n--b\n\nCheap watches\n--b--\n"
    assert b"Cheap watches" in excerpt(b"Content-Type" + parameters + b"\n\n" + picture + text)


@pytest.mark.parametrize("line", [b"From a@example.net Mon Jan  1 00:00:00 2024", b"#! rnews 99"])
def test_a_mailbox_is_one_message(line: bytes) -> None:
    """To bogofilter it is several, and a lesson would count for as many."""
    message = line + b"\nSubject: x\n\nCheap\n\n" + line + b"\nSubject: y\n\nwatches\n"
    got = excerpt(b"X-Spam: no\n" + message)
    assert got.startswith(b"Subject: x\n\nCheap\n\n")
    assert b"watches" in got
    assert excerpt(line + b"\n" + message) == got


def test_what_others_wrote_into_the_header_is_left_out() -> None:
    got = excerpt(
        b"X-Signpost-Junk: yes score=9.9\n threshold=5.0\nSubject: a\n b\nx-spam-status: Yes,\n"
        b"\tscore=9\nDKIM-Signature: b=abcdef\nTo: c@example.org\n\nSubject: body\n"
    )
    assert got == b"Subject: a\n b\nTo: c@example.org\n\nSubject: body\n\n"


def test_line_ends_make_no_difference() -> None:
    message = mixed(b"Content-Type: text/plain\n\nCheap\n", b"Content-Type: image/png\n\nAAAA\n")
    assert excerpt(message.replace(b"\n", b"\r\n")) == excerpt(message)


def test_what_follows_the_first_128_kb_is_not_looked_at() -> None:
    message = b"Subject: x\n\n" + b"word of mine\n" * 20_000
    assert excerpt(message) == excerpt(message[: 128 * 1024])


def test_of_a_long_line_the_beginning_is_read() -> None:
    got = excerpt(b"Subject: " + b"word " * 9000 + b"\nTo: a@example.org\n\n" + b"text " * 90_000)
    header, _, body = got.partition(b"\n\n")
    assert header.count(b"word") > 300
    assert b"To: a@example.org" in header
    assert 6000 < body.count(b"text") < 7000


HOSTILE = {
    "random words": b"Subject: x\n\n" + b"".join(b"%x\n" % n for n in range(1_600_000)),
    "one line": b"Subject: x\n\n" + b"a" * 10_000_000,
    "no end of the header": b"".join(b"X-%d: word\n" % n for n in range(900_000)),
    "one long field": b"Subject: " + b"word\n " * 2_000_000,
    "parts": mixed(*[b"\nx\n"] * 30_000),
    "nested": b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(50_000)
    ),
    "messages": b"Content-Type: message/rfc822\n\n" * 90_000,
    "empty lines": b"\n" * 10_000_000,
    "a name without a colon": b"Subject: x\nX-Spam" + b" " * 100_000 + b"\n\n",
    "boundaries": b"Content-Type: multipart/x;" + b" boundary=" * 10_000 + b"\n\n",
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_it_is_bounded_and_quick(message: bytes) -> None:
    begin = time.process_time()
    got = excerpt(message)
    assert time.process_time() - begin < 0.5  # some milliseconds
    assert len(got) <= 64 * 1024 + 1
