"""`signpost dmarc-report`: what it reads, what it says of it, and what it refuses.

The samples in dmarc_reports/ are written in the manner of the receivers that they are named after;
whatever is hostile is built here.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.cli import signpost
from entrypoint.dmarc_report.error import MOST_NOTES, ReportError
from entrypoint.dmarc_report.feedback import (
    AggregateReport,
    DkimAuthResult,
    Reason,
    SpfAuthResult,
    read_report,
)
from entrypoint.dmarc_report.mail import MOST_PARTS
from entrypoint.dmarc_report.read import read_files
from entrypoint.dmarc_report.unpack import MOST_READ, MOST_XML
from entrypoint.dmarc_report.xml import MOST_DEPTH, MOST_ELEMENTS_OF_A_CHILD, MOST_TEXT

SAMPLES = Path(__file__).parent / "samples"
GOOGLE = (SAMPLES / "google.xml").read_bytes()
YAHOO = (SAMPLES / "yahoo.xml").read_bytes()
RFC9990 = (SAMPLES / "rfc9990.xml").read_bytes()
MAIL = (SAMPLES / "microsoft.eml").read_bytes()
PACKED = {
    "google.xml": "google.com!example.org!1767225600!1767311999.zip",
    "yahoo.xml": "yahoo.com!example.org!1767312000!1767398399.xml.gz",
    "microsoft.xml": "microsoft.eml",
}


def run(*arguments: str | Path, stdin: bytes = b"", color: bool = False) -> Result:
    words = ["dmarc-report", *map(str, arguments)]
    return CliRunner().invoke(signpost, words, input=stdin, color=color, catch_exceptions=False)


def sample(name: str) -> AggregateReport:
    return read_report((SAMPLES / name).read_bytes())


def zipped(*files: tuple[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", how) as archive:
        for name, content in files:
            archive.writestr(name, content)
    return stream.getvalue()


def mailed(*attachments: bytes, name: str = "report.xml.gz") -> bytes:
    parts = [
        b'--b\nContent-Type: application/gzip; name="%b"\nContent-Transfer-Encoding: base64\n\n%b'
        % (name.encode(), base64.encodebytes(content))
        for content in attachments
    ]
    start = b"From: a@b.example\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
    return start + b"\n".join(parts) + b"\n--b--\n"


# What is read


def test_a_google_report_is_read_whole() -> None:
    report = sample("google.xml")
    assert (report.reporter, report.report_id) == ("google.com", "1" * 19)
    assert (report.begin, report.end) == (1767225600, 1767311999)
    assert (report.policy.domain, report.policy.p, report.policy.np) == (
        *("example.org", "reject", "reject"),
    )
    good, forged, forwarded = report.records
    assert good.passes
    assert good.dkim_results == (DkimAuthResult("example.org", "mail", "pass", ""),)
    assert forged.source_ip == "2001:db8::bad"
    assert (forged.count, forged.disposition, forged.passes) == (7, "reject", False)
    assert forged.spf_results == (SpfAuthResult("spammer.example", "", "softfail", ""),)
    assert forwarded.reasons == (Reason("local_policy", "arc=pass"),)
    assert [found.domain for found in forwarded.dkim_results] == ["example.org", "list.example"]


def test_a_microsoft_report_names_the_envelope() -> None:
    (record,) = sample("microsoft.xml").records
    assert (record.envelope_from, record.envelope_to) == (
        *("bounces.example.org", "contoso.example"),
    )
    assert record.spf_results == (SpfAuthResult("bounces.example.org", "mfrom", "temperror", ""),)


def test_a_report_of_rfc_9990_has_its_namespace_and_its_new_elements() -> None:
    report = sample("rfc9990.xml")
    assert report.namespace == "urn:ietf:params:xml:ns:dmarc-2.0"
    assert report.generator == "example-reporter/2.1"
    assert report.errors == ("sp=rejct: no such policy",)
    assert (report.policy.discovery_method, report.policy.testing) == ("treewalk", "y")
    passing, failing = report.records
    assert (passing.disposition, passing.spf_results, passing.envelope_from) == ("pass", (), "")
    assert failing.reasons == (Reason("policy_test_mode", ""),)


def test_elements_of_an_extension_are_not_taken_for_ours() -> None:
    assert b"<x:record>" in RFC9990
    assert b"<x:count>-1" in RFC9990
    assert [record.count for record in sample("rfc9990.xml").records] == [123, 5]


@pytest.mark.parametrize(
    "change",
    [
        lambda xml: xml.replace(
            b"<feedback>", b'<feedback xmlns="http://dmarc.org/dmarc-xml/0.1">'
        ),
        # RFC 7489's schema leaves the elements below the root without a namespace.
        lambda xml: xml.replace(b"<feedback>", b'<d:feedback xmlns:d="urn:x">').replace(
            b"</feedback>", b"</d:feedback>"
        ),
        lambda xml: b"\xef\xbb\xbf" + xml,
        lambda xml: b"\r\n " + xml + b"\0\0\n",
        lambda xml: xml.replace(b"UTF-8", b"windows-1252"),
        lambda xml: xml.replace(b"UTF-8", b"UTF-16").decode().encode("utf-16"),
        lambda xml: xml.replace(b"<disposition>none", b"<disposition>None"),
        lambda xml: xml.replace(b"<domain>example.org<", b"<domain>Example.ORG.<"),
        lambda xml: xml.replace(b"<auth_results>", b"<auth_results><dkim/>"),
        lambda xml: xml.replace(b"<count>120<", b"<count>\n 0120 <"),
    ],
)
def test_what_receivers_do_differently_makes_no_difference(
    change: Callable[[bytes], bytes],
) -> None:
    changed = change(GOOGLE)
    assert changed != GOOGLE
    report = read_report(changed)
    assert (report.policy, report.records) == (
        sample("google.xml").policy,
        sample("google.xml").records,
    )


@pytest.mark.parametrize("plain", PACKED)
def test_packed_and_mailed_it_is_the_same_report(plain: str) -> None:
    (packed,), errors = read_files([str(SAMPLES / PACKED[plain])])
    assert errors == []
    assert packed.report == sample(plain)


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    for number, content in enumerate([YAHOO, gzip.compress(YAHOO), zipped(("a", YAHOO)), MAIL]):
        (tmp_path / f"{number}.txt").write_bytes(content)
    assert run(*sorted(tmp_path.iterdir())).exit_code == 0


@pytest.mark.parametrize(
    "mail",
    [
        pytest.param(MAIL.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(MAIL.rpartition(b"\n--_mpm")[0], id="cut before the last delimiter"),
        pytest.param(
            b"From: me@example.org\nContent-Type: message/rfc822\n\n" + MAIL, id="forwarded"
        ),
        pytest.param(mailed(gzip.compress(YAHOO)), id="name in Content-Type"),
        pytest.param(mailed(zipped(("r.xml", YAHOO)), name="r.zip"), id="zip called gzip"),
        pytest.param(
            b"Subject: x\nFrom: a@b.example\nContent-Type: text/xml\n"
            b"Content-Transfer-Encoding: quoted-printable\n\n" + YAHOO.replace(b"=", b"=3D"),
            id="the mail is the report",
        ),
    ],
)
def test_a_mail_is_read_from_standard_input(mail: bytes) -> None:
    done = run("-", "--json", stdin=mail)
    assert done.stderr == ""
    assert json.loads(done.stdout)["totals"]["reports"] == 1


# What honest receivers send

XML_LINE = b'<?xml version="1.0" encoding="UTF-8" ?>\n'
assert GOOGLE.startswith(XML_LINE)


def swapped(*pairs: tuple[bytes, bytes]) -> bytes:
    xml = GOOGLE
    for old, new in pairs:
        xml = changed(old, new, xml)
    return xml


def declared(encoding: str, codec: str, name: str = "Bücher") -> bytes:
    xml = swapped((b"UTF-8", encoding.encode()), (b"google.com<", name.encode() + b"<"))
    return xml.decode().encode(codec)


READ: dict[str, tuple[Callable[[], bytes], list[str]]] = {
    "no reporter": (
        lambda: swapped((b"<org_name>google.com<", b"<org_name> <")),
        ["line 3: report_metadata: no org_name"],
    ),
    "no e-mail address": (
        lambda: re.sub(rb"<email>[^<]*", b"<email>", GOOGLE),
        ["line 3: report_metadata: no email"],
    ),
    "nothing of who reports": (
        lambda: re.sub(rb"<(org_name|email|report_id)>[^<]*</\1>", b"", GOOGLE),
        [f"line 3: report_metadata: no {name}" for name in ("org_name", "email", "report_id")],
    ),
    "an address as a tag": (
        lambda: re.sub(rb"<email>[^<]*", b"<email><dmarc@google.example>", GOOGLE),
        ["line 5: an address in angle brackets, where XML has tags"],
    ),
    "two contacts": (
        lambda: swapped((b"</email>", b"</email><email>b@google.example</email>")),
        ["line 5: report_metadata/email: an element that may stand once is there again"],
    ),
    "a bare ampersand": (
        lambda: swapped((b"google.com<", b"A&B, R&D; &nbsp;<")),
        ["line 4: an & that is no reference of XML"],
    ),
    "a control character": (
        lambda: swapped((b"google.com<", b"g\x1b[2J<")),
        ["line 4: control characters, shown as \ufffd"],
    ),
    "a reference to a control character": (
        lambda: swapped((b"google.com<", b"g&#27;&#x0;<")),
        ["line 4: an & that is no reference of XML"],
    ),
    "a stray byte": (
        lambda: swapped((b"google.com<", b"B\xfccher<")),
        ["line 4: bytes that are not utf-8, shown as \ufffd"],
    ),
    "half a character": (
        lambda: swapped((b"arc=pass<", b"\xe2\x82<")),
        ["line 77: bytes that are not utf-8, shown as \ufffd"],
    ),
    "utf8": (lambda: declared("utf8", "utf-8"), []),
    "UTF_8": (lambda: declared("UTF_8", "utf-8"), []),
    "latin1": (lambda: declared("latin1", "latin-1"), []),
    "iso-8859-2": (lambda: declared("ISO-8859-2", "iso-8859-2", "Książki"), []),
    "windows-1251": (lambda: declared("windows-1251", "cp1251", "Почта"), []),
    "koi8-r": (lambda: declared("KOI8-R", "koi8-r", "Почта"), []),
    "gb2312": (lambda: declared("GB2312", "gb2312", "邮局"), []),
    "Shift_JIS": (lambda: declared("Shift_JIS", "shift-jis", "郵便局"), []),
    "ISO-2022-JP": (lambda: declared("ISO-2022-JP", "iso2022-jp", "郵便局"), []),
    "UTF-16 that is none": (lambda: declared("UTF-16", "utf-8"), []),
    "UTF-16 without a mark": (lambda: declared("UTF-16", "utf-16-be"), []),
    "an encoding that nobody knows": (
        lambda: declared("x-unknown", "utf-8"),
        ["line 1: the unknown encoding x-unknown, read as UTF-8"],
    ),
    "UTF-7": (
        lambda: declared("utf-7", "utf-8"),
        ["line 1: the unknown encoding utf-7, read as UTF-8"],
    ),
    "no encoding at all": (lambda: declared("", "utf-8"), []),
    "an encoding that is no name": (
        lambda: declared("utf 8", "utf-8"),
        ["line 1: the unknown encoding utf 8, read as UTF-8"],
    ),
    "control characters for an encoding": (
        lambda: declared("\x9b2J", "utf-8"),
        ["line 1: the unknown encoding \xc2\x9b2J, read as UTF-8"],
    ),
    "XML 1.1": (lambda: swapped((b'"1.0"', b'"1.1"')), []),
    "a namespace on a record": (
        lambda: swapped((b"<record>", b'<record xmlns="http://dmarc.org/dmarc-xml/0.1">')),
        ["line 22: a namespace on an element inside the report"],
    ),
    "a namespace on the metadata": (
        lambda: swapped((b"<report_metadata>", b'<report_metadata xmlns="urn:x">')),
        ["line 3: a namespace on an element inside the report"],
    ),
    "a prefix of DMARC's inside": (
        lambda: (
            GOOGLE.replace(b"<feedback>", b'<feedback xmlns:d="urn:ietf:params:xml:ns:dmarc-2.0">')
            .replace(b"<row>", b"<d:row>")
            .replace(b"</row>", b"</d:row>")
        ),
        ["line 23: a namespace on an element inside the report"],
    ),
    "a schema around it": (
        lambda: swapped(
            (XML_LINE, XML_LINE + b'<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">'),
            (b"</feedback>", b"</feedback></xs:schema>"),
        ),
        ["line 2: the element schema around feedback"],
    ),
    "a schema that never ends, and its namespace": (
        lambda: swapped(
            (XML_LINE, XML_LINE + b'<schema xmlns="urn:x"><xs:annotation xmlns:xs="urn:y"/>')
        ),
        [
            "line 2: the element schema around feedback",
            "line 101: after the report it is not XML: no element found",
        ],
    ),
    "a footer behind it": (
        lambda: GOOGLE + b"This mail was scanned.",
        ["line 102: after the report it is not XML: junk after document element"],
    ),
    "an element behind it": (
        lambda: GOOGLE + b"<html/>",
        ["line 102: after the report it is not XML: junk after document element"],
    ),
    "two XML declarations": (
        lambda: XML_LINE + GOOGLE,
        ["line 2: an XML declaration that is not at the start"],
    ),
    "a comment before the declaration": (
        lambda: b"<!-- of a relay -->\n" + GOOGLE,
        ["line 2: an XML declaration that is not at the start"],
    ),
    "an alignment with another word": (
        lambda: swapped((b"<spf>fail", b"<spf>softfail")),
        [
            "line 51: record/row/policy_evaluated: spf is neither pass nor fail, but softfail: "
            "counted as fail"
        ],
    ),
    "an empty disposition": (
        lambda: swapped((b"<disposition>none", b"<disposition>")),
        ["line 26: record/row/policy_evaluated: no disposition, counted as none"],
    ),
    "an author without a domain": (
        lambda: swapped((b"<header_from>example.org<", b"<header_from> <")),
        ["line 32: record/identifiers: no header_from"],
    ),
    "no author": (
        lambda: re.sub(rb"<header_from>.*?</header_from>", b"", GOOGLE, count=1),
        ["line 32: record/identifiers: no header_from"],
    ),
    "a name of a draft": (
        lambda: GOOGLE.replace(b"identifiers>", b"identities>"),
        [],
    ),
    "an empty reason": (
        lambda: swapped((b"<type>local_policy</type>", b"<type></type>")),
        [],
    ),
    "a fraction of a second": (
        lambda: swapped((b"1767225600<", b"1767225600.0<")),
        [
            "line 9: report_metadata/date_range/begin: a time that is no whole number of seconds "
            "since 1970"
        ],
    ),
    "dates in words": (
        lambda: swapped(
            (b"1767225600<", b"2026-01-01T00:00:00Z<"), (b"1767311999<", b"2026-01-01 23:59:59<")
        ),
        [
            f"line {line}: report_metadata/date_range/{end}: a time that is no whole number of "
            "seconds since 1970"
            for line, end in ((9, "begin"), (10, "end"))
        ],
    ),
}


@pytest.mark.parametrize("case", READ)
def test_what_is_odd_is_read_and_named(case: str) -> None:
    make, warnings = READ[case]
    xml = make()
    assert xml != GOOGLE
    done = run("-", "--json", stdin=xml)
    assert (done.exit_code, done.stderr) == (0, "")
    (report,) = json.loads(done.stdout)["reports"]
    assert report["warnings"] == warnings
    assert (report["messages"], report["failing"]) == (130, 10)
    assert report["begin"] == "2026-01-01T00:00:00Z"
    text = run("-", stdin=xml).stdout
    page = run("-", "--html", stdin=xml).stdout
    assert all(char.isprintable() or char == "\n" for char in text + page)
    assert text.count("\n  warning: ") == page.count("<br>warning: ") == len(warnings)


def test_the_letters_of_another_encoding_are_read() -> None:
    for encoding, codec, name in [("windows-1251", "cp1251", "Почта"), ("utf8", "utf8", "Bücher")]:
        done = run("-", "--json", stdin=declared(encoding, codec, name))
        assert json.loads(done.stdout)["reports"][0]["reporter"] == name


def test_a_reporter_without_a_name_is_known_by_its_address() -> None:
    done = run("-", stdin=re.sub(rb"<org_name>[^<]*", b"<org_name>", GOOGLE))
    assert "  google.com  " in done.stdout.splitlines()[1]
    done = run("-", stdin=re.sub(rb"<(org_name|email)>[^<]*", rb"<\1>", GOOGLE))
    assert "  unknown reporter  " in done.stdout.splitlines()[1]


LEFT_OUT: dict[str, tuple[Callable[[], bytes], int, str]] = {
    "one bad address": (
        lambda: swapped((b"192.0.2.25", b"a.example")),
        10,
        'line 24: record/row/source_ip: not an IP address; "a.example"; ',
    ),
    "one bad count": (
        lambda: swapped((b"<count>7<", b"<count>seven<")),
        123,
        'line 50: record/row/count: not a number of messages; "seven"; ',
    ),
    "two policies": (
        lambda: swapped((b"<record>", b"<policy_published/><record>")),
        130,
        "line 22: policy_published: an element that may stand once is there again; ",
    ),
    "an empty record": (
        lambda: swapped((b"<record>", b"<record/><record>")),
        130,
        "line 22: record: the element row is missing; ",
    ),
    "cut off in the third record": (
        lambda: GOOGLE[: GOOGLE.rindex(b"<source_ip>")],
        127,
        "line 68: not XML: no element found; ",
    ),
    "a tag that is never closed": (
        lambda: GOOGLE[: GOOGLE.rindex(b"</row>")] + GOOGLE[GOOGLE.rindex(b"</row>") + 6 :],
        127,
        "line 100: not XML: mismatched tag; ",
    ),
    "two reports in one document": (
        lambda: b"<a>" + (GOOGLE.partition(b"?>")[2]) * 2 + b"</a>",
        130,
        "line 103: a second feedback in one document; ",
    ),
}


@pytest.mark.parametrize("case", LEFT_OUT)
def test_the_rest_is_read_and_the_exit_status_says_so(case: str) -> None:
    make, messages, error = LEFT_OUT[case]
    done = run("-", "--json", stdin=make())
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: standard input: {error}")
    assert line.endswith("; the rest was read")
    shown = json.loads(done.stdout)
    assert shown["totals"]["messages"] == messages
    assert shown["errors"] == [line.removeprefix("error: ")]


def test_thousands_of_bad_records_are_counted_not_listed() -> None:
    done = run("-", stdin=swapped((b"<record>", b"<record/>" * 5_000 + b"<record>")))
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == MOST_NOTES + 1 - 19  # all of one line are one
    spread = run("-", stdin=swapped((b"<record>", b"<record/>\n" * 5_000 + b"<record>")))
    assert len(spread.stderr.splitlines()) == MOST_NOTES + 1
    assert f"{5_000 - MOST_NOTES} more parts that cannot be read" in spread.stderr
    assert "total: 1 report, 130 messages" in spread.stdout


MBOX = b"From reports@b.example Thu Jan  1 02:03:04 2026\n"
IN_A_MAIL: dict[str, tuple[Callable[[], bytes], int]] = {
    "an mbox first line": (lambda: MBOX + MAIL, 1),
    "an mbox first line, quoted": (lambda: b">" + MBOX + MAIL, 1),
    "an mbox first line with CRLF": (lambda: (MBOX + MAIL).replace(b"\n", b"\r\n"), 1),
    "an mbox of three": (
        lambda: (
            MBOX
            + MAIL
            + b"\n"
            + MBOX
            + mailed(gzip.compress(YAHOO))
            + b"\n"
            + MBOX
            + mailed(gzip.compress(GOOGLE))
        ),
        3,
    ),
    "empty lines before it": (lambda: b"\r\n\n" + MAIL, 1),
    "a failure report beside it": (
        lambda: mailed(gzip.compress(YAHOO)).replace(
            b"\n--b--",
            b"\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: auth-failure\n--b--",
        ),
        1,
    ),
    "a forwarded mail with an mbox first line": (
        lambda: b"From: me@example.org\nContent-Type: message/rfc822\n\n" + MBOX + MAIL,
        1,
    ),
    "a sentence that begins with From is no mail": (
        lambda: MBOX + MAIL.replace(b"\nThis is a multi", b"\nFrom here on: a multi"),
        1,
    ),
    "an empty line of white space": (
        lambda: mailed(gzip.compress(YAHOO)).replace(b"\n\n", b"\n \n"),
        1,
    ),
    **{
        f"Content-Transfer-Encoding: {value.decode()}": (
            lambda value=value: mailed(gzip.compress(YAHOO)).replace(
                b"Encoding: base64", b"Encoding:" + value
            ),
            1,
        )
        for value in (
            *(b" BASE64", b" base64 (RFC 2045)", b" (a (nested) comment) base64", b"base64;"),
            *(b' "base64"', b"\n base64", b" base64 (never closed"),
        )
    },
    "a comment in the Content-Type": (
        lambda: mailed(gzip.compress(YAHOO)).replace(
            b"multipart/mixed; boundary=b", b'(c;) multipart/mixed (by "x") ; (d) boundary=b'
        ),
        1,
    ),
    "brackets in a quoted boundary": (
        lambda: (
            mailed(gzip.compress(YAHOO))
            .replace(b"boundary=b", b'boundary="b(1)"')
            .replace(b"--b", b"--b(1)")
        ),
        1,
    ),
    "base64 without padding": (
        lambda: (
            mailed(gzip.compress(YAHOO + b" " * 2)).replace(b"=\n", b"\n").replace(b"=\n", b"\n")
        ),
        1,
    ),
    "the report in the text": (
        lambda: b"From: a@b.example\nSubject: Report\n\n" + YAHOO,
        1,
    ),
    "octets without a name": (
        lambda: b"From: a@b.example\nContent-Type: application/octet-stream\n\n" + YAHOO,
        1,
    ),
}


@pytest.mark.parametrize("case", IN_A_MAIL)
def test_the_mail_may_be_odd(case: str) -> None:
    make, reports = IN_A_MAIL[case]
    done = run("-", "--json", stdin=make())
    assert (done.exit_code, done.stderr) == (0, "")
    assert json.loads(done.stdout)["totals"]["reports"] == reports


def test_a_mail_without_a_report_does_not_hide_the_others_of_an_mbox() -> None:
    done = run(
        "-", stdin=MBOX + MAIL + b"\n" + MBOX + b"From: a@b.example\n\nhello\n\n" + MBOX + MAIL
    )
    assert done.exit_code == 2
    assert done.stderr.startswith("error: standard input: message 2: a mail without a report ")
    assert "counted before: standard input: message 3: attachment " in done.stdout


def test_an_mbox_without_end_is_not_read_to_its_end() -> None:
    done = run("-", stdin=(MBOX + b"From: a@b.example\n\nhello\n\n") * 3_000)
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == (
        "error: standard input: an mbox of more than 1000 reports; split it; the rest is left out"
    )


# Failure reports


def failure(fields: bytes = b"", header: bytes = b"", original: bytes = b"message/rfc822") -> bytes:
    """A mail in the form of RFC 6591, Appendix B."""
    standard = (
        b"Feedback-Type: auth-failure\nUser-Agent: Reporter/1.0\nVersion: 1\n"
        b"Auth-Failure: dmarc\nIdentity-Alignment: none\nSource-IP: 192.0.2.66\n"
        b"Authentication-Results: mx.example; dmarc=fail\n header.from=example.org\n"
        b"Original-Mail-From: <bounce@evil.example>\nReported-Domain: Example.ORG.\n"
        b"Arrival-Date: Thu, 1 Jan 2026 02:03:04 +0100\nDelivery-Result: reject\n"
    )
    return (
        b"From: reports@mx.example\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nA message failed.\n"
        b"--b\nContent-Type: message/feedback-report\n"
        + header
        + b"\n"
        + (fields or standard)
        + b"\n--b\nContent-Type: "
        + original
        + b"\n\n"
        b"From: =?utf-8?q?B=C3=BCcher?= <info@example.org>\nSubject: Your account\n"
        b"Message-ID: <1@evil.example>\nDate: Thu, 1 Jan 2026 01:03:04 +0000\n"
        b"Content-Type: multipart/mixed; boundary=c\n\n--c\nContent-Type: text/xml\n\n"
        + YAHOO
        + b"\n--c--\n--b--\n"
    )


def test_a_failure_report_is_read() -> None:
    done = run("-", "--json", stdin=failure())
    assert (done.exit_code, done.stderr) == (0, "")
    shown = json.loads(done.stdout)
    assert shown["failures"] == [
        {
            "file": "standard input",
            "feedback_type": "auth-failure",
            "user_agent": "Reporter/1.0",
            "auth_failure": "dmarc",
            "identity_alignment": "none",
            "delivery_result": "reject",
            "reported_domain": "example.org",
            "source_ip": "192.0.2.66",
            "envelope_from": "bounce@evil.example",
            "envelope_to": "",
            "arrived": "2026-01-01T01:03:04Z",
            "incidents": 1,
            "authentication_results": ["mx.example; dmarc=fail header.from=example.org"],
            **dict.fromkeys(("dkim_domain", "dkim_identity", "dkim_selector", "spf_dns"), ""),
            "header_from": "=?utf-8?q?B=C3=BCcher?= <info@example.org>",
            "subject": "Your account",
            "message_id": "<1@evil.example>",
            "date": "Thu, 1 Jan 2026 01:03:04 +0000",
            "warnings": [],
        }
    ]
    # What the failed message has attached is a stranger's word, no report to us.
    assert shown["totals"]["reports"] == 0


def test_a_failure_report_is_a_line_of_its_own_table() -> None:
    done = run(SAMPLES / "yahoo.xml", "-", stdin=failure())
    _sources, failures, totals = done.stdout.split("\n\n")
    title, row = [re.split(r" {2,}", line) for line in failures.splitlines()]
    assert title[:4] == ["FAILED", "AUTHOR DOMAIN", "SOURCE", "DELIVERY"]
    assert row == [
        *("dmarc", "example.org", "192.0.2.66", "reject", "bounce@evil.example"),
        *("Bücher <info@example.org>", "Your account", "2026-01-01 01:03", "standard input"),
    ]
    assert "total: 1 failure report\n" in totals
    assert "Your account" in run("-", "--html", stdin=failure()).stdout


@pytest.mark.parametrize(
    ("mail", "warnings"),
    [
        pytest.param(failure(original=b"text/rfc822-headers"), [], id="only the header"),
        pytest.param(MBOX + failure(), [], id="mbox"),
        pytest.param(failure().replace(b"\n\n", b"\n \n"), [], id="white space for empty lines"),
        pytest.param(failure().replace(b"\n", b"\r\n"), [], id="CRLF"),
        pytest.param(
            failure().replace(b"multipart/report; report-type=feedback-report", b"multipart/mixed"),
            [],
            id="mixed",
        ),
        pytest.param(
            failure(
                base64.encodebytes(b"Feedback-Type: auth-failure\r\nSource-IP: 192.0.2.66\r\n"),
                b"Content-Transfer-Encoding: base64 (so)\n",
            ),
            ["no Arrival-Date that is a date"],
            id="base64",
        ),
        pytest.param(
            failure(b"\n  Feedback-Type: abuse\nArrival-Date: 1 Jan 2026 02:03:04 +0100\n"),
            ["its Feedback-Type is not auth-failure, but abuse", "no Source-IP"],
            id="a complaint",
        ),
        pytest.param(
            failure(b"Feedback-Type: auth-failure\nSource-IP: mail.example\nArrival-Date: now\n"),
            ["its Source-IP is no IP address", "no Arrival-Date that is a date"],
            id="no values",
        ),
        pytest.param(
            b"From: a@b.example\n\nA message has failed the published DMARC policy.\n\n"
            b"  Sender Domain: example.org\n  Sender IP Address: 192.0.2.66\n"
            b"  Received date: Thu, 01 Jan 2026 02:03:04 +0100\n"
            b"  SPF Alignment: no\n  DKIM Alignment: yes\n  DMARC Results: Reject\n\n"
            b"------ This is a copy of the headers.\n\nSubject: Your account\n",
            ["it has no part for programs; read from its words"],
            id="in words",
        ),
    ],
)
def test_a_failure_report_may_be_odd(mail: bytes, warnings: list[str]) -> None:
    done = run("-", "--json", stdin=mail)
    assert (done.exit_code, done.stderr) == (0, "")
    (shown,) = json.loads(done.stdout)["failures"]
    assert shown["warnings"] == warnings
    assert shown["subject"] == "Your account"


def test_a_failure_report_may_stand_for_many_messages() -> None:
    for said, shown, warnings in ((b"12", "dmarc (12 times)", 0), (b"many", "dmarc", 1)):
        report = b"Feedback-Type: auth-failure\nAuth-Failure: dmarc\nSource-IP: 192.0.2.66\n"
        date = b"Arrival-Date: Thu, 1 Jan 2026 02:03:04 +0100\n"
        done = run("-", stdin=failure(report + date + b"Incidents: " + said + b"\n"))
        assert done.stdout.splitlines()[1].startswith(f"{shown}  ")
        assert done.stdout.count(": warning: ") == warnings


@pytest.mark.parametrize(
    "word",
    [
        *("=?utf-\xff?q?a?=", "=?rot13?q?a?=", "=?idna?b?/w==?=", "=?utf-8?b?a?=", "=?x?q?=1b?="),
        *("=?unicode_escape?q?=5cud800?=", "=?zip?b?eJw=?=", "=?utf-7?q?+ABsAWw-?="),
    ],
)
def test_words_of_no_encoding_are_shown_as_they_stand_or_harmless(word: str) -> None:
    mail = failure().replace(b"Your account", word.encode())
    for form in ((), ("--html",)):
        done = run("-", *form, stdin=mail)
        assert done.exit_code == 0
        assert all(char.isprintable() or char == "\n" for char in done.stdout)


def test_a_failure_report_of_nothing_is_refused() -> None:
    done = run("-", stdin=failure(b"nothing\n"))
    assert done.exit_code == 2
    assert done.stderr.startswith("error: standard input: a failure report without any field; ")


@pytest.mark.parametrize("form", [(), ("--json",), ("--html",)])
def test_control_characters_in_a_failure_report_reach_nobody(form: tuple[str, ...]) -> None:
    mail = re.sub(
        rb"(?m)^([A-Z][\w-]+): (?!multipart|message|text)", b"\\1: \x1b[2J\xc2\x9b", failure()
    )
    mail = mail.replace(b"\nSubject: ", b"\nSubject: =?utf-8?b?G1sySuKArg==?= ")
    done = run("-", *form, stdin=mail)
    assert all(char.isprintable() or char == "\n" for char in done.stdout + done.stderr)


def test_a_tls_report_is_sent_to_its_command() -> None:
    for content in (b'{"policies": []}', mailed(gzip.compress(b'{"policies": []}'))):
        done = run("-", stdin=content)
        assert done.exit_code == 2
        assert "JSON, as TLS reports are; read it with `signpost tls-report`" in done.stderr


# What is shown


def test_the_table_has_what_fails_first_then_the_most_messages() -> None:
    done = run(*(SAMPLES / name for name in (*PACKED, "rfc9990.xml")))
    assert done.exit_code == 0
    table, reports = done.stdout.split("\n\n")
    title, *rows = [re.split(r" {2,}", line) for line in table.splitlines()]
    assert title == [
        *("DMARC", "COUNT", "AUTHOR DOMAIN", "SOURCE", "DISPOSITION", "DKIM", "SPF"),
        *("REPORTER", "PERIOD (UTC)"),
    ]
    assert [(row[0], row[1], row[2], row[3]) for row in rows] == [
        ("FAIL", "7", "example.org", "2001:db8::bad"),
        ("FAIL", "5", "example.org", "203.0.113.66"),
        ("FAIL", "3", "example.org", "198.51.100.9"),
        ("pass", "123", "news.example.org", "2001:db8::25"),
        ("pass", "122", "example.org", "192.0.2.25"),
        ("pass", "4", "example.org", "192.0.2.25"),
    ]
    assert rows[2][4:] == [
        "none (local_policy)",
        "fail: example.org/mail fail, list.example/2026 pass",
        "fail: list.example pass",
        "google.com",
        "2026-01-01 00:00 - 2026-01-01 23:59",
    ]
    # The same source with the same results in two receivers' reports is one row.
    assert rows[4][-2:] == ["Yahoo, google.com", "2026-01-01 00:00 - 2026-01-02 23:59"]
    assert reports.splitlines()[0].startswith(
        "google.com about example.org p=reject, 2026-01-01 00:00 - 2026-01-01 23:59 UTC: "
        "130 messages, 10 fail; report 1111111111111111111 in "
    )
    assert "  the reporter says: sp=rejct: no such policy" in reports
    assert reports.splitlines()[-1] == (
        "total: 4 reports, 264 messages, 249 pass, 15 fail; "
        "disposition: none 134, pass 123, reject 7"
    )


def test_columns_are_aligned_for_letters_of_any_width() -> None:
    def reporter_of(reporter: str) -> str:
        """The reporter, padded to the eight columns of its title and two between."""
        table = run("-", stdin=GOOGLE.replace(b"google.com", reporter.encode())).stdout
        (row,) = (line for line in table.splitlines() if line.startswith("pass"))
        return row.partition("example.org pass  ")[2].partition("2026-")[0].lstrip()

    assert reporter_of("g") == "g".ljust(8) + "  "
    assert reporter_of("郵便局") == "郵便局  " + "  "
    assert reporter_of("e\u0301") == "e\u0301".ljust(9) + "  "


def test_a_failing_row_is_red_on_a_terminal() -> None:
    lines = run(SAMPLES / "google.xml", color=True).stdout.splitlines()
    assert [line.startswith("\x1b[31m") for line in lines[:4]] == [False, True, True, False]
    assert "\x1b" not in run(SAMPLES / "google.xml").stdout


def test_a_report_that_comes_twice_counts_once(tmp_path: Path) -> None:
    done = run(SAMPLES / "google.xml", SAMPLES / PACKED["google.xml"])
    assert "counted before: " in done.stdout
    assert "total: 1 report, 130 messages" in done.stdout
    # The same Report-ID with another content hides nothing.
    other = tmp_path / "other.xml"
    other.write_bytes(GOOGLE.replace(b"<count>7<", b"<count>8<"))
    assert "total: 2 reports, 261 messages" in run(SAMPLES / "google.xml", other).stdout


def shape(value: Any) -> Any:
    """The keys of a JSON value, and the kind of what is behind them."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value).__name__


def test_the_json_has_the_documented_keys() -> None:
    dkim = {"domain": "str", "selector": "str", "result": "str", "human_result": "str"}
    policy = ("domain", "p", "sp", "np", "adkim", "aspf", "fo", "pct", "testing")
    done = json.loads(run(SAMPLES / "rfc9990.xml", "--json").stdout)
    assert shape(done) == {
        "reports": [
            {
                **dict.fromkeys(("file", "namespace", "version", "reporter", "email"), "str"),
                **dict.fromkeys(("extra_contact_info", "report_id", "begin", "end"), "str"),
                "errors": ["str"],
                "generator": "str",
                "warnings": [],
                "policy": dict.fromkeys((*policy, "discovery_method"), "str"),
                "messages": "int",
                "failing": "int",
                "records": [
                    {
                        "source_ip": "str",
                        "count": "int",
                        **dict.fromkeys(("disposition", "dkim", "spf"), "str"),
                        "reasons": [],
                        **dict.fromkeys(("header_from", "envelope_from", "envelope_to"), "str"),
                        "dkim_results": [dkim],
                        "spf_results": [],
                    }
                ],
            }
        ],
        "sources": [
            {
                **dict.fromkeys(("header_from", "source_ip"), "str"),
                "passes": "bool",
                "count": "int",
                **dict.fromkeys(("disposition", "dkim"), "str"),
                "dkim_results": [],
                "spf": "str",
                "spf_results": [
                    {"domain": "str", "scope": "str", "result": "str", "human_result": "str"}
                ],
                "reasons": ["str"],
                "reporters": ["str"],
                "begin": "str",
                "end": "str",
            }
        ],
        "totals": {
            **dict.fromkeys(("reports", "messages", "passing", "failing"), "int"),
            "dispositions": dict.fromkeys(("none", "pass", "quarantine", "reject"), "int"),
        },
        "failures": [],
        "repeated": [],
        "errors": [],
    }
    assert done["reports"][0]["begin"] == "2026-01-01T00:00:00Z"
    assert done["totals"]["failing"] == 5


class _Page(HTMLParser):
    """Collects the elements of a page and the attributes that can fetch or run something."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_holds_no_script_and_nothing_from_elsewhere() -> None:
    evil = GOOGLE.replace(
        b"<org_name>google.com", b"<org_name>&lt;script src='//x.example'&gt;&lt;img onerror=a&gt;"
    ).replace(b"<selector>mail<", b"<selector>&lt;a href='//x.example'&gt;<")
    page = _Page()
    page.feed(run("-", "--html", stdin=evil).stdout)
    assert page.tags.isdisjoint({"script", "img", "link", "a", "iframe", "object", "form"})
    assert page.attributes <= {"lang", "charset", "http-equiv", "content", "name", "scope", "class"}
    assert "<script src='//x.example'>" in page.text
    assert "<a href='//x.example'>" in page.text
    assert "FAIL" in page.text


def test_the_page_tells_of_files_that_could_not_be_read() -> None:
    done = run(SAMPLES / "yahoo.xml", "-", "--html", stdin=b"nonsense")
    assert done.exit_code == 2
    assert "standard input: neither XML nor gzip" in done.stdout


HOSTILE = "\x9b31m\u202e\u2028\x85\tend"


@pytest.mark.parametrize(
    "element",
    ["org_name", "report_id", "header_from", "domain", "selector", "result", "type", "p"],
)
@pytest.mark.parametrize("form", [(), ("--json",), ("--html",)])
def test_control_characters_in_a_value_reach_nobody(element: str, form: tuple[str, ...]) -> None:
    evil = re.sub(rb"<%b>[^<]*" % element.encode(), f"<{element}>x{HOSTILE}".encode(), GOOGLE)
    done = run("-", *form, stdin=evil)
    assert done.exit_code == 0
    assert all(char.isprintable() or char == "\n" for char in done.stdout)
    if form != ("--json",):
        assert "\\x9b31m\\u202e\\u2028\\x85\\tend" in done.stdout
    elif element == "org_name":
        assert json.loads(done.stdout)["reports"][0]["reporter"] == f"x{HOSTILE}"


def test_control_characters_in_a_name_reach_nobody(tmp_path: Path) -> None:
    file = tmp_path / "a\x1b[2J\u202e.eml"
    file.write_bytes(mailed(gzip.compress(YAHOO), b"\x1f\x8bno", name="\x1b[31m\u202e.gz"))
    done = run(file)
    assert done.exit_code == 2
    assert all(char.isprintable() or char == "\n" for char in done.stdout + done.stderr)
    assert "a\\x1b[2J\\u202e.eml: attachment \\x1b[31m\\u202e.gz" in done.stdout
    assert "a\\x1b[2J\\u202e.eml: attachment \\x1b[31m\\u202e.gz: damaged gzip data" in done.stderr


def test_a_long_value_is_cut_in_the_table_and_whole_in_the_json() -> None:
    long = GOOGLE.replace(b"google.com<", b"g" * 5000 + b"<")
    assert max(map(len, run("-", stdin=long).stdout.splitlines())) < 400
    assert json.loads(run("-", "--json", stdin=long).stdout)["reports"][0]["reporter"] == "g" * 5000


# What is refused


def changed(old: bytes, new: bytes, xml: bytes = GOOGLE) -> bytes:
    assert old in xml
    return xml.replace(old, new, 1)


LAUGHS = b"".join(
    b'<!ENTITY l%d "%b">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 12)
)
REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "billion laughs": (
        lambda: changed(
            b"<feedback>", b'<!DOCTYPE feedback [<!ENTITY l0 "ha">' + LAUGHS + b"]><feedback>"
        ),
        "it has a document type declaration (DTD), a way to attack; ",
    ),
    "external entity": (
        lambda: changed(
            b"<feedback>",
            b'<!DOCTYPE f [<!ENTITY x SYSTEM "file:///etc/passwd">]><feedback><x>&x;</x>',
        ),
        "it has a document type declaration (DTD), a way to attack; ",
    ),
    "external DTD in UTF-16": (
        lambda: b'<!DOCTYPE feedback SYSTEM "http://x.example/a.dtd"><feedback/>'.decode().encode(
            "utf-16"
        ),
        "it has a document type declaration (DTD), a way to attack; ",
    ),
    "deep nesting": (
        lambda: changed(b"<feedback>", b"<feedback>" + b"<a>" * 1_000_000),
        f"line 2: nested deeper than {MOST_DEPTH} levels; ",
    ),
    "deep nesting in an extension": (
        lambda: changed(b"<feedback>", b"<feedback>" + b'<a xmlns="urn:x">' * 1_000),
        f"line 2: nested deeper than {MOST_DEPTH} levels; ",
    ),
    "10 MB of one element": (
        lambda: changed(b"google.com", b"g" * 10_000_000),
        f"line 4: a tag or a text of more than {MOST_TEXT} bytes; ",
    ),
    "the same with comments between": (
        lambda: changed(b"google.com", b"g<!-- -->" * 100_000),
        f"line 4: report_metadata/org_name: a text of more than {MOST_TEXT} characters; ",
    ),
    "10 MB of attributes": (
        lambda: changed(b"<org_name>", b"<org_name " + b'a="" ' * 2_000_000 + b">"),
        f"line 4: a tag or a text of more than {MOST_TEXT} bytes; ",
    ),
    "a record of 100,000 signatures": (
        lambda: changed(b"<auth_results>", b"<auth_results>" + b"<dkim/>" * 100_000),
        f"line 35: more than {MOST_ELEMENTS_OF_A_CHILD} elements and attributes; ",
    ),
    "gzip bomb": (
        lambda: gzip.compress(b"<" + b" " * (4 * MOST_XML)),
        "it holds more than 32 MiB of XML (decompressed, all of the file); ",
    ),
    "zip bomb": (
        lambda: zipped(("a.xml", b"<" + b" " * (4 * MOST_XML))),
        "it holds more than 32 MiB of XML (decompressed, all of the file); ",
    ),
    "gzip bombs in a mail": (
        lambda: mailed(*[gzip.compress(GOOGLE + b" " * (MOST_XML // 3))] * 4),
        ": attachment report.xml.gz: it holds more than 32 MiB of XML (decompressed, all of the fi",
    ),
    "truncated gzip": (lambda: gzip.compress(GOOGLE)[:-20], "the gzip data ends too early; "),
    "gzip with a wrong checksum": (
        lambda: gzip.compress(GOOGLE)[:-8] + b"\0" * 8,
        "damaged gzip data; fetch the mail again, ",
    ),
    "gzip with more behind it": (
        lambda: gzip.compress(GOOGLE) + b"more",
        "more data after the end of the gzip data; ",
    ),
    "gzip in gzip": (
        lambda: gzip.compress(gzip.compress(GOOGLE)),
        "an archive inside an archive; unpack it, and give the file inside",
    ),
    "zip in zip": (
        lambda: zipped(("a.zip", zipped(("a.xml", GOOGLE)))),
        "an archive inside an archive; unpack it, and give the file inside",
    ),
    "zip of 50 files": (
        lambda: zipped(*((f"{number}.xml", GOOGLE) for number in range(50))),
        "a zip archive of 50 files; a report is one file; ",
    ),
    "zip of 1,000 files": (
        lambda: zipped(*((f"{number}.xml", GOOGLE) for number in range(1_000))),
        "a zip archive of more than 100 files; a report is one file; ",
    ),
    "zip of a directory": (
        lambda: zipped(("a/", b"")),
        "a zip archive of 0 files; a report is one file; ",
    ),
    "zip with a rare compression": (
        lambda: zipped(("a.xml", GOOGLE), how=zipfile.ZIP_LZMA),
        "a rare compression in the zip archive; ",
    ),
    "encrypted zip": (
        # Bit 0 of the flags in the directory (APPNOTE 4.4.4).
        lambda: re.sub(
            rb"(PK\x01\x02.{4})\0", b"\\1\x01", zipped(("a.xml", GOOGLE)), flags=re.DOTALL
        ),
        "the zip archive is encrypted; ",
    ),
    "truncated zip": (lambda: zipped(("a.xml", GOOGLE))[:-9], "a damaged zip archive; "),
    "not XML": (lambda: b"hello\nworld\n", "neither XML nor gzip nor zip nor an e-mail message; "),
    "not XML in gzip": (
        lambda: gzip.compress(b"hello"),
        "neither XML nor gzip nor zip nor an e-mail mess",
    ),
    "nothing": (lambda: b" \n", "the file is empty; "),
    "truncated XML": (lambda: GOOGLE[:-20], "line 100: not XML: "),
    "another XML": (
        lambda: b"<html/>",
        'line 1: not a DMARC aggregate report: its root is not feedback; "html"; give ',
    ),
    "an encoding that hides": (
        lambda: b'<?xml version="1.0" encoding="utf-7"?><feedback/>',
        "feedback: the element report_metadata is missing; ",
    ),
    "a million characters that are none of XML": (
        lambda: changed(b"google.com", (b"\x1b" * 1000 + b"<b/>") * 1000),
        "control characters, shown as \ufffd, 10000 times; ",
    ),
    "another XML inside": (
        lambda: b"<a><html/></a>",
        'line 1: not a DMARC aggregate report: its root is not feedback; "a"; give ',
    ),
    "deep nesting around": (
        lambda: b"<a>" * 1_000 + GOOGLE.partition(b"?>")[2],
        f"line 1: nested deeper than {MOST_DEPTH} levels; ",
    ),
    "many elements around": (
        lambda: b"<a>" + b"<b/>" * 100_000 + GOOGLE.partition(b"?>")[2],
        f"line 1: more than {MOST_ELEMENTS_OF_A_CHILD} elements and attributes; ",
    ),
    "only bad records": (
        lambda: GOOGLE.replace(b"</count>", b" messages</count>"),
        'line 70: record/row/count: not a number of messages; "3 messages"; ',
    ),
    "no metadata": (
        lambda: re.sub(rb"<report_metadata>.*</report_metadata>", b"", GOOGLE, flags=re.DOTALL),
        "feedback: the element report_metadata is missing; ",
    ),
    "no record": (
        lambda: re.sub(rb"<record>.*</record>", b"", GOOGLE, flags=re.DOTALL),
        "feedback: the element record is missing; ",
    ),
    "no count": (
        lambda: changed(b"<count>120</count>", b""),
        "line 23: record/row: the element count is missing; ",
    ),
    "two counts": (
        lambda: changed(b"<count>120</count>", b"<count>120</count><count>1</count>"),
        "line 25: record/row/count: an element that may stand once is there again; ",
    ),
    "two policies": (
        lambda: changed(b"<record>", b"<policy_published/><record>"),
        "line 22: policy_published: an element that may stand once is there again; ",
    ),
    "negative count": (
        lambda: changed(b"<count>120<", b"<count>-120<"),
        'line 25: record/row/count: not a number of messages; "-120"; ask the reporter for the ',
    ),
    "a count of 5,000 digits": (
        lambda: changed(b"<count>120<", b"<count>" + b"9" * 5_000 + b"<"),
        f'line 25: record/row/count: not a number of messages; "{"9" * 80}…"; ',
    ),
    "digits of another script": (
        lambda: changed(b"<count>120<", "<count>١٢<".encode()),
        'line 25: record/row/count: not a number of messages; "١٢"; ',
    ),
    "a date beyond all calendars": (
        lambda: changed(b"1767225600", b"999999999999"),
        'line 9: report_metadata/date_range/begin: not a number of seconds since 1970; "9999999999',
    ),
    "no address": (
        lambda: changed(b"192.0.2.25", b"mail.example.org"),
        'line 24: record/row/source_ip: not an IP address; "mail.example.org"; ',
    ),
    "an address with a zone": (
        lambda: changed(b"192.0.2.25", "fe80::1%\u202e".encode()),
        r'line 24: record/row/source_ip: not an IP address; "fe80::1%\u202e"; ',
    ),
    "no such disposition": (
        lambda: changed(b"<disposition>none", b"<disposition>shredded"),
        "line 27: record/row/policy_evaluated/disposition: none of none, pass, quarantine, reject; "
        '"shredded"; ',
    ),
    "an aligned result that is none": (
        lambda: changed(b"<dkim>pass", b"<dkim>perhaps"),
        'line 28: record/row/policy_evaluated/dkim: none of pass, fail; "perhaps"; ',
    ),
    "a mail without a report": (
        lambda: b"From: a@b.example\n\nhello\n",
        "a mail without a report (xml, json, gz or zip) attached to it; ",
    ),
    "a mail of many parts": (
        lambda: mailed(*[b"x"] * (MOST_PARTS + 1)),
        f"a mail of more than {MOST_PARTS} parts; ",
    ),
    "a mail in a mail in a mail": (
        lambda: b"Content-Type: message/rfc822\n\n" * 1_000 + MAIL,
        "a mail nested deeper than 5 levels; ",
    ),
    "a type of other bytes": (
        lambda: b"From: a@b.example\nContent-Type: \x80\xc2\x80\n\nhello\n",
        "a mail without a report (xml, json, gz or zip) attached to it; ",
    ),
    "an attachment that is not base64": (
        lambda: changed(b"--b--", b"=", mailed(b"x")).replace(base64.encodebytes(b"x"), b"A"),
        ": attachment report.xml.gz: the attachment is not base64; fetch the mail again",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_the_reason_and_the_cure(case: str) -> None:
    make, reason = REFUSED[case]
    done = run("-", stdin=make())
    assert done.exit_code == 2
    last = done.stderr.splitlines()[-1]
    start = "error: standard input" if reason.startswith(":") else "error: standard input: "
    assert last.startswith(start + reason)
    assert len(last) < 400
    assert "; " in last.removeprefix(start)


def test_a_file_that_is_too_large_is_not_read_whole(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as stream:
        stream.truncate(MOST_READ + 1)
    assert run(large).stderr == (
        f"error: {large}: larger than 48 MiB; it cannot be one mail or one report\n"
    )


def test_a_path_in_a_zip_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inner = tmp_path / "in"
    inner.mkdir()
    monkeypatch.chdir(inner)
    Path("r.zip").write_bytes(zipped(("../../../evil\x1b.xml", YAHOO)))
    done = run("r.zip")
    assert done.exit_code == 0
    assert "evil" not in done.stdout
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["in", "r.zip"]


def test_one_bad_file_does_not_hide_the_others(tmp_path: Path) -> None:
    bad = tmp_path / "bad.xml"
    bad.write_bytes(changed(b"<count>120<", b"<count>-1<"))
    missing = tmp_path / "missing.xml"
    done = run(missing, SAMPLES / "yahoo.xml", bad, tmp_path, SAMPLES / "microsoft.eml")
    assert done.exit_code == 2
    assert "total: 3 reports, 16 messages" in done.stdout
    assert done.stderr.splitlines() == [
        f"error: {missing}: cannot be read: No such file or directory; check the path and its mode",
        f'error: {bad}: line 25: record/row/count: not a number of messages; "-1"; '
        "ask the reporter for the report again, or leave it out; the rest was read",
        f"error: {tmp_path}: a directory; give the files in it, like DIRECTORY/*",
    ]


def test_one_bad_attachment_does_not_hide_the_others() -> None:
    done = run("-", stdin=mailed(gzip.compress(b"<a/>"), gzip.compress(YAHOO)))
    assert done.exit_code == 2
    assert "total: 1 report, 2 messages" in done.stdout
    assert done.stderr.startswith("error: standard input: attachment report.xml.gz: line 1: not a ")


def test_it_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINS", "not a domain")
    monkeypatch.setenv("DKIM_SELECTR", "x")
    assert run(SAMPLES / "yahoo.xml").exit_code == 0


# Whatever comes

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
