"""`python -m bench.junk.signpost train|classify STATE LIST`: Signpost's own filter as a command.

It is the filter itself (entrypoint/junk), with an account whose home is STATE; see
bench/junk/command.py for what is read and printed. A corpus's facts become the words of
filters/facts.py, and whom the account knows is what the corpus says, not what was delivered before.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.junk.corpus.world import OWNER
from entrypoint.junk.evidence import Known, Marks, evidence, marks_of, passes_dmarc
from entrypoint.junk.score import Score, judge
from entrypoint.junk.words import classify, learn
from filters.facts import ArrivalFacts

_RDNS = {"matches": "ok", "mismatch": "ok", "generic": "generic", "none": "missing"}
_HELO = {"matches": "ok", "other": "ok", "literal": "literal", "forged": "lies"}
_TRUSTED = -100.0  # below every score


def main(verb: str, state: Path, listed: Path) -> None:
    """Learn or score every message of the list."""
    for line in listed.read_text("utf-8").splitlines():
        record = json.loads(line)
        message = Path(record["path"]).read_bytes()
        if verb == "train":
            learn(state, message, record["label"])
            continue
        score = _scored(state, message, record["facts"])
        total = _TRUSTED if score.decision == "written to" else score.total
        print(f"{total:.6f}", "junk" if score.junk else "inbox")


def _scored(home: Path, message: bytes, facts: Mapping[str, Any]) -> Score:
    marks = marks_of(message)
    arrival, known = arrival_of(facts, marks), _known(facts, marks)
    if facts.get("written_to") and passes_dmarc(arrival, marks):
        return Score(False, "written to")
    return judge(classify(home, message), evidence(arrival, marks, known), None)


def arrival_of(facts: Mapping[str, Any], marks: Marks) -> ArrivalFacts:
    """A corpus's facts, in the words of the server."""
    if not facts:  # of real mail of long ago nothing is known
        return ArrivalFacts()
    # A signature that did not pass DMARC was not the author's.
    others = facts["dkim"] == "pass" and facts["dmarc"] == "fail"
    return ArrivalFacts(
        dmarc=facts["dmarc"],
        dkim="other" if others else facts["dkim"],
        spf=facts["spf"],
        rdns=_RDNS[facts["rdns"]],  # type: ignore[arg-type]  # its words
        helo=_HELO[facts["helo"]],  # type: ignore[arg-type]
        dnsbl=("dnsbl.example",) if facts["dnsbl"] else (),
        author=marks.domain,
    )


def _known(facts: Mapping[str, Any], marks: Marks) -> Known:
    own = bool(facts) and marks.author == OWNER.address
    return Known(own_address=own, first_contact=bool(facts.get("first_contact")))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in ("train", "classify"):
        sys.exit(__doc__)
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
