"""`signpost dmarc-report`: what it refuses, with the reason and the cure."""

from __future__ import annotations

import base64
import gzip
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from entrypoint.dmarc_report.mail import MOST_PARTS
from entrypoint.dmarc_report.unpack import MOST_READ, MOST_XML
from entrypoint.dmarc_report.xml import MOST_DEPTH, MOST_ELEMENTS_OF_A_CHILD, MOST_TEXT

from .reports import GOOGLE, MAIL, SAMPLES, YAHOO, changed, mailed, run, zipped

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
