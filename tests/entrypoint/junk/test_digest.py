"""A message is known again, whoever has written on top of it, and another one is another."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.junk.digest import READ, digest, header_field, without_own_fields

MESSAGE = (
    b"Received: from a\n by b\nFrom: a@example.net\nSubject: one\n two\n\nBody\n\n X-Mozilla: no\n"
)


@pytest.mark.parametrize(
    "field",
    [
        b"Return-Path: <a@example.net>\n",
        b"X-Signpost-Delivered: 1\n 2\n\t3\n",
        b"x-signpost-junk : yes\n",
        b"Delivered-To: alice@example.org\nX-Original-To: info@example.org\n",
        b"X-Mozilla-Status: 0001\nX-Mozilla-Status2: 00000000\nX-Mozilla-Keys:   \n",
        b"Status: RO\nX-Status: A\nX-Keywords: a\n b\nX-UID: 7\n",
    ],
)
def test_what_is_added_does_not_count(field: bytes) -> None:
    for added in (field, field.replace(b"\n", b"\r\n")):
        assert digest(added + MESSAGE) == digest(MESSAGE)
    lines = MESSAGE.splitlines(keepends=True)
    assert digest(b"".join((*lines[:2], field, *lines[2:]))) == digest(MESSAGE)


def test_line_ends_do_not_count() -> None:
    assert digest(MESSAGE.replace(b"\n", b"\r\n")) == digest(MESSAGE)
    assert digest(MESSAGE + b"\n") == digest(MESSAGE.rstrip(b"\n")) == digest(MESSAGE)


@pytest.mark.parametrize(
    "other",
    [
        MESSAGE.replace(b"two", b"three"),
        MESSAGE.replace(b"from a", b"from c"),
        MESSAGE.replace(b"X-Mozilla: no", b"X-Mozilla: yes"),
        MESSAGE.replace(b"\n\nBody", b"\nBody"),
        MESSAGE + b"Status: RO\n",
        b"X-Spam: yes\n" + MESSAGE,
        b"Statuses: RO\n" + MESSAGE,
    ],
)
def test_all_else_counts(other: bytes) -> None:
    assert digest(other) != digest(MESSAGE)


def test_a_large_message_is_known_by_what_is_read_of_it() -> None:
    large = MESSAGE + b"line of base64\n" * 200_000
    crlf = b"X-Mozilla-Keys: \r\n" * 9 + large.replace(b"\n", b"\r\n")
    assert digest(crlf[:READ]) == digest(large[:READ]) == digest(large)
    assert digest(large.replace(b"one", b"other")) != digest(large)


def test_a_row_of_crs_is_read_in_time() -> None:
    """The program that reads it answers for all accounts meanwhile, or does not."""
    begin = time.process_time()
    assert digest(MESSAGE + b"\r" * 1_000_000 + b"x") != digest(MESSAGE)
    assert time.process_time() - begin < 0.5  # some milliseconds


@given(st.binary(max_size=400) | st.text("ab:\n \r\tXS-", max_size=200).map(str.encode))
def test_any_bytes_have_a_digest_that_own_fields_do_not_change(message: bytes) -> None:
    whole = without_own_fields(message)
    assert without_own_fields(whole) == whole
    assert digest(whole) == digest(message)
    header_field(message, b"X")
    if not message.startswith((b" ", b"\t", b"\r")):
        assert digest(b"X-Signpost-Junk: no\n" + message) == digest(message)


def test_the_topmost_field_is_read() -> None:
    text = b"A: 1\nX-Signpost-Junk: yes\n score=7\nX-Signpost-Junk: no\n\nX-Spam: yes\n"
    assert header_field(text, b"x-signpost-junk") == b"yes score=7"
    assert header_field(text.replace(b"\n", b"\r\n"), b"X-Signpost-Junk") == b"yes score=7"
    assert header_field(text, b"X-Spam") is None
    assert header_field(b"", b"X-Spam") is None
