"""What hostile mail may cost: every case of hostile.py, in a process that the kernel ends after
some seconds of CPU time; and the questions that it makes us ask.
"""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.filters.mailauth import hostile


def judged(name: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.filters.mailauth.hostile", name],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, f"exit {done.returncode} {done.stderr.decode()[-1000:]}"
    found: dict[str, Any] = json.loads(done.stdout)
    return found


TOO_LARGE = "the header section is too large"
# dkim: of the first five, and the reason of the first; questions: without those of SPF and DMARC.
DKIM = {
    "990 signatures": ("pass", "", 1),
    "1,000 signatures": ("policy", TOO_LARGE, 0),
    "9,000 signatures": ("policy", TOO_LARGE, 0),
    "a signature of each of 900 domains": ("permerror", "no key record for the signature", 5),
    "a key of 16,384 bits": ("permerror", "the key record is too long", 1),
    "a key of 8,192 bits, and its exponent": (
        "permerror", "an RSA key with an exponent of more than 32 bits", 1,
    ),
    "a key record of 60 KB": ("permerror", "the key record is too long", 1),
    "5,000 key records, the last one good": ("permerror", "the key record's p= is no key", 1),
    "65,000 spaces in b=": ("neutral", "the signature field is too long", 0),
    "16,000 spaces in b=": ("fail", "the signature does not match the header fields", 1),
    "b after b in n=": ("pass", "", 1),
    "a line of 65,000 spaces in the header": ("pass", "", 1),
    "300 KB in 900 fields, each signed": ("pass", "", 1),
    "300 KB in one field": ("pass", "", 1),
    "a field of 75,000 lines": ("pass", "", 1),
    "a field of 200 KB, 1,000 times in h=": ("pass", "", 1),
    "a line of 65,000 spaces in the body": ("pass", "", 1),
    "a million empty lines at the end": ("pass", "", 1),
    "a million bare CRs at the end": ("pass", "", 1),
    "10 MB under five signatures": ("pass", "", 1),
    "10 MB of white space": ("pass", "", 1),
    "50 MB": ("pass", "", 1),
}  # fmt: skip


@pytest.mark.parametrize("name", DKIM)
def test_signatures(name: str) -> None:
    word, reason, questions = DKIM[name]
    found = judged(name)
    assert set(found["dkim"][:5]) == {word}
    assert found["dkim_reason"] == reason
    assert set(found["dkim"][5:]) <= {"policy"}
    asked = [one for one, _type in found["asked"] if "._domainkey." in one]
    assert len(asked) == questions


FIELDS = {
    "two million fields": ("too many header fields", 0),
    "a From field of 1 MB": ("a From field that is too long", 0),
    "20,000 forged results": ("too many header fields", 0),
    "20,000 forged results below two million fields": ("too many header fields", 0),
    # What is beyond the first thousand goes unread.
    "5,000 results of others": ("", 1_000),
    "results that nest": ("", 0),
    "results of 1 MB in one field": ("", 0),
    "an author domain of 127 labels": ("", 0),
    "a DMARC record of 1 MB": ("", 0),
}


@pytest.mark.parametrize("name", FIELDS)
def test_header_fields_and_the_author(name: str) -> None:
    reason, left = FIELDS[name]
    found = judged(name)
    assert (found["author"], found["left"]) == (reason, left)
    # RFC 9989 §4.10: eight at most, whatever the number of labels.
    assert len([one for one, _type in found["asked"] if one.startswith("_dmarc.")]) <= 8


CHAINS = {
    "a chain of 50": ("pass", "", 1),
    "a chain of 51": ("fail", "more than 50 ARC sets", 0),
    "a chain of 50 and no key": (
        "fail", "ARC-Message-Signature of instance 50: no key record for the signature", 1,
    ),
    "a chain of 50 whose oldest seal is false": (
        "fail", "ARC-Seal of instance 50: the signature does not match the header fields", 1,
    ),
    "a chain of 50 whose fields are long": ("fail", "ARC fields that are too long", 0),
    "3,000 seals": ("fail", "more than 50 ARC sets", 0),
}  # fmt: skip


@pytest.mark.parametrize("name", CHAINS)
def test_arc_chains(name: str) -> None:
    word, reason, questions = CHAINS[name]
    found = judged(name)
    assert (found["arc"], found["arc_reason"]) == (word, reason)
    assert len([one for one, _type in found["asked"] if "._domainkey." in one]) == questions


SPF = {
    "112 questions": ("fail", 112),
    "a record that includes itself": ("permerror", 1),
    "ten records that include ten": ("permerror", 2),
    "a label of 16,000": ("permerror", 1),
    "8,000 dots": ("permerror", 1),
    "3,000 macros": ("permerror", 1),
    "3,000 macros in a modifier": ("permerror", 1),
    "1,000 terms": ("neutral", 1),
    "long terms": ("permerror", 1),
    "a record of 1 MB": ("permerror", 1),
}


@pytest.mark.parametrize("name", SPF)
def test_spf_records(name: str) -> None:
    word, questions = SPF[name]
    found = judged(name)
    assert found["spf"] == word
    asked = [one for one, _type in found["asked"] if not one.startswith("_dmarc.")]
    assert len(asked) == len(set(map(tuple, found["asked"]))) - 2 == questions


def test_every_case_is_judged() -> None:
    assert {**DKIM, **FIELDS, **CHAINS, **SPF}.keys() == hostile.CASES.keys()
