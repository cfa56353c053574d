"""A line of the log → its fields: cases/, and what no stranger's text may do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from entrypoint.junk.score import Decision, Score
from entrypoint.log_fields.of_line import fields_of
from entrypoint.log_fields.quoted_fields import leading_fields
from filters.quoting import quoted

CASES = Path(__file__).with_name("cases")


def cases() -> Iterator[tuple[str, dict[str, str]]]:
    for path in sorted(CASES.glob("*.txt")):
        for block in path.read_text("utf-8").split("\n\n"):
            lines = [each for each in block.splitlines() if each and not each.startswith("#")]
            if lines:
                said = (each.strip().partition("=") for each in lines[1:])
                yield lines[0], {name: value for name, _, value in said}


@pytest.mark.parametrize(("line", "fields"), list(cases()))
def test_fields(line: str, fields: dict[str, str]) -> None:
    program, _, message = line.partition(": ")
    assert fields_of(program, message) == fields


# What a stranger may have chosen, in the place where the programs write it.
PLACES = {
    "smtpd": (
        "609b76e3c486345d smtp connected address=192.0.2.1 host={}",
        "609b76e3c486345d smtp authentication user={} result=permfail",
        "609b76e46104a210 mta error reason={}",
        "609b76e46104a210 mda delivery evpid=d43fc6ac39b11638 from=<> to=<a@example.org> "
        "user=vmail delay=0s result=PermFail stat={}",
        "609b76e46104a210 mta delivery evpid=d43fc6ac39b11638 from=<> to=<a@example.org> rcpt=<-> "
        'source="10.0.0.2" relay="192.0.2.9 (x)" delay=0s result="PermFail" stat="{}"',
    ),
    "dovecot": (
        "lmtp(a@example.org)<7><s>: sieve: msgid=d43fc6ac from=<> stored mail into "
        "mailbox 'INBOX': message-id={}",
        "imap-login: Login aborted: x (auth_failed): method=PLAIN, client=192.0.2.1, TLS, "
        "session=<s>, login=<{}>",
    ),
}
PIECES = (
    *('"', "\\", " ", "=", "<", ">", ": ", "'", "@", "|", "x", "ü", "\\x1b", ", "),
    *("evpid=0000000000000000 ", "msgid=<00000000>", "result=Ok", 'result="Ok" ', 'stat="250"'),
    *("session=<t>", "user=<root>", "client=9.9.9.9", " smtp message msgid=00000000 ", "login="),
)


@pytest.mark.parametrize("program", list(PLACES))
def test_a_strangers_text_is_one_value_and_no_field(program: str) -> None:
    chance = random.Random(7)
    for place in PLACES[program]:
        usual = fields_of(program, place.format("x"))
        for _ in range(500):
            text = "".join(chance.choices(PIECES, k=chance.randint(1, 12))).strip() or "x"
            found = fields_of(program, place.format(text))
            assert set(found) == set(usual)
            changed = {name for name in usual if found[name] != usual[name]}
            assert changed <= {"host", "login", "reason", "reply", "message-id"}
            assert len(changed) <= 1


def test_what_the_filters_quote_is_read_as_it_was() -> None:
    chance = random.Random(8)
    for _ in range(2000):
        text = "".join(chance.choices([*PIECES, "\t", "\n", "\x1b", "é"], k=chance.randint(0, 15)))
        line = f"session=s from={quoted(text)} message-id={quoted(text[::-1])}"
        found, rest = leading_fields(line)
        assert rest == ""
        assert list(found) == ["session", "from", "message-id"]
        ascii_only = text.encode("ascii", "backslashreplace").decode("ascii")
        if ascii_only == text and text.isprintable():
            assert found["from"] == text


@pytest.mark.parametrize("decision", get_args(Decision))
@pytest.mark.parametrize("junk", [False, True])
def test_every_decision_of_the_junk_filter_has_a_name(decision: Decision, junk: bool) -> None:
    line = f"msgid=d43fc6ac login=a@example.org junk={Score(junk, decision).line()}"
    found = fields_of("junk", line)
    assert found["decision"] == decision.replace(" ", "-")
    assert found["junk"] == ("yes" if junk else "no")
    assert ("score" in found) is (decision == "score")
