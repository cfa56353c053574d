"""Data lines → message → data lines: for any bytes, what is passed on is what came."""

from hypothesis import given
from hypothesis import strategies as st

from filters.smtpd.messages import MessageStore, to_lines
from filters.smtpd.wire import DataLine, parse_line, stuff

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
        message = store.add(DataLine((0, 7), "s", "t", payload))
    assert message is not None
    assert message == b"".join(payload + b"\r\n" for payload in payloads)
    assert len(store) == 0
    back, refusal = to_lines(message, (0, 7))
    assert refusal is None
    assert back == [stuff(payload) for payload in payloads] or (not payloads and back == [b""])
    assert b"." not in back


@given(st.binary(max_size=300).map(lambda b: b.replace(b"\0", b"")))
def test_whatever_a_handler_returns_no_line_ends_the_message_early(message: bytes) -> None:
    back, _ = to_lines(message, (0, 7))
    for line in back:
        assert b"\n" not in line
        assert line != b"."


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
