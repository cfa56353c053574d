"""Data lines → message → data lines: for any bytes, what is passed on is what came."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.smtpd.messages import MOST_LINES, SPOOL_ABOVE, MessageStore
from filters.smtpd.outgoing import BLOCK, data_lines, in_front, lines_again, sendable
from filters.smtpd.wire import DataLines, Version, longest_payload, parse_line


def stuff(line: bytes) -> bytes:
    return b"." + line if line.startswith(b".") else line


def lines_of(message: bytes) -> list[bytes]:
    """The payloads that go out, without the `.` that ends them."""
    stream = b"".join(data_lines(message, b"P|"))
    *out, end, rest = stream.split(b"\n")
    assert rest == b""
    assert end == b"P|."
    assert all(line.startswith(b"P|") for line in out)
    return [line.removeprefix(b"P|") for line in out]


# What smtpd can put on a line: no LF, no NUL (it ends its strings there).
lines = st.lists(
    st.one_of(
        st.binary(max_size=80).map(lambda b: b.replace(b"\n", b"").replace(b"\0", b"")),
        st.sampled_from([b".", b"..", b".\r", b"\r", b"", b"a\rb", b"\x0b|\x85", b". ", b"-\r"]),
    ),
    max_size=20,
)


@given(lines)
def test_round_trip(payloads: list[bytes]) -> None:
    store = MessageStore()
    message = None
    for payload in [*map(stuff, payloads), b"."]:
        assert message is None
        message = store.add(DataLines((0, 7), "s", "t", [payload]))
    assert message is not None
    raw = message.read()
    assert raw == b"".join(payload + b"\r\n" for payload in payloads)
    assert len(store) == 0
    back, refusal = sendable(raw, (0, 7))
    assert refusal is None
    assert lines_of(back) == ([stuff(payload) for payload in payloads] or [b""])


@given(st.binary(max_size=300).map(lambda b: b.replace(b"\0", b"")))
def test_whatever_a_handler_returns_no_line_ends_the_message_early(message: bytes) -> None:
    back, _ = sendable(message, (0, 7))
    assert b"." not in lines_of(back)


@given(st.lists(st.integers(0, 3 * BLOCK), min_size=1, max_size=4), st.sampled_from(b"x.\r"))
@settings(max_examples=50, deadline=None)
def test_lines_across_blocks(lengths: list[int], fill: int) -> None:
    payloads = [bytes([fill]) * length for length in lengths]
    message = b"".join(payload + b"\r\n" for payload in payloads)
    assert lines_of(message) == [stuff(payload) for payload in payloads]
    longest = max(len(stuff(payload)) for payload in payloads)
    _, refusal = sendable(message, (0, 7))
    assert (refusal is not None) == (longest > longest_payload((0, 7)))


heads = st.lists(
    st.sampled_from([b"A: b", b"\r\n", b"\n", b"\r", b".", b"..", b"\0", b"x" * 2_000]), max_size=6
).map(b"".join)


@given(lines, heads, st.sampled_from([(0, 6), (0, 7)]))
def test_lines_that_have_not_changed_go_back_as_they_came(
    payloads: list[bytes], head: bytes, version: Version
) -> None:
    """The short way of `in_front` and `lines_again` says what the long one says, or nothing."""
    came = [stuff(payload) for payload in payloads] or [b""]
    raw = b"".join(payload + b"\r\n" for payload in payloads) or b"\r\n"
    found = in_front(head + raw, raw, version)
    if found is None:
        assert not head.endswith(b"\r\n") or set(head) & set(b"\0\n") or len(head) > 1_900
    else:
        message, refusal = sendable(head + raw, version)
        assert refusal is None
        assert lines_again(found, came, b"P|") == b"".join(data_lines(message, b"P|"))


def test_a_nul_goes_the_long_way() -> None:
    assert in_front(b"A: \0\r\nline\r\n", b"line\r\n", (0, 7)) is None
    assert in_front(b"A: b\r\nl\0ne\r\n", b"l\0ne\r\n", (0, 7)) is None


@pytest.mark.parametrize("changed", [b"x", b"\r\n", b"head\nx\r\n", b"line\r\nx"])
def test_what_has_changed_behind_its_head_goes_the_long_way(changed: bytes) -> None:
    assert in_front(changed, b"line\r\n", (0, 7)) is None


def test_a_line_too_long_goes_the_long_way() -> None:
    long = b"x" * (longest_payload((0, 7)) + 1) + b"\r\n"
    assert in_front(b"A: b\r\n" + long, long, (0, 7)) is None
    assert in_front(b"A: b\r\n" + long[1:], long[1:], (0, 7)) == b"A: b\r\n"


@pytest.mark.parametrize("number", [MOST_LINES - 1, MOST_LINES, MOST_LINES + 1, 3 * MOST_LINES])
def test_only_so_many_lines_are_kept_apart(number: int) -> None:
    store = MessageStore()
    payloads = [b"..x", b"", b"y"] * (number // 3) + [b"z"] * (number % 3)
    for payload in payloads:
        store.add(DataLines((0, 7), "s", "t", [payload]))
    message = store.add(DataLines((0, 7), "s", "t", [b"."]))
    assert message is not None
    assert (message.lines == payloads) if number <= MOST_LINES else (message.lines is None)
    assert message.read() == b"".join(payload.removeprefix(b".") + b"\r\n" for payload in payloads)


def test_what_is_large_goes_to_disk_and_comes_back_byte_for_byte(tmp_path: Path) -> None:
    store = MessageStore(tmp_path)
    payloads = [bytes([number % 251 + 1]).replace(b"\n", b"x") * 997 for number in range(2000)]
    for payload in payloads:
        assert store.add(DataLines((0, 7), "s", "t", [stuff(payload)])) is None
    collecting = store._collecting["s"]["t"]
    assert len(collecting._tail) <= SPOOL_ABOVE
    message = store.add(DataLines((0, 7), "s", "t", [b"."]))
    assert message is not None
    assert message.is_large
    expected = b"".join(payload + b"\r\n" for payload in payloads)
    assert message.size == len(expected)
    assert message.read() == expected
    assert list(tmp_path.iterdir()) == []  # nobody can find it by a name
    message.close()


def test_a_disk_that_fails_is_told_and_the_rest_is_read(tmp_path: Path) -> None:
    store = MessageStore(tmp_path / "is-not-there")
    for _ in range(3000):
        store.add(DataLines((0, 7), "s", "t", [b"x" * 500]))
    message = store.add(DataLines((0, 7), "s", "t", [b"."]))
    assert message is not None
    assert not message.is_large
    assert len(message._tail) <= SPOOL_ABOVE
    with pytest.raises(OSError):
        message.read()


@given(st.binary(max_size=200))
def test_a_line_from_smtpd_is_parsed_or_refused_and_nothing_else(line: bytes) -> None:
    for prefix in (b"", b"filter|0.7|1|smtp-in|", b"report|0.6|1|smtp-in|", b"config|"):
        told = ""
        try:
            parse_line(prefix + line.replace(b"\n", b""))
        except ValueError as error:
            told = str(error)
        assert told.isascii()
        assert "\n" not in told
