"""What a sender makes of a policy (RFC 8461 §3.2, §4.1): ours, others', and what is none."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.web.mta_sts import Mode, Policy, covers, parse_policy, policy

# §3.2's example.
EXAMPLE = (
    b"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
    b"mx: backupmx.example.com\nmax_age: 604800\n"
)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_ours_is_one(mode: Mode) -> None:
    found = parse_policy(policy(mode, "mail.example.org").encode())
    assert found is not None
    assert (found.mode, found.mx) == (mode, ("mail.example.org",))


def test_the_example_of_the_rfc() -> None:
    assert parse_policy(EXAMPLE) == Policy(
        "enforce", ("mail.example.com", "*.example.net", "backupmx.example.com"), 604_800
    )


@pytest.mark.parametrize(
    "text",
    [
        b"version:STSv1\r\nmode:none\r\nmax_age:1\r\n",
        b"max_age: 1\nmode: none\nversion: STSv1",
        b"version: STSv1\nmode: none\nmax_age: 1\nnew_key: what\nmode: enforce\n\n",
    ],
)
def test_what_is_one_all_the_same(text: bytes) -> None:
    assert parse_policy(text) == Policy("none", (), 1)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        EXAMPLE.replace(b"STSv1", b"STSv2"),
        EXAMPLE.replace(b"version: STSv1\n", b""),
        EXAMPLE.replace(b"enforce", b"report"),
        EXAMPLE.replace(b"604800", b"-1"),
        EXAMPLE.replace(b"604800", b"12345678901"),
        EXAMPLE.replace(b"max_age: 604800\n", b""),
        EXAMPLE + b"<html>\n",
        b"version: STSv1\nmode: testing\nmax_age: 1\n",  # an mx is missing
    ],
)
def test_what_is_none(text: bytes) -> None:
    assert parse_policy(text) is None


@given(st.binary() | st.text(st.sampled_from("version:STSv1mode\nax_g 0\r\x85")).map(str.encode))
def test_nothing_that_a_server_says_is_an_error(text: bytes) -> None:
    parse_policy(text)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("mail.example.com", True),
        ("MAIL.example.com.", True),
        ("a.example.net", True),
        ("example.net", False),
        ("a.b.example.net", False),
        ("mail.example.com.evil.test", False),
        ("", False),
    ],
)
def test_which_hosts_it_has(host: str, expected: bool) -> None:
    found = parse_policy(EXAMPLE)
    assert found is not None
    assert covers(found, host) is expected
