"""Every folder under cases/: a message, its envelope and a zone, and what must come out.

message.eml: the bytes. envelope.toml: Envelope's fields, and `now`, `authserv_id`, `enforce` and
`trusted_sealers`. zone.yaml: the zone of filters.mailauth.dns.zone. expected.json: `author_domain`,
`spf`, `dkim`, `dmarc` and `arc` (every field of the results that is named there), `disposition`,
`authentication_results` (the field, unfolded), `questions` (what may be asked at most), `stamped`
(how the stamped message goes on after our field), `from` (the From field as it is passed on, null
where that is as it came).
"""

import asyncio
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from filters.mailauth.authenticate import Envelope, authenticate, stamp
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message, quote_author
from filters.mailauth.policy import decide

EXPLAINED = Path(__file__).parents[2] / "README.md"
CASES = sorted(path for path in (Path(__file__).parent / "cases").iterdir() if path.is_dir())


def named(result: Any, expected: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(result, name) for name in expected}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Path) -> None:
    message = (case / "message.eml").read_bytes()
    facts = tomllib.loads((case / "envelope.toml").read_text())
    zone = StaticResolver(yaml.safe_load((case / "zone.yaml").read_text()) or {})
    expected = json.loads((case / "expected.json").read_text())
    now, authserv_id = facts.pop("now", None), facts.pop("authserv_id", "mx.example.net")
    enforce, sealers = facts.pop("enforce", "yes"), facts.pop("trusted_sealers", [])
    facts["recipients"] = tuple(facts.get("recipients", ()))
    envelope = Envelope(**{"client_address": None, **facts})
    assert expected.keys() <= {
        "about", "author_domain", "spf", "dkim", "dmarc", "arc", "disposition",
        "authentication_results", "questions", "stamped",
        "from",
    }  # fmt: skip

    verdict = asyncio.run(authenticate(message, envelope, zone, now=now))

    if "author_domain" in expected:
        assert verdict.author.domain == expected["author_domain"]
    if "spf" in expected:
        assert named(verdict.spf, expected["spf"]) == expected["spf"]
    if "dkim" in expected:
        found = [
            named(result, wanted)
            for result, wanted in zip(verdict.dkim, expected["dkim"], strict=True)
        ]
        assert found == expected["dkim"]
    if "dmarc" in expected:
        assert named(verdict.dmarc, expected["dmarc"]) == expected["dmarc"]
    if "arc" in expected:
        assert named(verdict.arc, expected["arc"]) == expected["arc"]
    if "disposition" in expected:
        decision = decide(verdict, envelope, enforce=enforce, trusted_sealers=frozenset(sealers))
        assert decision.disposition == expected["disposition"]
    if "questions" in expected:
        assert len(zone.asked) <= expected["questions"]
    if "from" in expected:
        came = message.partition(b"\r\nFrom: ")[2] or message.removeprefix(b"From: ")
        before = came.partition(b"\r\nTo: ")[0]
        passed_on = quote_author(Message(message)).named(b"from")[0].value.strip(b" \r\n")
        wanted = expected["from"]
        assert passed_on == (
            before if wanted is None else wanted.encode("utf-8", "surrogateescape")
        )
    stamped = stamp(message, verdict, authserv_id)
    ours, _, rest = re.sub(rb"\r\n\t", b" ", stamped, count=0).partition(b"\r\n")
    if "authentication_results" in expected:
        assert ours.decode("ascii") == expected["authentication_results"]
    if "stamped" in expected:
        assert rest.startswith(expected["stamped"].encode("utf-8", "surrogateescape"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 40


def test_the_codes_are_those_that_the_page_explains() -> None:
    used = set()
    for case in CASES:
        about = json.loads((case / "expected.json").read_text())["about"]
        used |= set(re.findall(r"\b[KP][0-9]+\b", about))
        used |= {code.upper() for code in re.findall(r"-([kp][0-9]+)-", case.name)}
    assert set(re.findall(r"(?m)^\| ([A-Z][0-9]+) \|", EXPLAINED.read_text())) == used
