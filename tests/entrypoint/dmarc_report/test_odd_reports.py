"""`signpost dmarc-report`: what honest receivers send that is not as the standard has it."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable

import pytest

from entrypoint.dmarc_report.error import MOST_NOTES

from .reports import GOOGLE, MAIL, MBOX, YAHOO, changed, mailed, run

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
