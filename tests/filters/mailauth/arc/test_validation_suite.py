"""ARC against ValiMail's suite for validators, and against messages that others sealed.

validation_suite/ is arc-draft-validation-tests.yml as Debian's source of libmail-dkim-perl
1.20240923 has it, unchanged, under its own licence. sealed/ has one message three times, each
sealed at three hops by the implementation and version that its file is named for.
"""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from filters.mailauth.arc.verify import verify
from filters.mailauth.dns.resolver import StaticResolver
from filters.mailauth.message import Message

SUITE = Path(__file__).parent / "validation_suite" / "arc-draft-validation-tests.yml"
CASES = 170
NOW = 1_800_000_000  # after sealed/ was made
SEALED = Path(__file__).parent / "sealed"

# Where we differ, and why.
OURS = {
    "ams_fields_a_sha1": "RFC 8301: rsa-sha1 never passes",
    "as_fields_a_sha1": "RFC 8301: rsa-sha1 never passes",
    "ams_fields_h_empty": "RFC 6376 3.5: h= must not be empty, and it must cover From",
    "ams_fields_h_mis_hdr": "RFC 6376 3.5: an empty name is none",
}


def result(zone: StaticResolver, test: dict[str, Any]) -> str:
    message = test["message"].replace("\n", "\r\n").encode()
    return asyncio.run(verify(Message(message), zone)).result


def test_every_case_of_the_suite() -> None:
    scenarios = list(yaml.safe_load_all(SUITE.read_bytes()))
    wrong = {}
    for scenario in scenarios:
        zone = StaticResolver({name: {"TXT": [t]} for name, t in scenario["txt-records"].items()})
        for name, test in scenario["tests"].items():
            # An empty cv stands for a chain that ended with cv=fail: RFC 8617 5.2 step 2.
            wanted = (test["cv"] or "fail").lower()
            found = result(zone, test)
            if found != wanted:
                wrong[name] = (wanted, found)
    assert sum(len(scenario["tests"]) for scenario in scenarios) == CASES
    assert wrong == dict.fromkeys(OURS, ("pass", "fail"))


@pytest.mark.parametrize("path", sorted(SEALED.glob("*.eml")), ids=lambda path: path.stem)
def test_what_others_sealed(path: Path) -> None:
    zone = StaticResolver(yaml.safe_load((SEALED / "zone.yaml").read_text()))
    message = path.read_bytes()
    found = asyncio.run(verify(Message(message), zone, now=NOW))
    assert (found.result, found.instances, found.sealer) == ("pass", 3, "example.org")
    assert all(hop.authserv_id and hop.results for hop in found.hops)
    changed = asyncio.run(verify(Message(message.replace(b"bye", b"buy")), zone, now=NOW))
    assert (changed.result, changed.temporary) == ("fail", False)


def test_others_are_there() -> None:
    assert len(list(SEALED.glob("*.eml"))) == 3
