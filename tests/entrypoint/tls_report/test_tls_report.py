"""`signpost tls-report`: what it reads, what it says of it, and what it refuses."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.cli import signpost
from entrypoint.dmarc_report.error import MOST_NOTES, ReportError
from entrypoint.dmarc_report.unpack import MOST_JSON
from entrypoint.tls_report.report import MOST_VALUES, read_tls_report

# In the form of RFC 8460, Appendix B.
FAILURES = [
    {
        "result-type": "certificate-expired",
        "sending-mta-ip": "2001:db8::25",
        "receiving-mx-hostname": "mx1.example.org",
        "failed-session-count": 3,
    },
    {
        "result-type": "starttls-not-supported",
        "sending-mta-ip": "192.0.2.25",
        "receiving-mx-hostname": "mx2.example.org",
        "receiving-ip": "203.0.113.56",
        "receiving-mx-helo": "mx2",
        "failed-session-count": 20,
        "additional-information": "https://sender.example/info?id=1",
        "failure-reason-code": "500 no TLS",
    },
]
POLICY = {
    "policy": {
        "policy-type": "sts",
        "policy-string": ["version: STSv1", "mode: enforce", "mx: *.example.org"],
        "policy-domain": "Example.ORG.",
        "mx-host": "*.example.org",
    },
    "summary": {"total-successful-session-count": 5326, "total-failure-session-count": 24},
    "failure-details": FAILURES,
}
WITHOUT = {
    "policy": {"policy-type": "no-policy-found", "policy-domain": "news.example.org"},
    "summary": {"total-successful-session-count": 7, "total-failure-session-count": 0},
}
REPORT = {
    "organization-name": "Sender Inc.",
    "date-range": {
        "start-datetime": "2026-01-01T00:00:00Z",
        "end-datetime": "2026-01-01T23:59:59Z",
    },
    "contact-info": "tls@sender.example",
    "report-id": "2026-01-01_example.org",
    "policies": [POLICY, WITHOUT],
}
PLAIN = json.dumps(REPORT, indent=1).encode()


def run(*arguments: str | Path, stdin: bytes = b"", color: bool = False) -> Result:
    words = ["tls-report", *map(str, arguments)]
    return CliRunner().invoke(signpost, words, input=stdin, color=color, catch_exceptions=False)


def zipped(content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", content)
    return stream.getvalue()


def mailed(content: bytes, kind: str = "application/tlsrpt+gzip") -> bytes:
    """A mail in the form of RFC 8460 §5.3."""
    return (
        b"From: tls@sender.example\nTLS-Report-Domain: example.org\nMIME-Version: 1.0\n"
        b"Content-Type: multipart/report; report-type=tlsrpt; boundary=b\n\n"
        b"--b\nContent-Type: text/plain\n\nA report.\n"
        b"--b\nContent-Type: %b\nContent-Transfer-Encoding: base64\n\n%b\n--b--\n"
        % (kind.encode(), base64.encodebytes(content))
    )


def changed(old: bytes, new: bytes, report: bytes = PLAIN) -> bytes:
    assert old in report
    return report.replace(old, new, 1)


def test_the_json_has_the_documented_keys() -> None:
    shown = json.loads(run("-", "--json", stdin=PLAIN).stdout)
    assert shown == {
        "reports": [
            {
                "file": "standard input",
                "reporter": "Sender Inc.",
                "contact": "tls@sender.example",
                "report_id": "2026-01-01_example.org",
                "begin": "2026-01-01T00:00:00Z",
                "end": "2026-01-01T23:59:59Z",
                "policies": [
                    {
                        "type": "sts",
                        "domain": "example.org",
                        "string": ["version: STSv1", "mode: enforce", "mx: *.example.org"],
                        "mx_host": ["*.example.org"],
                        "successful": 5326,
                        "failed": 24,
                        "failures": [
                            {
                                "result_type": "certificate-expired",
                                "count": 3,
                                "sending_mta_ip": "2001:db8::25",
                                "receiving_ip": "",
                                "receiving_mx_hostname": "mx1.example.org",
                                "receiving_mx_helo": "",
                                "additional_information": "",
                                "failure_reason_code": "",
                            },
                            {
                                "result_type": "starttls-not-supported",
                                "count": 20,
                                "sending_mta_ip": "192.0.2.25",
                                "receiving_ip": "203.0.113.56",
                                "receiving_mx_hostname": "mx2.example.org",
                                "receiving_mx_helo": "mx2",
                                "additional_information": "https://sender.example/info?id=1",
                                "failure_reason_code": "500 no TLS",
                            },
                        ],
                    },
                    {
                        "type": "no-policy-found",
                        "domain": "news.example.org",
                        "string": [],
                        "mx_host": [],
                        "successful": 7,
                        "failed": 0,
                        "failures": [],
                    },
                ],
                "warnings": [],
                "successful": 5333,
                "failed": 24,
            }
        ],
        "totals": {"reports": 1, "successful": 5333, "failed": 24},
        "repeated": [],
        "errors": [],
    }


def test_the_table_has_what_failed_first() -> None:
    done = run("-", stdin=PLAIN)
    assert done.exit_code == 0
    table, reports = done.stdout.split("\n\n")
    rows = [re.split(r" {2,}", line) for line in table.splitlines()]
    period = "2026-01-01 00:00 - 2026-01-01 23:59"
    assert rows == [
        [
            *("TLS", "COUNT", "DOMAIN", "POLICY", "RESULT", "SENDER", "MX", "REASON"),
            *("REPORTER", "PERIOD (UTC)"),
        ],
        [
            *("FAIL", "20", "example.org", "sts", "starttls-not-supported", "192.0.2.25"),
            *("mx2.example.org", "500 no TLS", "Sender Inc.", period),
        ],
        [
            *("FAIL", "3", "example.org", "sts", "certificate-expired", "2001:db8::25"),
            *("mx1.example.org", "Sender Inc.", period),
        ],
        # The summary counts one more than the details explain.
        ["FAIL", "1", "example.org", "sts", "no details", "Sender Inc.", period],
        ["ok", "5326", "example.org", "sts", "Sender Inc.", period],
        ["ok", "7", "news.example.org", "no-policy-found", "Sender Inc.", period],
    ]
    assert reports.splitlines() == [
        f"Sender Inc., {period} UTC: 5333 sessions ok, 24 failed; "
        "report 2026-01-01_example.org in standard input",
        "total: 1 report, 5333 sessions ok, 24 failed",
    ]


def test_what_failed_is_red_on_a_terminal() -> None:
    lines = run("-", stdin=PLAIN, color=True).stdout.splitlines()
    assert [line.startswith("\x1b[31m") for line in lines[:5]] == [False, True, True, True, False]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(gzip.compress(PLAIN), id=".json.gz"),
        pytest.param(zipped(PLAIN), id="zip"),
        pytest.param(mailed(gzip.compress(PLAIN)), id="mail"),
        pytest.param(mailed(PLAIN, "application/tlsrpt+json"), id="mail, plain"),
        pytest.param(mailed(PLAIN, "text/plain; name=a.json"), id="mail, by its name"),
        pytest.param(
            mailed(gzip.compress(PLAIN), "application/octet-stream"), id="mail, by its bytes"
        ),
        pytest.param(
            b"From a@b Thu Jan  1 02:03:04 2026\n"
            + mailed(gzip.compress(PLAIN)).replace(b"base64\n", b"base64 (so)\n"),
            id="mbox, and a comment",
        ),
        pytest.param(
            b"From: a@b.example\nContent-Type: application/tlsrpt+json\n\n" + PLAIN,
            id="the mail is the report",
        ),
        pytest.param(b"\xef\xbb\xbf" + PLAIN + b"\r\n\0", id="byte order mark"),
    ],
)
def test_packed_and_mailed_it_is_the_same_report(content: bytes) -> None:
    done = run("-", "--json", stdin=content)
    assert (done.exit_code, done.stderr) == (0, "")
    (report,) = json.loads(done.stdout)["reports"]
    assert (report["successful"], report["failed"], report["warnings"]) == (5333, 24, [])


def test_a_report_that_comes_twice_counts_once(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_bytes(PLAIN)
    done = run(file, "-", stdin=mailed(gzip.compress(PLAIN)))
    assert "counted before: standard input: attachment without a name" in done.stdout
    assert "total: 1 report, " in done.stdout


@pytest.mark.parametrize(
    ("report", "warnings"),
    [
        (changed(b'"Sender Inc."', b'" "'), ["no organization-name"]),
        (changed(b'"Sender Inc."', b"null"), ["no organization-name"]),
        (changed(b'"tls@sender.example"', b"[1]"), ["contact-info: not a text, and not read"]),
        (
            changed(b"5326", b'"5326"'),
            ["policies 1/summary/total-successful-session-count: a number in quotes"],
        ),
        (changed(b"5326", b"5326.0"), []),
        (changed(b"Sender Inc.", b"S\xff"), ["bytes that are not utf-8, shown as \ufffd"]),
        (changed(b"Sender Inc.", b"S\ninc"), []),
        (PLAIN + b"\n-- \nscanned", ["there is more after the report"]),
        (changed(b"2026-01-01T00:00:00Z", b"2026-01-01T01:00:00+01:00"), []),
        (changed(b"2026-01-01T00:00:00Z", b"2026-01-01 00:00:00"), []),
        (changed(b"2026-01-01T00:00:00Z", b"2026-01-01"), []),
        (
            json.dumps({**REPORT, "policies": POLICY}).encode(),
            ["policies: an object, where a list of objects stands"],
        ),
        (changed(b'"2001:db8::25"', b'""'), []),
        (changed(b'"failure-details"', b'"unknown"'), []),
    ],
)
def test_what_is_odd_is_read_and_named(report: bytes, warnings: list[str]) -> None:
    done = run("-", "--json", stdin=report)
    assert (done.exit_code, done.stderr) == (0, "")
    (shown,) = json.loads(done.stdout)["reports"]
    assert shown["warnings"] == warnings
    assert (shown["policies"][0]["successful"], shown["failed"]) == (5326, 24)
    assert shown["begin"] == "2026-01-01T00:00:00Z"
    assert run("-", stdin=report).stdout.count("\n  warning: ") == len(warnings)


@pytest.mark.parametrize(
    ("report", "failures", "error"),
    [
        (
            changed(b'"failed-session-count": 3', b'"failed-session-count": -3'),
            [1, 0],
            "policies 1/failure-details 1/failed-session-count: not a number of sessions; "
            '"a number"; ',
        ),
        (
            changed(b'"failed-session-count": 3', b'"failed-session-count": true'),
            [1, 0],
            "policies 1/failure-details 1/failed-session-count: not a number of sessions; "
            '"true or false"; ',
        ),
        (
            changed(b"5326", b'"many"'),
            [0],
            'policies 1/summary/total-successful-session-count: not a number of sessions; "many"; ',
        ),
        (
            json.dumps({**REPORT, "policies": [POLICY, "x", WITHOUT]}).encode(),
            [2, 0],
            'policies 2: not a JSON object; "x"; ',
        ),
        (
            json.dumps({**REPORT, "policies": [POLICY, {"policy": {}}]}).encode(),
            [2],
            "policies 2: summary is missing; ",
        ),
    ],
)
def test_the_rest_is_read_and_the_exit_status_says_so(
    report: bytes, failures: list[int], error: str
) -> None:
    done = run("-", "--json", stdin=report)
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: standard input: {error}")
    assert line.endswith("; the rest was read")
    (shown,) = json.loads(done.stdout)["reports"]
    assert [len(policy["failures"]) for policy in shown["policies"]] == failures


def test_thousands_of_bad_policies_are_counted_not_listed() -> None:
    done = run("-", stdin=json.dumps({**REPORT, "policies": [{}] * 5_000 + [POLICY]}).encode())
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == MOST_NOTES + 1
    assert "total: 1 report, 5326 sessions ok" in done.stdout


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"\n", "the file is empty; "),
    "no JSON": (lambda: b"hello", "neither JSON nor gzip nor zip nor an e-mail message; "),
    "a list": (lambda: b"[]", "neither JSON nor gzip nor zip nor an e-mail message; "),
    "a DMARC report": (
        lambda: b"<feedback/>",
        "XML, as DMARC reports are; read it with `signpost dmarc-report`",
    ),
    "a failure report": (
        lambda: b"From: a@b.example\nContent-Type: message/feedback-report\n\nA: b\n",
        "a DMARC failure report; read it with `signpost dmarc-report`",
    ),
    "cut off": (lambda: PLAIN[:-9], "line "),
    "no dates": (lambda: changed(b'"date-range"', b'"x"'), "date-range is missing; "),
    "a date of words": (
        lambda: changed(b"2026-01-01T00:00:00Z", b"yesterday\\u001b[2J"),
        r'date-range/start-datetime: not a date and time; "yesterday\x1b[2J"; ',
    ),
    "a date beyond all calendars": (
        lambda: changed(b"2026-01-01T00", b"0001-01-01T00"),
        'date-range/start-datetime: not a date and time; "0001-01-01T00:00:00Z"; ',
    ),
    "no policies": (lambda: changed(b'"policies"', b'"x"'), "policies: it tells of no policy; "),
    "policies that are none": (
        lambda: json.dumps({**REPORT, "policies": [{}]}).encode(),
        "policies 1: policy is missing; ",
    ),
    "a number instead": (
        lambda: json.dumps({**REPORT, "policies": 5}).encode(),
        'policies: not a list; "a number"; ',
    ),
    "deep nesting": (lambda: b'{"a":' * 100_000 + b"1", "nested too deep; "),
    "deep lists": (lambda: b'{"a":' + b"[" * 100_000, "nested too deep; "),
    "half a million values": (
        lambda: b'{"a":[' + b"{}," * MOST_VALUES + b"{}]}",
        f"more than {MOST_VALUES} values; ",
    ),
    "a number of 100,000 digits": (
        lambda: changed(b"5326", b"9" * 100_000),
        "a number that is none of sessions; ",
    ),
    "NaN": (lambda: changed(b"5326", b"NaN"), "a number that is none of sessions; "),
    "a bomb": (
        lambda: gzip.compress(b"{" + b" " * (2 * MOST_JSON)),
        "it holds more than 8 MiB of JSON (decompressed, all of the file); ",
    ),
    "cut off gzip": (lambda: gzip.compress(PLAIN)[:-20], "the gzip data ends too early; "),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_the_reason_and_the_cure(case: str) -> None:
    make, reason = REFUSED[case]
    done = run("-", stdin=make())
    assert done.exit_code == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: standard input: {reason}")
    assert len(line) < 400


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_control_characters_in_a_value_reach_nobody(form: tuple[str, ...]) -> None:
    def hostile(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: hostile(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [hostile(inner) for inner in value]
        if isinstance(value, str) and not value.startswith("2026-01-01T"):
            return f"{value}\x1b[2J\x9b\u202e\ud800\n"
        return value

    done = run("-", *form, stdin=json.dumps(hostile(REPORT)).encode())
    assert done.exit_code == 0
    assert all(char.isprintable() or char == "\n" for char in done.stdout)
    assert "\\x1b[2J\\x9b\\u202e" in done.stdout or form


def test_it_needs_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOMAINS", "not a domain")
    assert run("-", stdin=PLAIN).exit_code == 0


# Whatever comes

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


@st.composite
def replaced(draw: st.DrawFn) -> bytes:
    """A good report in which one value is any other."""
    report = json.loads(PLAIN)
    place: Any = report
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or draw(st.booleans()):
            place[key] = draw(VALUES)
            return json.dumps(report).encode()
        place = place[key]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good file in which some bytes are others, more or fewer."""
    raw = bytearray(draw(st.sampled_from([PLAIN, mailed(PLAIN, "application/tlsrpt+json")])))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        raw[at : at + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return bytes(raw)


@unhurried
@given(st.binary() | damaged() | replaced())
def test_no_bytes_do_anything_but_be_read_or_refused(raw: bytes) -> None:
    done = run("-", stdin=raw)
    assert done.exit_code == (2 if done.stderr else 0)
    assert all(char.isprintable() or char == "\n" for char in done.stdout + done.stderr)


@unhurried
@given(st.binary() | damaged() | replaced())
def test_no_bytes_raise_anything_but_the_report_error(raw: bytes) -> None:
    try:
        report = read_tls_report(raw)
    except ReportError:
        return
    assert report.policies
    assert all(policy.successful >= 0 <= policy.failed for policy in report.policies)
