"""`signpost dmarc-report`: failure reports (RFC 9991)."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from .reports import MBOX, SAMPLES, failure, mailed, run


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
