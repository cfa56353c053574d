"""Which run a message is of."""

import pytest

from filters.capture.runs import candidates, run_field, run_of, sub_address


@pytest.mark.parametrize(
    ("field", "recipients", "expected"),
    [
        ("Run-7", ["bob+w1@b.example"], "run-7"),
        ("", ["bob+W1@b.example"], "w1"),
        ("", ["ann@a.example", "bob+w1@b.example"], "w1"),
        ("", ["bob@B.example"], "b.example"),
        ("", ["bob+@b.example"], "b.example"),
        ("", ["bob+a+b@b.example"], "a+b"),
        ("", ["postmaster"], ""),
        ("", ['"x y+a b"@b.example'], "b.example"),
        ("", [], ""),
        ("not one", ["bob+w1@b.example"], "w1"),
        ("x" * 256, ["bob+w1@b.example"], "w1"),
        ("a\0b", ["bob@b.example"], "b.example"),
    ],
)
def test_the_field_before_a_sub_address_before_the_domain(
    field: str, recipients: list[str], expected: str
) -> None:
    assert run_of(field, recipients, "+") == expected


def test_every_candidate_once_and_the_likeliest_first() -> None:
    recipients = ["bob+w1@b.example", "ann@a.example", "eve+W1@b.example"]
    assert candidates("r", recipients, "+") == ["r", "w1", "b.example", "a.example"]


def test_another_delimiter_or_none() -> None:
    assert sub_address("bob-w1+x@b.example", "-") == "w1+x"
    assert sub_address("bob+w1@b.example", "") == ""


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"X-Test-Run: W1\r\nSubject: x\r\n\r\n", "w1"),
        (b"Subject: x\r\nx-TEST-run:w1 \r\nX-Test-Run: w2\r\n\r\n", "w1"),
        (b"Subject: x\r\n\r\nX-Test-Run: w1\r\n", ""),
        (b"Subject: x\r\n X-Test-Run: w1\r\n\r\n", ""),
        (b"Subject: x\rX-Test-Run: w1\r\n\r\n", ""),
        (b"X-Test-Run: \xff\r\n\r\n", ""),
        (b"X-Test-Run: " + b"a" * 1_000_000 + b"\r\n\r\n", ""),
        (b"X-Test-Run: a\0b\r\n\r\n", ""),
        (b"X-Test-Run:\r\n\r\n", ""),
        (b"X-Test-Run: w1", "w1"),
        (b"X-Test-Run:\r\n W1\r\n\r\n", "w1"),
        (b"X-Test-Run: \r\n\t\r\n w1 \r\nSubject: x\r\n\r\n", "w1"),
        (b"X-Test-Run: a\r\n b\r\n\r\n", ""),
        (b"X-Test-Run: a\r\n", "a"),
        (b"X-Test-Run: a\rb\r\n\r\n", ""),
        (b"X-Test-Run: a\nb\r\n\r\n", ""),
        (b"X-Test-Run: a\x85\r\n\r\n", ""),
        (b"X-Test-Run: a\x0b\r\n\r\n", ""),
        (b"X-Test-Run: \xe2\x84\xaa\r\n\r\n", ""),
        (b"X-Test-Run: \xc2\xa0w1\r\n\r\n", ""),
        (b"X-Test-Run: " + b"a" * 255 + b"\r\n\r\n", "a" * 255),
        (b"X-Test-Run: " + b"a" * 256 + b"\r\n\r\n", ""),
        (b"\r\nX-Test-Run: w1\r\n\r\n", ""),
        (b"", ""),
    ],
)
def test_the_field_of_the_header_alone(message: bytes, expected: str) -> None:
    assert run_field(message) == expected
