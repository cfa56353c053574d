"""Addresses without a domain are completed as smtpd would do it after the filter."""

import pytest

from filters.bare_addresses import complete
from filters.mailauth.message import Message

CASES = [
    # written, completed with @h
    (b" alice", b" alice@h"),
    (b" alice@example.org", b" alice@example.org"),
    (b" alice, bob@x , carol", b" alice@h, bob@x , carol@h"),
    (b" Alice <alice>", b" Alice <alice@h>"),
    (b" Alice < alice >", b" Alice < alice@h >"),
    (b" <>", b" <>"),
    (b' "a@b" <alice>', b' "a@b" <alice@h>'),
    (b' "a, b" <alice>', b' "a, b" <alice@h>'),
    (b" alice (at home, @x)", b" alice@h (at home, @x)"),
    (b" friends: alice, bob;", b" friends: alice, bob;@h"),
    (b' "unclosed <alice>', b' "unclosed <alice>'),
    (b" Alice <alice", b" Alice <alice"),
    (b"", b""),
    (b"  ", b"  "),
    (b" alice,\r\n\tbob", b" alice@h,\r\n\tbob@h"),
    (b" \xc3\xa9ric", b" \xc3\xa9ric@h"),
]


@pytest.mark.parametrize(("written", "completed"), CASES)
@pytest.mark.parametrize("name", [b"From", b"to", b"CC"])
def test_completion(name: bytes, written: bytes, completed: bytes) -> None:
    message = b"Subject: x\r\n" + name + b":" + written + b"\r\n\r\nFrom: alice\r\n"
    expected = b"Subject: x\r\n" + name + b":" + completed + b"\r\n\r\nFrom: alice\r\n"
    assert complete(Message(message), "h").raw == expected


def test_other_fields_and_the_body_are_left_alone() -> None:
    message = b"Reply-To: alice\r\nBcc: bob\r\nSubject: alice\r\n\r\nTo: alice\r\n"
    assert complete(Message(message), "h").raw == message
