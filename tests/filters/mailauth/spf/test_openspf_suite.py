"""SPF against the openSPF project's RFC 7208 suite, answered through our resolver interface.

The suite comes in pyspf's source distribution; pip fetches it once into pytest's cache.
"""

import asyncio
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from filters.mailauth.dns.resolver import Answer, DnsTemporaryError, StaticResolver
from filters.mailauth.dns.types import Outcome, question
from filters.mailauth.envelope import Envelope
from filters.mailauth.results import SpfResult
from filters.mailauth.spf import check as spf_check
from filters.mailauth.spf.check import check
from filters.mailauth.spf.query import Evaluation
from filters.mailauth.spf.result_cache import ResultCache

PYSPF = "pyspf==2.0.14"
CASES = 203
TYPES = ("TXT", "A", "AAAA", "MX", "PTR")


@dataclass(frozen=True)
class Case:
    name: str
    zone: dict[str, Any]
    facts: dict[str, Any]

    @property
    def envelope(self) -> Envelope:
        return Envelope(str(self.facts["host"]), self.facts["helo"], self.facts["mailfrom"])

    @property
    def allowed(self) -> list[str]:
        result = self.facts["result"]
        return result if isinstance(result, list) else [result]


@pytest.fixture(scope="session")
def suite(request: pytest.FixtureRequest) -> list[Case]:
    """Every case of the suite, from the cached source distribution."""
    folder = request.config.cache.mkdir("openspf")
    if not list(folder.glob("pyspf-*.tar.gz")):
        command = ["download", "--quiet", "--no-deps", "--no-binary", "pyspf"]
        subprocess.run(
            [sys.executable, "-m", "pip", *command, "--no-build-isolation", "-d", folder, PYSPF],
            check=True,
        )
    (archive,) = folder.glob("pyspf-*.tar.gz")
    with tarfile.open(archive) as files:
        (member,) = (name for name in files.getnames() if Path(name).name == "rfc7208-tests.yml")
        text = files.extractfile(member)
        assert text is not None
        scenarios = list(yaml.safe_load_all(text.read()))
    return [
        Case(name, zone(scenario["zonedata"]), facts)
        for scenario in scenarios
        for name, facts in scenario["tests"].items()
    ]


def zone(data: dict[str, list[Any]]) -> dict[str, Any]:
    """Turn the suite's zone into ours: SPF records stand for TXT, TIMEOUT for other types."""
    return {name: node(records) for name, records in data.items()}


def node(records: list[Any]) -> dict[str, Any]:
    pairs = [pair for record in records if isinstance(record, dict) for pair in record.items()]
    if not any(rdtype == "TXT" for rdtype, _ in pairs):
        pairs += [("TXT", value) for rdtype, value in pairs if rdtype == "SPF"]
    found: dict[str, Any] = {}
    for rdtype, value in pairs:
        if rdtype == "SPF" or value == "NONE":
            continue
        if value == "TIMEOUT" or rdtype == "CNAME":
            found[rdtype] = value
        else:
            found.setdefault(rdtype, []).append(value)
    if "TIMEOUT" in records and "CNAME" not in found:
        found |= {rdtype: "TIMEOUT" for rdtype in TYPES if rdtype not in found}
    return found


def evaluate(case: Case, resolver: Any) -> SpfResult:
    return asyncio.run(check(case.envelope, resolver))


def test_every_case_of_the_suite(suite: list[Case]) -> None:
    assert len(suite) == CASES
    wrong = []
    for case in suite:
        got = evaluate(case, StaticResolver(case.zone))
        explanation = case.facts.get("explanation")
        explained = got.explanation or "DEFAULT"
        if got.result not in case.allowed or explanation not in (None, explained):
            wrong.append((case.name, got, case.allowed, explanation))
    assert not wrong


class Recorded:
    """A resolver that notes what it hears."""

    def __init__(self, inner: StaticResolver) -> None:
        self.inner = inner
        self.known: dict[tuple[str, str], Outcome] = {}

    async def query(self, name: str, rdtype: str) -> Answer:
        try:
            answer = self.known[question(name, rdtype)] = await self.inner.query(name, rdtype)
        except DnsTemporaryError as error:
            self.known[question(name, rdtype)] = error
            raise
        return answer


class Warm:
    """A resolver with all answers in its cache."""

    def __init__(self, known: dict[tuple[str, str], Outcome]) -> None:
        self.known = known

    def cached(self, name: str, rdtype: str) -> Outcome | None:
        return self.known.get(question(name, rdtype))

    async def query(self, name: str, rdtype: str) -> Answer:
        raise AssertionError(f"{rdtype} of {name} was asked for")


def test_a_warm_cache_makes_no_difference(suite: list[Case]) -> None:
    """One run of pyspf, without a question, says the same as one run for every answer."""
    wrong = []
    for case in suite:
        cold = Recorded(StaticResolver(case.zone))
        expected = evaluate(case, cold)
        got = evaluate(case, Warm(cold.known))
        if got != expected:
            wrong.append((case.name, got, expected))
    assert not wrong


def test_a_result_that_is_known_makes_no_difference(suite: list[Case]) -> None:
    """Of the suite's cases all but those without a look-up, a failure or a clock are known then."""
    wrong, known = [], 0
    for case in suite:
        cold = Recorded(StaticResolver(case.zone))
        expected, warm = evaluate(case, cold), Warm(cold.known)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spf_check, "_results", ResultCache())
            evaluate(case, warm)
            patch.setattr(Evaluation, "run", None)  # "could not be evaluated", from now on
            got = evaluate(case, warm)
        known += got == expected
        if got != expected and got.reason != "the SPF record could not be evaluated":
            wrong.append((case.name, got, expected))
    assert not wrong
    assert known > 150


class Failing:
    """A resolver whose n-th question fails."""

    def __init__(self, inner: StaticResolver, number: int) -> None:
        self.inner = inner
        self.number = number

    async def query(self, name: str, rdtype: str) -> Answer:
        answer = await self.inner.query(name, rdtype)
        if len(self.inner.asked) == self.number:
            raise DnsTemporaryError("SERVFAIL")
        return answer


def test_a_failing_question_makes_no_other_result_than_temperror(suite: list[Case]) -> None:
    """RFC 7208 §4.4, §5, §6.2: only an explanation and `ptr` may ignore it."""
    wrong = []
    for case in suite:
        resolver = StaticResolver(case.zone)
        whole = evaluate(case, resolver)
        if any(rdtype == "PTR" for _name, rdtype in resolver.asked):
            continue
        for number in range(1, len(resolver.asked) + 1):
            failing = Failing(StaticResolver(case.zone), number)
            got = evaluate(case, failing)
            if got.result not in ("temperror", whole.result):
                wrong.append((case.name, number, failing.inner.asked[-1], got, whole))
    assert not wrong
