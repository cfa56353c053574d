"""A result of SPF that is known already is what an evaluation would say, or there is one."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.mailauth.dns.resolver import Answer, DnsTemporaryError, Lookup, StaticResolver
from filters.mailauth.dns.types import Outcome, question
from filters.mailauth.envelope import Envelope
from filters.mailauth.results import SpfResult
from filters.mailauth.spf import check as spf_check
from filters.mailauth.spf.query import Evaluation
from filters.mailauth.spf.result_cache import ResultCache


class Caching:
    """A resolver that has the very same answer until it is told to forget."""

    def __init__(self, zone: dict[str, Any]) -> None:
        self.zone = StaticResolver(zone)
        self.known: dict[tuple[str, str], Outcome] = {}

    def cached(self, name: str, rdtype: str) -> Outcome | None:
        return self.known.get(question(name, rdtype))

    async def query(self, name: str, rdtype: str) -> Answer:
        try:
            answer = self.zone.answer(name, rdtype)
        except DnsTemporaryError as error:
            self.known[question(name, rdtype)] = error
            raise
        self.known[question(name, rdtype)] = answer
        return answer


class Evaluations:
    """How many there have been."""

    count = 0


@pytest.fixture
def evaluations(monkeypatch: pytest.MonkeyPatch) -> Evaluations:
    """Of a cache that is empty at first; runs that end in a question do not count."""
    counted = Evaluations()
    run = Evaluation.run

    def counting(evaluation: Evaluation) -> tuple[str, str, str]:
        found = run(evaluation)
        counted.count += 1
        return found

    monkeypatch.setattr(Evaluation, "run", counting)
    monkeypatch.setattr(spf_check, "_results", ResultCache())
    return counted


def check(
    resolver: Any, sender: str = "a@example.org", helo: str = "h.test", client: str = "192.0.2.1"
) -> SpfResult:
    return asyncio.run(spf_check.check(Envelope(client, helo, sender), resolver))


def zone(record: str, **more: Any) -> dict[str, Any]:
    return {"example.org": {"TXT": [f"v=spf1 {record}"], "A": ["192.0.2.1"]}, **more}


def test_the_same_answers_are_evaluated_once(evaluations: Evaluations) -> None:
    resolver = Caching(zone("mx a -all"))
    found = {check(resolver).result for _ in range(3)}
    assert (found, evaluations.count) == ({"pass"}, 1)


def test_a_domain_is_evaluated_once_for_all_its_senders(evaluations: Evaluations) -> None:
    resolver = Caching(zone("a -all"))
    senders = ["a@example.org", "b@example.org", '"x@y"@example.org']
    found = [check(resolver, sender, f"{sender[0]}.test") for sender in senders]
    assert [one.sender for one in found] == senders
    assert ({one.result for one in found}, evaluations.count) == ({"pass"}, 1)


@pytest.mark.parametrize("macro", ["%{l}", "%{s}", "%{h}", "%{L}", "%{l1r-}", "%{S2}"])
@pytest.mark.parametrize(
    "place", ["?exists:{}.example.net", "?include:{}.example.net", "exp={}.example.net"]
)
def test_what_looks_at_the_sender_is_evaluated_for_each(
    evaluations: Evaluations, macro: str, place: str
) -> None:
    resolver = Caching(
        zone(f"{place.format(macro)} -all", **{"a.example.net": {"A": ["127.0.0.2"]}})
    )
    for number in range(3):
        check(resolver, f"{'abc'[number]}@example.org", f"{number}.test")
    assert evaluations.count == 3


@pytest.mark.parametrize("macro", ["%{t}", "%{T}"])
def test_what_looks_at_the_clock_is_evaluated_each_time(
    evaluations: Evaluations, macro: str
) -> None:
    resolver = Caching(zone("-all exp=why.test", **{"why.test": {"TXT": [f"at {macro}"]}}))
    for _ in range(2):
        assert check(resolver, client="192.0.2.9").explanation.startswith("at 1")
    assert evaluations.count == 2


def test_another_client_is_another_result(evaluations: Evaluations) -> None:
    resolver = Caching(zone("a -all"))
    clients = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "192.0.2.1"]
    found = [check(resolver, client=client).result for client in clients]
    assert (found, evaluations.count) == (["pass", "fail", "fail", "pass"], 3)


def test_the_null_sender_and_its_helo_are_another_result(evaluations: Evaluations) -> None:
    resolver = Caching(zone("exists:%{l}.test -all", **{"postmaster.test": {"A": ["127.0.0.2"]}}))
    found = [check(resolver, sender, "example.org").result for sender in ("", "a@example.org", "")]
    assert found == ["pass", "fail", "pass"]


@pytest.mark.parametrize("changed", [("example.org", "TXT"), ("example.org", "A")])
def test_what_says_the_same_again_is_not_evaluated_again(
    evaluations: Evaluations, changed: tuple[str, str]
) -> None:
    """Its time to live was over: the answer is another object."""
    resolver = Caching(zone("a -all"))
    check(resolver)
    del resolver.known[changed]
    asyncio.run(resolver.query(*changed))
    assert check(resolver).result == "pass"
    assert evaluations.count == 1


@pytest.mark.parametrize(
    ("asked", "answer", "result"),
    [
        (("example.org", "A"), Answer(("192.0.2.2",)), "fail"),
        (("example.org", "A"), Answer(), "fail"),
        (("example.org", "A"), Answer(nxdomain=True), "fail"),
        (("example.org", "A"), DnsTemporaryError("SERVFAIL"), "temperror"),
        (("example.org", "TXT"), Answer((b"v=spf1 -all",)), "fail"),
        (("example.org", "TXT"), Answer(), "none"),
    ],
)
def test_a_new_answer_is_evaluated(
    evaluations: Evaluations, asked: tuple[str, str], answer: Outcome, result: str
) -> None:
    resolver = Caching(zone("a -all"))
    check(resolver)
    resolver.known[asked] = answer
    assert check(resolver).result == result
    assert evaluations.count == 2


def test_another_resolver_is_another_result(evaluations: Evaluations) -> None:
    assert check(Caching(zone("a -all"))).result == "pass"
    assert check(Caching(zone("-all"))).result == "fail"


def test_a_failure_is_not_kept(evaluations: Evaluations) -> None:
    resolver = Caching(zone("a:late.test a -all", **{"late.test": "SERVFAIL"}))
    assert [check(resolver).result for _ in range(2)] == ["temperror"] * 2
    assert (evaluations.count, len(spf_check._results)) == (2, 0)


def test_what_a_message_may_ask_does_not_depend_on_others(evaluations: Evaluations) -> None:
    """A budget that is too small for the record is too small for its known result."""
    record = " ".join(f"a:{letter}.test" for letter in "abcde")
    resolver = Caching(zone(f"{record} a -all"))

    def asked(queries: int) -> SpfResult:
        return check(Lookup(resolver, queries=queries))

    assert asked(20).result == "permerror"  # more than two void look-ups
    for queries in range(6):
        fresh = Caching(zone(f"{record} a -all"))
        assert asked(queries) == check(Lookup(fresh, queries=queries))


def test_strangers_cannot_make_it_grow(evaluations: Evaluations) -> None:
    cache = ResultCache(most=10)
    for number in range(100):
        answer = Answer((b"v=spf1 -all",))
        client = f"192.0.2.{number}", "example.org"
        cache.keep(client, None, {("example.org", "TXT"): answer}, ("fail", "", ""))
        assert cache.find(client, ("", "", ""), lambda _name, _type, one=answer: one)
    assert len(cache) == 10


@pytest.mark.parametrize(
    "looked",
    [
        {("example.org", "TXT"): Answer((b"x" * 5_000,))},
        {("example.org", "A"): Answer(("192.0.2.1",) * 1_000)},
        {("example.org", "MX"): Answer(((10, "x" * 200),) * 30)},
        {(f"{number}.example.org", "A"): Answer() for number in range(50)},
    ],
)
def test_what_is_large_is_not_kept(looked: dict[tuple[str, str], Outcome | None]) -> None:
    cache = ResultCache()
    cache.keep(("192.0.2.1", "example.org"), None, looked, ("fail", "", ""))
    assert len(cache) == 0


def test_a_sender_that_is_long_is_not_kept() -> None:
    cache = ResultCache()
    sender = "a", "a@example.org", "h" * 5_000
    cache.keep(("192.0.2.1", "example.org"), sender, {}, ("fail", "", ""))
    assert len(cache) == 0


TERMS = st.sampled_from(
    """a mx -all ~all ?all ip4:192.0.2.1 include:b.test ptr exists:%{l}.a.test exists:%{ir}.%{d}
    a:%{h} a:%{o} exp=exp.test redirect=b.test exists:%{s}.x a:%{p} mx:a.test exp=%{l}.test foo=%{l}
    a:%{t} a:late.test include:a.test exists:%{l2r-}.test include:%{h}""".split()  # noqa: SIM905
)
RECORDS = st.lists(TERMS, max_size=4).map(lambda terms: " ".join(["v=spf1", *terms]))
TEXTS = RECORDS | st.sampled_from(["%{l} at %{h}", "%{c} is not %{d}", "%{t} %{s} %{r}", ""])
NODES = st.sampled_from(["SERVFAIL", "NODATA"]) | st.fixed_dictionaries(
    {"TXT": st.lists(TEXTS, min_size=1, max_size=2)},
    optional={
        "A": st.just(["192.0.2.1"]),
        "MX": st.sampled_from(["a.test", "b.test"]).map(lambda host: [[10, host]]),
        "PTR": st.just(["a.test", "example.org"]),
    },
)
OWNERS = ["example.org", "a.test", "b.test", "exp.test", "1.2.0.192.in-addr.arpa", "c.test"]
ZONES = st.fixed_dictionaries(
    {"example.org": RECORDS.map(lambda record: {"TXT": [record], "A": ["192.0.2.1"]})},
    optional=dict.fromkeys(OWNERS[1:], NODES),
)
ENVELOPES = st.builds(
    Envelope,
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
    st.sampled_from(["a.test", "b.test", "example.org"]),
    st.sampled_from(["", "a@example.org", "b@example.org", '"a@b"@example.org', "x@a.test"]),
)


@settings(max_examples=120, deadline=None)
@given(ZONES, st.lists(ENVELOPES, min_size=2, max_size=10), st.lists(st.sampled_from(OWNERS)))
def test_what_is_known_is_what_an_evaluation_says(
    zone: dict[str, Any], envelopes: list[Envelope], expired: list[str]
) -> None:
    """Messages of any senders, one after the other, while answers are new now and then."""
    resolver = Caching(zone)
    at = "filters.mailauth.spf.query.spf.time.time"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(at, lambda: 1_700_000_000)
        patch.setattr(spf_check, "_results", ResultCache())
        for number, envelope in enumerate(envelopes * 2):
            if number < len(expired):
                resolver.known.pop((expired[number], "TXT"), None)
            got = asyncio.run(spf_check.check(envelope, resolver))
            with pytest.MonkeyPatch.context() as fresh:
                fresh.setattr(spf_check, "_results", ResultCache())
                assert got == asyncio.run(spf_check.check(envelope, Caching(zone)))
