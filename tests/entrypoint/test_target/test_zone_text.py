"""Zones as tests write them: what is read, and what is refused with its line and a cure."""

import json
from typing import Any

import pytest

from entrypoint.test_target.zone_text import MOST_BYTES, MOST_NAMES, ZoneError, read_zone
from filters.mailauth.dns.zone import Zone


def test_json_and_yaml_say_the_same() -> None:
    names = {
        "example.org": {"TXT": ["v=spf1 mx -all", ["a", "b"]], "MX": [[10, "mail.example.org"]]},
        "mail.example.org": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"], "TXT": "TIMEOUT"},
        "1.2.0.192.in-addr.arpa": {"PTR": ["mail.example.org"]},
        "www.example.org": {"CNAME": "mail.example.org"},
        "null.example": {"MX": [[0, "."]]},
        "broken.example": "SERVFAIL",
    }
    text = """
example.org:
  TXT: ["v=spf1 mx -all", [a, b]]
  MX: [[10, mail.example.org]]
mail.example.org: {A: [192.0.2.1], AAAA: ['2001:db8::1'], TXT: TIMEOUT}
1.2.0.192.in-addr.arpa: {PTR: [mail.example.org]}
www.example.org: {CNAME: mail.example.org}
null.example: {MX: [[0, .]]}
broken.example: SERVFAIL
"""
    assert read_zone(json.dumps(names)) == read_zone(text) == names
    Zone(names)


@pytest.mark.parametrize("text", ["", "\n", "{}", "---\n", "# nothing\n"])
def test_nothing_is_a_zone_without_names(text: str) -> None:
    assert read_zone(text) == {}


def test_raw_bytes_can_be_in_json() -> None:
    assert read_zone(r'{"a.example": {"TXT": ["\udcff"]}}') == {"a.example": {"TXT": ["\udcff"]}}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a.example": {"TXT": ["x"],}}', "line 1, column 29: no JSON:"),
        ("a.example:\n  TXT: [x\n", "line 3, column 1: no YAML:"),
        ("- a.example\n", "is no mapping of names: write it as"),
        ("a.example: {TXT: [x]}\nb.example: none\n", "line 2: 'b.example' must be a mapping or"),
        ("a.example: {TXT: [x]}\nb.example:\n", "line 2: 'b.example' must be a mapping or"),
        ("a.example: {TXT: x}\n", "TXT of 'a.example' must be a list: write it as"),
        ("a.example: {SPF: [x]}\n", "'a.example' has the unknown type 'SPF'"),
        ("a.example: {TXT: [5]}\n", "TXT of 'a.example' holds a record that is none"),
        ("a.example: {TXT: [[x, 5]]}\n", "holds a record that is none"),
        ("a.example: {MX: [[ten, b.example]]}\n", "holds a record that is none"),
        ("\n\na.example: {A: [192.0.2.256]}\n", "line 3: 'a.example': A '192.0.2.256': no IPv4"),
        ("a.example: {A: ['2001:db8::1']}\n", "no IPv4 address: write 192.0.2.1"),
        ("a.example: {AAAA: [192.0.2.1]}\n", "no IPv6 address: write 2001:db8::1"),
        ("a.example: {AAAA: ['fe80::1%eth0']}\n", "no IPv6 address"),
        ("a.example: {MX: [[70000, b.example]]}\n", "no preference: a number from 0 to 65535"),
        ("a.example: {MX: [[-1, b.example]]}\n", "no preference"),
        ("a.example: {MX: [[10, a..b]]}\n", "no host name"),
        (f"a.example: {{PTR: [{'a' * 64}.example]}}\n", "no host name"),
        ("a.example: {CNAME: a..b}\n", "no host name"),
        (f"{'a' * 64}.example: NODATA\n", "cannot be asked for: labels have 1 to 63 bytes"),
        ("a..example: NODATA\n", "cannot be asked for"),
        ('{"": "NODATA"}', "cannot be asked for"),
        ("a.example: NODATA\nA.example.: NODATA\n", "line 2: 'A.example.' stands twice"),
        ("a.example: NODATA\na.example: NODATA\n", "line 2: 'a.example' stands twice"),
        ("a.example:\n  A: [192.0.2.1]\n  A: [192.0.2.2]\n", "line 3: 'A' stands twice"),
        ('{"a.example": "NODATA",\n"a.example": "NODATA"}', "'a.example' stands twice"),
        ("5: NODATA\n", "the name 5 is no text: put it in quotes"),
        ("a.example: &x {A: [192.0.2.1]}\nb.example: *x\n", "an alias (*name) points here"),
        ("a.example: !!python/object/new:os.system [x]\n", "line 1, column 12: no YAML"),
        ("a.example: NODATA\n---\nb.example: NODATA\n", "line 2, column 1: no YAML"),
        (r'{"a.example": {"TXT": ["\ud800"]}}', "half of a character pair"),
        ("a.example: {TXT: [" + "x" * 32_001 + "]}\n", "longer than a record can be"),
        ('{"a":' + "[" * 500_000, "line 1"),
        ("[" * 500_000, "line 1"),
        ("a: " + "&a [" * 1_000, "line 1"),
        (json.dumps({f"n{n}": "NODATA" for n in range(MOST_NAMES + 1)}), "10001 names"),
        ("#" * (MOST_BYTES + 1), "longer than 1000000 bytes"),
        ("a\x00b: NODATA", "no YAML"),
    ],
)
def test_what_is_no_zone_is_refused_and_named(text: str, said: str) -> None:
    with pytest.raises(ZoneError) as refused:
        read_zone(text)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 4_000


def test_all_errors_are_named_at_once_and_not_without_end() -> None:
    lines = [f"n{number}.example: none\n" for number in range(50)]
    with pytest.raises(ZoneError) as refused:
        read_zone("".join(lines[:2]) + "ok.example: NODATA\n" + lines[2])
    said = str(refused.value).split("\n")
    assert [line.partition(":")[0] for line in said] == ["line 1", "line 2", "line 4"]
    with pytest.raises(ZoneError) as refused:
        read_zone("".join(lines))
    assert len(str(refused.value).split("\n")) == 10


@pytest.mark.parametrize(
    "node", ["SERVFAIL", "TIMEOUT", "NODATA", {"A": "TIMEOUT", "TXT": "SERVFAIL"}, {"MX": []}, {}]
)
def test_failures_are_kept(node: Any) -> None:
    assert read_zone(json.dumps({"a.example": node})) == {"a.example": node}


DIGITS = "9" * 5_000


@pytest.mark.parametrize(
    "text",
    [
        *(f'{{"a.example": {DIGITS}}}', f'{{"a.example": {{"MX": [[{DIGITS}, "b.example"]]}}}}'),
        *('{"a.example": {"MX": [[1e999, "b"]]}}', '{"a.example": {"TXT": [NaN]}}'),
        *("{" + '"a": {' * 100_000, "a.example: " + "[" * 100_000, '{"a":' + "[" * 100_000),
        *(f"a.example: {DIGITS}", f"a.example: 0x{'f' * 5_000}", f"0x{'f' * 5_000}: 1"),
        *(f"0x{'f' * 5_000}", f"a.example: {{MX: [[0x{'f' * 5_000}, b.example]]}}"),
        *("a.example: !!bool x", "a.example: !!int ''", "a.example: !!float ''"),
        *("a.example: !!timestamp x", "a.example: !!binary ü", "a.example: !!omap x"),
        *("a.example: 2026-99-99", "? [a]\n: b", "? {a: b}\n: c", "!!set {a}", "!!pairs [a]"),
        *("a.example: {TXT: [!!set {a}]}", "a.example: {A: [!!float '1e400']}"),
        *("a.example: {A: [.inf]}", "a.example: {MX: [[.nan, b]]}", "a.example: {1: [a]}"),
        *("a.example: {TXT: [[1]]}", "a.example: {TXT: [[]]}", "a.example: {A: []}"),
        *("a.example: {A: {a: b}}", "a.example: {A: 1}", "a.example: {A: null}"),
        *("a.example: {MX: [[1]]}", "a.example: {MX: [[]]}", "a.example: {MX: [x]}"),
        *("a.example: {MX: [[1, 2]]}", "a.example: {MX: ab}", "a.example: {MX: [{a: b}]}"),
        "a.example: {? [x] : [a]}",
    ],
)
def test_what_no_parser_likes_is_an_error_with_words_or_a_zone(text: str) -> None:
    said = "line "
    try:
        json.dumps(read_zone(text))
    except ZoneError as error:
        said = str(error)
    assert "line " in said
    assert len(said) < 2_000
