"""`signpost dmarc-report`: what it says, as text, JSON and HTML."""

from __future__ import annotations

import gzip
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from .reports import GOOGLE, PACKED, SAMPLES, YAHOO, mailed, run


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
