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
from entrypoint.dmarc_report.error import ReportError
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
    "an entity that nobody declared": (
        lambda: changed(b"google.com", b"&x;"),
        "line 4: not XML: undefined entity; ",
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
        'line 1: an encoding that is not read; "utf-7"; convert the file to UTF-8',
    ),
    "bytes of another encoding": (
        lambda: changed(b"google.com", b"B\xfccher"),
        "bytes that are not utf-8; convert the file to UTF-8",
    ),
    "control character": (
        lambda: changed(b"google.com", b"\x1b[2J"),
        "line 4: not XML: not well-formed",
    ),
    "reference to a control character": (
        lambda: changed(b"google.com", b"&#27;"),
        "line 4: not XML: reference to invalid character number; ",
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
    "empty author domain": (
        lambda: changed(b"<header_from>example.org<", b"<header_from> <"),
        "line 33: record/identifiers/header_from: the element is empty; ",
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
        lambda: changed(b"<dkim>pass", b"<dkim>softfail"),
        'line 28: record/row/policy_evaluated/dkim: none of pass, fail; "softfail"; ',
    ),
    "a mail without a report": (
        lambda: b"From: a@b.example\n\nhello\n",
        "a mail without a report (xml, gz or zip) attached to it; ",
    ),
    "a mail of many parts": (
        lambda: mailed(*[b"x"] * (MOST_PARTS + 1)),
        f"a mail of more than {MOST_PARTS} parts; ",
    ),
    "a mail in a mail in a mail": (
        lambda: b"Content-Type: message/rfc822\n\n" * 1_000 + MAIL,
        "a mail nested deeper than 5 levels; ",
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
    assert "total: 2 reports, 6 messages" in done.stdout
    assert done.stderr.splitlines() == [
        f"error: {missing}: cannot be read: No such file or directory; check the path and its mode",
        f'error: {bad}: line 25: record/row/count: not a number of messages; "-1"; '
        "ask the reporter for the report again, or leave it out",
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
    [GOOGLE, RFC9990, YAHOO, MAIL, gzip.compress(YAHOO, mtime=0), zipped(("a.xml", YAHOO))]
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
