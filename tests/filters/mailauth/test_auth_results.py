"""Authentication-Results written, read back, and forged ones found (RFC 8601)."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from filters.mailauth.auth_results import (
    MethodResult,
    ParsedAuthResults,
    forged,
    format_arc_field,
    format_field,
    parse_arc_field,
    parse_field,
)
from filters.mailauth.message import Message

ID = "mx.example.net"


def test_none_where_nothing_was_done() -> None:
    assert format_field(ID, []) == b"Authentication-Results: mx.example.net; none\r\n"


def test_values_are_quoted_where_they_are_no_token() -> None:
    result = MethodResult(
        "dkim",
        "pass",
        'say "x"',
        "a (comment)",
        (("header.d", "example.org"), ("header.i", "@example.org"), ("header.b", "a/b+c=")),
    )
    assert format_field(ID, [result]) == (
        b"Authentication-Results: mx.example.net;\r\n"
        b'\tdkim=pass (a \\(comment\\)) reason="say \\"x\\"" header.d=example.org\r\n'
        b'\theader.i=@example.org header.b="a/b+c="\r\n'
    )


texts = st.text(
    st.characters(codec="utf-8") | st.sampled_from('\r\n\0"\\();=@ \t\x7f'), max_size=60
)


@given(texts, texts, st.lists(texts, max_size=3))
def test_hostile_values_stay_values(reason: str, comment: str, values: list[str]) -> None:
    written = MethodResult(
        "spf", "fail", reason or None, comment, tuple(("smtp.mailfrom", v) for v in values)
    )
    field = format_field(ID, [written, MethodResult("dkim", "none")])
    assert re.fullmatch(rb"(?:[\x20-\x7e\t]{1,998}\r\n)+", field)
    assert all(line.startswith(b"\t") for line in field.split(b"\r\n")[1:-1])
    parsed = parse_field(field.partition(b":")[2])
    assert parsed is not None
    assert parsed.authserv_id == ID
    first, second = parsed.results

    def safe(text: str) -> str:
        return re.sub(r"[^\x20-\x7e]", "?", text)

    assert first.properties == tuple(("smtp.mailfrom", safe(value)) for value in values)
    assert (first.method, first.result, first.comment) == ("spf", "fail", safe(comment))
    assert (first.reason or "") == safe(reason)
    assert second == MethodResult("dkim", "none")


def test_only_words_of_the_standard_are_written() -> None:
    for bad in (
        MethodResult("spf; dkim", "pass"),
        MethodResult("spf", ""),
        MethodResult("spf", "pass", properties=(("smtp.a=b c", "x"),)),
        MethodResult("sp\xe4f", "pass"),
        MethodResult("x" * 101, "pass"),
    ):
        with pytest.raises(ValueError, match="keyword"):
            format_field(ID, [bad])
    with pytest.raises(ValueError, match="ptype"):
        format_field(ID, [MethodResult("spf", "pass", properties=(("mailfrom", "x"),))])


# What the grammar is made of, so that much of what is drawn can be read.
elements = st.sampled_from(
    [*'aZ0_.-=/;()\\"@+?,:<>[] \t', "\r\n ", "\x7f", "\xe4", "reason=", "none", "x.y=", "spf=pass"]
)
readable = st.lists(elements, max_size=25).map("".join)


@given(readable, st.lists(readable, min_size=1, max_size=3))
@example("a@b.example", ['reason=""'])
@example("a_b", ["x_y.z_=1 .=2", "x=y_"])
def test_whatever_was_read_can_be_written_and_read_again(front: str, results: list[str]) -> None:
    for authserv_id in ("a.example", front, '"' + front + '"'):
        value = ";".join([authserv_id, *(f" spf=pass {result}" for result in results)])
        read = parse_field(value.encode("utf-8"))
        if read is not None:
            again = parse_field(format_field(read.authserv_id, read.results).partition(b":")[2])
            assert again == as_written(read)
            arc = format_arc_field(7, read.authserv_id, read.results)
            assert parse_arc_field(arc.partition(b":")[2]) == (7, as_written(read))


def as_written(read: ParsedAuthResults) -> ParsedAuthResults:
    """What was read, without its version, and each character that is not written as ?."""

    def safe(text: str) -> str:
        return re.sub(r"[^\x20-\x7e]", "?", text)

    return ParsedAuthResults(
        safe(read.authserv_id),
        None,
        tuple(
            MethodResult(
                result.method,
                result.result,
                None if result.reason is None else safe(result.reason),
                safe(result.comment),
                tuple((name, safe(value)) for name, value in result.properties),
            )
            for result in read.results
        ),
    )


def test_the_field_of_an_arc_set() -> None:
    result = MethodResult("arc", "pass", None, "", (("smtp.remote-ip", "2001:db8::1"),))
    assert format_arc_field(2, ID, [result]) == (
        b"ARC-Authentication-Results: i=2; mx.example.net;\r\n"
        b'\tarc=pass smtp.remote-ip="2001:db8::1"\r\n'
    )


READ = [
    (b" example.com 1; none", "example.com", 1, []),
    (b" example.com; none", "example.com", None, []),
    (b' (a (b)) "example.com" (c); spf=pass', "example.com", None, ["spf=pass"]),
    (
        b" mx.google.com;\r\n dkim=pass header.i=@d header.s=s header.b=a/b+c=;\r\n"
        b" spf=pass (google.com: domain of x@d) smtp.mailfrom=x@d;\r\n"
        b" dmarc=pass (p=NONE sp=NONE dis=NONE) header.from=d",
        "mx.google.com",
        None,
        ["dkim=pass", "spf=pass", "dmarc=pass"],
    ),
    (b' a.example; dkim/1 = fail reason="x;y" header.d=b (c) ;', "a.example", None, ["dkim=fail"]),
    (b" a.example; DKIM=Pass", "a.example", None, ["dkim=pass"]),
    (b" a.example; dmarc=fail action=none header.from=b", "a.example", None, ["dmarc=fail"]),
]


@pytest.mark.parametrize(("value", "authserv_id", "version", "results"), READ)
def test_what_others_write_is_read(
    value: bytes, authserv_id: str, version: int | None, results: list[str]
) -> None:
    parsed = parse_field(value)
    assert parsed is not None
    assert (parsed.authserv_id, parsed.version) == (authserv_id, version)
    assert [f"{r.method}={r.result}" for r in parsed.results] == results


UNREADABLE = [
    b"",
    b" ",
    b" example.com",
    b" example.com;",
    b" spf=pass smtp.mailfrom=x; dkim=pass",
    b" example.com; spf",
    b" example.com; spf=pass (unclosed",
    b' example.com; spf=pass reason="unclosed',
    b" example.com; spf=pass\0",
    b" example.com; spf=pass\r; dkim=pass",
    b" example.com; spf=pass\n",
    b" example.com; \xff=pass",
    b" example.com x; none",
    b" example.com; none; spf=pass",
]


@pytest.mark.parametrize("value", UNREADABLE)
def test_what_cannot_be_read_is_none_and_goes(value: bytes) -> None:
    assert parse_field(value) is None
    message = Message(b"Authentication-Results:" + value + b"\r\n\r\n")
    assert forged(message, ID) == message.fields


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.example.net; spf=pass",
        b"authentication-results : MX.EXAMPLE.NET 1; spf=pass",
        b'Authentication-Results: (other.example) "mx.example\\.net"; spf=pass',
        b"Authentication-Results: mx.example.net.; none",
        b"Authentication-Results\r\n : mx.example.net; none",
        b"Received-SPF: pass (x) receiver=MX.example.net; client-ip=192.0.2.1",
        b"Received-SPF: Pass (mx.example.net: domain of a@b designates 192.0.2.1)",
        b"Received-SPF: passed",
        b"Received-SPF: \0pass",
    ],
)
def test_what_only_we_may_write_is_forged(field: bytes) -> None:
    message = Message(b"A: 1\r\n" + field + b"\r\nB: 2\r\n\r\n")
    assert [found.raw for found in forged(message, ID)] == [field + b"\r\n"]


@pytest.mark.parametrize("ours", ["mx.gross.example", "mx.xn--gro-7ka.example"])
@pytest.mark.parametrize("written", ["mx.groß.example", "MX\uff0eGROẞ.example."])
def test_a_name_that_may_be_ours_is_forged(ours: str, written: str) -> None:
    """Whoever reads the message may know another version of IDNA than we do."""
    for field in (f"Authentication-Results: {written}; none", f"Received-SPF: pass ({written}: x)"):
        message = Message(f"{field}\r\n\r\n".encode())
        assert len(forged(message, ours)) == 1
        assert forged(message, "mx.grob.example") == ()


def test_received_spf_with_many_names_in_u_labels_is_none() -> None:
    for words, count in ((16, 0), (17, 1)):
        field = "Received-SPF: pass (" + " ".join(["ü.example"] * words) + ")\r\n\r\n"
        assert len(forged(Message(field.encode()), ID)) == count


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: example.net; spf=pass",
        b"Authentication-Results: other.example (mx.example.net); spf=pass",
        b"ARC-Authentication-Results: i=1; mx.example.net; spf=pass",
        b"X-Authentication-Results: mx.example.net; spf=pass",
        b"Received-SPF: pass (other.example: fine) receiver=other.example",
    ],
)
def test_what_others_wrote_stays(field: bytes) -> None:
    assert forged(Message(field + b"\r\n\r\n"), ID) == ()


@given(st.binary(max_size=80))
def test_reading_raises_nothing(value: bytes) -> None:
    parse_field(value)
    parse_field(b" a.example; spf=pass " + value)
