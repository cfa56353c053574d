"""What makes figures of scores, and what stands between the filters and the corpus."""

import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest

from bench.junk.bogofilter import run_alone
from bench.junk.command import Command
from bench.junk.corpus.files import write
from bench.junk.corpus.make import part_of_corpus
from bench.junk.curve import BUDGETS, Scored, at_budget, at_threshold, by_kind
from bench.junk.listed import Listed
from bench.junk.name_server import answer
from bench.junk.public_corpus import found
from bench.junk.report import Result, page
from bench.junk.rspamd_server import symbols

SCORED = [Scored(False, score / 1000, "thread") for score in range(1000)] + [
    Scored(True, score, "casino") for score in (0.5, 0.9985, 0.9995, 2.0)
]


@pytest.mark.parametrize(("budget", "spam"), [(0, 0.5), (0.001, 0.75), (0.005, 0.75), (0.6, 1)])
def test_a_budget_is_used_and_never_exceeded(budget: float, spam: float) -> None:
    result = at_budget(SCORED, budget)
    assert (result.spam, result.ham) == (spam, budget)


def test_spam_that_scores_as_high_as_ham_is_not_found() -> None:
    tied = [Scored(False, 1.0, "bank"), Scored(False, 0.1, "bank"), Scored(True, 1.0, "bank")]
    assert at_budget(tied, 0).spam == 0


def test_a_threshold_and_a_kind_by_itself() -> None:
    assert at_threshold(SCORED, 0.9989).spam == 0.5
    assert by_kind(SCORED, 0.9989, spam=True) == {"casino": 0.5}


def test_the_page_has_a_row_a_filter_and_a_column_a_budget() -> None:
    results = [Result("one", "generated", seed, SCORED, 0.9989, None, None) for seed in (1, 2)]
    text = page(results, "By hand.")
    row = next(line for line in text.splitlines() if line.startswith("| one"))
    assert row.count("|") == len(BUDGETS) + 2
    assert "**75.0%** (75.0%, 75.0%)" in row
    assert "| one | 50.0% / 0.10% | 50.0% / 0.10% |" in text


FILTER = """
import json, sys
verb, state, listed = sys.argv[1:]
records = [json.loads(line) for line in open(listed)]
if verb == "train":
    assert {record["label"] for record in records} == {"ham", "spam"}
    open(state + "/learned", "w").write(str(len(records)))
else:
    assert open(state + "/learned").read() == "40"
    for record in records:
        assert set(record) == {"path", "facts"}, record
        size = len(open(record["path"], "rb").read())
        print(size, "junk" if record["facts"]["dnsbl"] else "inbox")
"""


def test_a_command_learns_and_is_shown_no_label(tmp_path: Path) -> None:
    examples = list(islice(part_of_corpus(1, "train"), 40))
    listed = Listed.read(write(tmp_path, "train", examples))
    assert [one.spam for one in listed] == [one.spam for one in examples]
    program = tmp_path / "filter.py"
    program.write_text(FILTER)
    command = Command("ours", f"{sys.executable} {program}")
    with command.session():
        command.train(listed)
        scores = command.score(listed)
        cost = command.cost(listed[:3], listed[:3])
    assert scores == [float(len(one.message)) for one in examples]
    assert command.verdicts == [one.facts.dnsbl for one in examples]
    assert cost.memory > 2**20
    assert cost.stored == 2


def test_one_that_is_given_the_text_alone_gets_no_facts(tmp_path: Path) -> None:
    listed = Listed.read(write(tmp_path, "train", islice(part_of_corpus(1, "train"), 2)))
    program = tmp_path / "filter.py"
    program.write_text(
        "import json, sys\n"
        "for line in open(sys.argv[3]): print(len(json.loads(line)['facts']), 'inbox')\n"
    )
    command = Command("ours", f"{sys.executable} {program}", informed=False)
    with command.session():
        assert command.score(listed) == [0.0, 0.0]


def test_the_memory_of_a_program_is_not_that_of_who_runs_it() -> None:
    ballast = bytearray(b"x") * 2**26
    seconds, memory = run_alone(["true"])
    assert len(ballast) > 2 * memory > 2**20
    assert 0 < seconds < 10


def test_a_command_that_leaves_a_message_out_ends_the_run(tmp_path: Path) -> None:
    listed = Listed.read(write(tmp_path, "train", islice(part_of_corpus(1, "train"), 2)))
    command = Command("ours", f"{sys.executable} -c 'print(\"0 inbox\")'")
    with command.session(), pytest.raises(RuntimeError, match="2 messages to classify and 1 lines"):
        command.score(listed)


def test_rspamd_is_given_what_its_own_modules_would_have_found() -> None:
    facts: dict[str, object] = {
        "spf": "softfail",
        "dkim": "none",
        "dmarc": "fail",
        "dmarc_policy": "quarantine",
        "dnsbl": True,
    }
    assert symbols(facts) == [
        "R_SPF_SOFTFAIL",
        "R_DKIM_NA",
        "DMARC_POLICY_QUARANTINE",
        "RBL_SPAMHAUS_XBL",
    ]
    facts |= {"dmarc": "none", "dmarc_policy": "", "dnsbl": False}
    assert symbols(facts)[2:] == ["DMARC_NA"]


def test_every_name_has_an_address_and_no_mail_server() -> None:
    question = b"\x04mail\x07example\0"
    header = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0"
    reply = answer(header + question + b"\0\x01\0\x01")
    assert reply.endswith(b"\0\x04\xc0\0\x02\x19")
    assert reply[6:8] == b"\0\x01"
    assert answer(header + question + b"\0\x0f\0\x01")[6:8] == b"\0\0"


def test_what_the_collectors_wrote_is_no_part_of_a_public_message(tmp_path: Path) -> None:
    raw = (
        b"From somebody Thu Aug 22 12:36:23 2002\nReturn-Path: <a@b>\nReceived: from a\n\tby b\n"
        b"X-Spam-Status: No\nFrom: Somebody <somebody@list.example>\nSubject: Received: a letter\n"
        b"To: zzzz@spamassassin.taint.org\n\nReceived: with thanks\n"
    )
    for group, name in (("easy-ham-1", "00001.a"), ("spam-1", "00001.b"), ("spam-1", "00002.c")):
        path = tmp_path / "data" / group / f"{name}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        # The third says what the second says: it counts once.
        path.write_bytes(raw + (b"" if group == "easy-ham-1" else b"Buy\n"))
    messages = list(found(tmp_path))
    assert Counter(one.spam for one in messages) == {False: 1, True: 1}
    assert messages[0].topic == "list.example"
    assert messages[0].message == (
        b"From: Somebody <somebody@list.example>\nSubject: Received: a letter\n"
        b"To: collector@collector\n\nReceived: with thanks\n"
    )
