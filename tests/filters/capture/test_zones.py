"""A run's zone in front of that of all, and what was asked."""

import asyncio

import pytest

from filters.capture.zones import RunZones
from filters.mailauth.dns.types import Answer, DnsTemporaryError


def zones() -> RunZones:
    found = RunZones()
    found.put("", {"a.example": {"TXT": ["all"], "MX": [[10, "mx.a.example"]]}, "b.example": {}})
    found.put("w1", {"A.example.": {"TXT": ["w1"]}, "late.example": "TIMEOUT"})
    found.put("w2", {"c.example": {"CNAME": "a.example"}, "bad.example": {"TXT": "SERVFAIL"}})
    return found


def ask(runs: list[str], name: str, rdtype: str = "TXT") -> Answer:
    return asyncio.run(zones().resolver(runs).query(name, rdtype))


def test_a_name_is_the_runs_with_all_its_types_and_other_names_are_of_all() -> None:
    assert ask(["w1"], "a.example").texts == (b"w1",)
    assert ask(["w1"], "a.example", "MX").records == ()
    assert not ask(["w1"], "b.example").nxdomain
    assert ask([], "a.example").texts == (b"all",)
    assert ask(["w3", "b.example"], "a.example").texts == (b"all",)
    assert ask(["w1"], "nobody.example").nxdomain


def test_the_first_run_with_a_zone_is_the_one() -> None:
    assert ask(["w0", "w2", "w1"], "a.example").texts == (b"all",)
    assert ask(["w0", "w1", "w2"], "a.example").texts == (b"w1",)


def test_an_alias_leads_from_a_runs_zone_to_that_of_all() -> None:
    assert ask(["w2"], "c.example").texts == (b"all",)


def test_a_zone_ends() -> None:
    found = zones()
    found.put("w1", None)
    found.put("", {})
    assert asyncio.run(found.resolver(["w1"]).query("a.example", "TXT")).nxdomain
    found.put("", None)
    assert asyncio.run(found.resolver(["w1"]).query("a.example", "TXT")).nxdomain


def test_who_knows_no_run_sees_the_zone_of_all_first() -> None:
    everything = zones().everything()
    assert everything.find("a.example", "TXT").records == (b"all",)
    assert everything.find("c.example", "CNAME").records == ("a.example",)
    assert everything.find("late.example", "A").failure == "TIMEOUT"
    assert not everything.find("nobody.example", "A").exists


def test_what_was_asked_is_told_with_its_answer_and_a_time_out_does_not_wait() -> None:
    found = zones()
    resolver = found.resolver(["w1"])
    assert resolver.cached("a.example", "MX") == Answer(())
    assert resolver.cached("nobody.example", "A") == Answer((), nxdomain=True)
    assert isinstance(resolver.cached("late.example", "TXT"), DnsTemporaryError)
    with pytest.raises(DnsTemporaryError):
        asyncio.run(resolver.query("late.example", "TXT"))
    resolver.cached("a.example", "TXT")
    resolver.cached("a.example", "TXT")
    assert resolver.to_json() == [
        {"Name": "a.example", "Type": "MX", "Result": "NODATA", "Records": []},
        {"Name": "nobody.example", "Type": "A", "Result": "NXDOMAIN", "Records": []},
        {"Name": "late.example", "Type": "TXT", "Result": "TIMEOUT", "Records": []},
        {"Name": "a.example", "Type": "TXT", "Result": "NOERROR", "Records": ["w1"]},
    ]


def test_records_of_raw_bytes_and_without_end_are_shown_as_text() -> None:
    found = RunZones()
    names = {"a.example": {"TXT": ["\udcff" + "x" * 9_000], "MX": [[0, "."]]}}
    found.put("", names)
    resolver = found.resolver([])
    resolver.cached("a.example", "TXT")
    resolver.cached("a.example", "MX")
    resolver.cached("bad.example", "A")
    resolver.cached("\udcff.example", "A")
    shown = resolver.to_json()
    assert shown[0]["Records"][0].startswith("\\xffxxx")
    assert len(shown[0]["Records"][0]) < 2_100
    assert shown[1]["Records"] == ["0 ."]
    assert shown[3]["Name"].isascii()
