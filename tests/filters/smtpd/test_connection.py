"""Connection: how lines arrive changes nothing in what is read from them."""

from hypothesis import given
from hypothesis import strategies as st

from filters.smtpd.connection import Connection
from filters.smtpd.wire import DataLines, Line

# A line of a message, what continues it, and what only looks so.
HEADS = [
    b"filter|0.7|1.1|smtp-in|data-line|s|t|",
    b"filter|0.7|2.2|smtp-in|data-line|s|t|",
    b"filter|0.7|10.10|smtp-in|data-line|s|t|",
    b"filter|0.7||smtp-in|data-line|s|t|",
    b"filter|0.7|1|1|smtp-in|data-line|s|t|",
    b"filter|0.6|1.1|smtp-in|data-line|s|t|",
    b"filter|0.7|1.1|smtp-in|data-line|s|u|",
    b"filter|0.7|1.1|smtp-in|data-line|r|t|",
    b"filter|0.7|1.1|smtp-in|commit|s|t|",
    b"report|0.7|1.1|smtp-in|data-line|s|t|",
    b"report|0.7|1.1|smtp-in|link-connect|s|",
    b"report|0.7|1.1|smtp-in|link-disconnect|s|",
    b"filter|0.7|1.1|smtp-in|data-line|s|t",
]
TAILS = [b"", b".", b"..", b"x", b"\r", b"a|b", b"|smtp-in|data-line|s|t|x"]


def apart(lines: list[Line]) -> list[Line]:
    """The same with every data line for itself."""
    return [
        part
        for line in lines
        for part in (
            [DataLines(line.version, line.session, line.token, [one]) for one in line.payloads]
            if isinstance(line, DataLines)
            else [line]
        )
    ]


@given(st.lists(st.builds(bytes.__add__, st.sampled_from(HEADS), st.sampled_from(TAILS))))
def test_lines_that_come_together_are_those_that_come_one_by_one(lines: list[bytes]) -> None:
    together, single = Connection(), Connection()
    whole = list(together.receive_data(b"".join(line + b"\n" for line in lines)))
    one_by_one = [event for line in lines for event in single.receive_data(line + b"\n")]
    assert apart(whole) == one_by_one
    assert [str(error) for error in together.malformed] == [str(e) for e in single.malformed]
    assert together.open_requests == single.open_requests


def test_lines_of_one_message_come_together_up_to_its_end() -> None:
    payloads = [b"a", b"b", b".", b"c", b"."]
    lines = [b"filter|0.7|%d.1|smtp-in|data-line|s|t|" % n + p for n, p in enumerate(payloads)]
    found = list(Connection().receive_data(b"".join(line + b"\n" for line in lines)))
    assert [event.payloads for event in found if isinstance(event, DataLines)] == [
        [b"a", b"b", b"."],
        [b"c", b"."],
    ]
