"""What DNS holds, for all and for a run: set, shown, deleted over HTTP; handed on before that."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest

from entrypoint.test_target import zone_table as module
from entrypoint.test_target.zone_table import ZoneTable
from entrypoint.test_target.zone_text import ZoneError
from tests.entrypoint.test_target.running import Running

A = {"a.example": {"A": ["192.0.2.1"]}}
B = {"b.example": "SERVFAIL"}


def test_a_zone_is_set_and_shown(target: Running) -> None:
    none = {"run": "", "zone": {}, "runs": []}
    assert target.get("/api/v1/dns").json == none
    answer = target.ask("PUT", "/api/v1/dns", A)
    assert (answer.status, answer.json) == (200, {**none, "zone": A})
    assert target.ask("PUT", "/api/v1/dns", b"b.example: SERVFAIL\n").json["zone"] == B
    assert target.get("/api/v1/dns").json == {**none, "zone": B}


def test_a_run_has_a_zone_of_its_own(target: Running) -> None:
    target.ask("PUT", "/api/v1/dns", A)
    answer = target.ask("PUT", "/api/v1/dns?run=One", B)
    assert answer.json == {"run": "one", "zone": B, "runs": ["one"]}
    assert target.get("/api/v1/dns").json == {"run": "", "zone": A, "runs": ["one"]}
    assert target.get("/api/v1/dns", run="ONE").json["zone"] == B
    assert target.get("/api/v1/dns", run="two").json == {"run": "two", "zone": {}, "runs": ["one"]}
    assert target.ask("DELETE", "/api/v1/dns?run=oNe").text == "ok"
    assert target.get("/api/v1/dns").json == {"run": "", "zone": A, "runs": []}
    target.ask("PUT", "/api/v1/dns?run=one", B)
    assert target.ask("DELETE", "/api/v1/dns").text == "ok"
    assert target.get("/api/v1/dns").json == {"run": "", "zone": {}, "runs": []}


def test_raw_bytes_come_back_as_they_were_written(target: Running) -> None:
    body = rb'{"a.example": {"TXT": ["\udcff<ok>"]}}'
    answer = target.ask("PUT", "/api/v1/dns", body)
    assert (answer.status, "<" in answer.text) == (200, False)
    assert target.get("/api/v1/dns").json["zone"] == json.loads(body)


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("/api/v1/dns", b"a.example: none\n", "line 1: 'a.example' must be a mapping"),
        ("/api/v1/dns?run=one", b"{", "line 1, column 2: no JSON"),
        ("/api/v1/dns", b"a.example: NODATA\n\xff.example: NODATA\n", "line 2: no UTF-8"),
        ("/api/v1/dns", b"#" * 1_000_001, "longer than 1000000 bytes"),
        ("/api/v1/dns?run=a%20b", b"{}", "run: 'a b': write 1 to 255 characters"),
        ("/api/v1/dns?run=" + "a" * 256, b"{}", "run: 'aaa"),
    ],
)
def test_a_zone_that_is_none_changes_nothing(
    target: Running, path: str, body: bytes, said: str
) -> None:
    target.ask("PUT", "/api/v1/dns", A)
    answer = target.ask("PUT", path, body)
    assert (answer.status, said in answer.text) == (400, True), answer.text
    assert target.get("/api/v1/dns").json == {"run": "", "zone": A, "runs": []}


def test_whoever_verifies_has_it_before_the_answer() -> None:
    told: list[tuple[str, Mapping[str, Any] | None]] = []

    async def publish(run: str, names: Mapping[str, Any] | None) -> None:
        await asyncio.sleep(0)
        told.append((run, names))

    async def case() -> None:
        zones = ZoneTable(publish, initial=A)
        assert zones.get() == A
        assert zones.served.everything().find("a.example", "A").records == ("192.0.2.1",)
        await zones.set(None, json.dumps(B))
        assert told == [("", B)]
        assert zones.served.everything().find("b.example", "A").failure == "SERVFAIL"
        assert not zones.served.everything().find("a.example", "A").exists
        await zones.set("One", json.dumps(A))
        assert told[1:] == [("one", A)]
        assert await zones.clear("two") == 0
        assert await zones.clear() == 2
        assert told[2:] == [("", A), ("one", None)]
        assert (zones.get(), zones.get("one"), zones.runs()) == (A, None, [])
        assert zones.served.everything().find("a.example", "A").exists

    asyncio.run(case())


def test_of_two_at_once_the_later_holds_everywhere() -> None:
    held: list[Mapping[str, Any] | None] = []

    async def case() -> None:
        second = asyncio.Event()

        async def publish(run: str, names: Mapping[str, Any] | None) -> None:
            if zones.get(run) == A and not held:  # slower than one that comes after it
                with suppress(TimeoutError):
                    await asyncio.wait_for(second.wait(), 0.2)
            held.append(names)
            second.set()

        zones = ZoneTable(publish)
        await asyncio.gather(*(zones.set("one", json.dumps(names)) for names in (A, B)))
        assert zones.get("one") == held[-1]

    asyncio.run(case())


@pytest.mark.parametrize(("bound", "most"), [("MOST_ZONES", 2), ("MOST_BYTES_TOGETHER", 10)])
def test_there_is_an_end_to_them(bound: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, bound, most)

    async def case() -> None:
        zones = ZoneTable()
        for run in ("one", "two"):
            await zones.set(run, "# x\n")
        with pytest.raises(ZoneError, match="delete those of runs that are over"):
            await zones.set("three", "# x\n")
        await zones.set("two", "# y\n")
        await zones.clear("one")
        await zones.set("three", "# x\n")
        assert zones.runs() == ["three", "two"]

    asyncio.run(case())


def test_a_name_of_the_runs_is_its_own_alone() -> None:
    of_all = {"A.example.": {"A": ["192.0.2.1"], "TXT": ["x"]}, "b.example": "NODATA"}
    run = {"a.EXAMPLE": {"A": ["192.0.2.2"]}, "c.example": "NODATA"}

    async def case() -> None:
        zones = ZoneTable(initial=of_all)
        await zones.set("one", json.dumps(run))
        own, others = zones.served.resolver(["one"]), zones.served.resolver(["two"])
        assert (await own.query("a.example", "A")).names == ("192.0.2.2",)
        assert (await own.query("a.example", "TXT")).records == ()
        assert not (await own.query("b.example", "A")).nxdomain
        assert not (await own.query("c.example", "A")).nxdomain
        assert (await others.query("a.example", "A")).names == ("192.0.2.1",)
        assert (await others.query("a.example", "TXT")).texts == (b"x",)
        assert (await others.query("c.example", "A")).nxdomain

    asyncio.run(case())
