"""Addresses without a domain are completed as smtpd would do it after the filter."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters import bare_addresses
from filters.bare_addresses import add_domains
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
    (b" alice (@x)", b" alice@h (@x)"),
    (b" alice\\@x", b" alice\\@x"),
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
    assert add_domains(Message(message), "h").raw == expected


def test_other_fields_and_the_body_are_left_alone() -> None:
    message = b"Reply-To: alice\r\nBcc: bob\r\nSubject: alice\r\n\r\nTo: alice\r\n"
    assert add_domains(Message(message), "h").raw == message


def test_what_nobody_writes_is_not_walked_through() -> None:
    many = b"To: " + b"alice," * 60_000 + b"\r\n"
    message = many + b"Cc: bob\r\n\r\n"
    assert add_domains(Message(message), "h").raw == many + b"Cc: bob@h\r\n\r\n"
    several = (b"To: " + b"alice," * 20_000 + b"x\r\n") * 4 + b"\r\n"
    assert add_domains(Message(several), "h").raw.count(b"@h") == 2 * 20_001


@given(
    st.lists(
        st.sampled_from([b"a", b"@", b":", b",", b'"', b"(", b")", b"<", b">", b"\\", b" ", b";"])
    ).map(lambda pieces: b"".join(pieces) + b"\r\n")
)
def test_what_is_plain_to_see_is_what_the_walk_finds(value: bytes) -> None:
    parts = bare_addresses._split(value)
    completed = b",".join(bare_addresses._add_domain(part, b"@h") for part in parts)
    if bare_addresses._none_lacks_it(value):
        assert completed == value
    message = Message(b"From:" + value + b"\r\n")
    assert add_domains(message, "h").raw == b"From:" + completed + b"\r\n"
