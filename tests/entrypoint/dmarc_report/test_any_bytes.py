"""`signpost dmarc-report`: whatever bytes come."""

from __future__ import annotations

import gzip

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.dmarc_report.error import ReportError
from entrypoint.dmarc_report.feedback import read_report

from .reports import GOOGLE, MAIL, MBOX, RFC9990, YAHOO, failure, run, zipped

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
WHOLE = st.sampled_from(
    [
        *(GOOGLE, RFC9990, YAHOO, MAIL, gzip.compress(YAHOO, mtime=0), zipped(("a.xml", YAHOO))),
        *(MBOX + failure(), failure(original=b"text/rfc822-headers")),
    ]
)
TAGS = ("feedback", "record", "row", "count", "source_ip", "report_metadata", "dkim", "domain")
WORDS = st.sampled_from(
    [
        *(f"<{tag}>".encode() for tag in TAGS),
        *(f"</{tag}>".encode() for tag in TAGS),
        *(b"<count>-1</count>", b"<!--", b"-->", b"<![CDATA[", b"]]>", b"&#0;", b"&lt;", b"\0"),
        *(b"<?xml version='1.0' encoding='", b"utf-16", b"idna", b"rot13", b"'?>", b"<x:a xmlns:"),
        *(b"\xff\xfe", b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"\x1f\x8b\x08", b"1", b"\n"),
        *(b"From: a\n", b"Content-Type: multipart/mixed; boundary=b\n", b"\n\n--b", b"--b--"),
        *(b"\n\nFrom x\n", b"(", b'"', b" \n", b"Feedback-Type: auth-failure\n", b"=?utf-8?b?"),
        *(b"Content-Type: message/feedback-report\n", b"Arrival-Date: ", b"&", b"<a@b>", b"\x1b"),
        *(b"Content-Transfer-Encoding: base64\n", b"Content-Type: text/xml; name*0*=a'b'%\n", b"="),
    ]
)
PIECES = st.lists(WORDS | st.binary(max_size=4), max_size=25).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file in which some bytes are others, more or fewer."""
    raw = bytearray(draw(WHOLE))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 3))] = draw(WORDS | st.binary(max_size=3))
    return bytes(raw)


@unhurried
@given(st.binary() | PIECES | damaged())
def test_no_bytes_do_anything_but_be_read_or_refused(raw: bytes) -> None:
    # Exceptions other than the report error come through here.
    done = run("-", "--html", stdin=raw)
    assert done.exit_code == (2 if done.stderr else 0)
    assert all(char.isprintable() or char == "\n" for char in done.stdout + done.stderr)


@unhurried
@given(st.binary() | PIECES | damaged())
def test_no_bytes_raise_anything_but_the_report_error(raw: bytes) -> None:
    try:
        report = read_report(raw)
    except ReportError:
        pass  # its words are tested above
    else:
        assert report.records
        assert all(record.count >= 0 for record in report.records)
