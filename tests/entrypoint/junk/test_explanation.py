"""Why a message is junk or not, for a terminal; with a real bogofilter."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from entrypoint.junk.account_state import open_state
from entrypoint.junk.explanation import explain
from entrypoint.junk.words import KnownWord, learn

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

SPAM = "From: a@example.net\nSubject: winner\n\nCheap watches for every winner, number{}\n"
HAM = "From: b@example.org\nSubject: minutes\n\nThe minutes of our meeting, number{}\n"
JUNK = (
    b"X-Signpost-Junk: yes score=9.0 threshold=5.0"
    b" (words 1.000; first contact; listed by z.example)\n"
)


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    for number in range(50):
        learn(home, SPAM.format(number).encode(), "spam")
    for number in range(100):
        learn(home, HAM.format(number).encode(), "ham")
    return home


@pytest.fixture
def home(learned: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(learned, tmp_path / "home"))


def explained(home: Path, message: bytes) -> str:
    return "\n".join(explain(home, message).lines())


def test_it_shows_words_and_what_was_known_at_the_delivery(home: Path) -> None:
    text = explained(home, JUNK + SPAM.format("x").encode())
    assert "at its delivery: yes score=9.0 threshold=5.0 (words 1.000; first contact;" in text
    assert "now: junk, score " in text
    rows = [line.split() for line in text.splitlines()]
    assert ["+1.5", "first", "contact"] in rows
    assert ["+2.5", "listed", "by", "z.example"] in rows
    assert ["0.998", "50", "0", "watches"] in rows


def test_the_numbers_add_up(home: Path) -> None:
    explanation = explain(home, JUNK + HAM.format("x").encode())
    shown = [line.split()[0] for line in explanation.lines() if re.match(r" *[+-]\d", line)]
    assert sum(map(float, shown)) == pytest.approx(explanation.score.total, abs=0.1)
    assert not explanation.score.junk


def test_of_a_message_that_was_not_delivered_here_words_and_header_are_known(home: Path) -> None:
    text = explained(home, b"Precedence: bulk\n" + HAM.format("x").encode())
    assert "its delivery said nothing" in text
    assert "bulk without unsubscribe" in text
    assert "first contact" not in text


def test_rules_and_who_was_written_to_are_shown(home: Path) -> None:
    with open_state(home) as state:
        state.set_sender_rule("example.net", "block")
        state.add_written_to(["b@example.org"], 1)
        state.set_threshold(2.5)
    text = explained(home, SPAM.encode())
    assert "now: junk, for its sender is blocked; without that: junk, score " in text
    assert "a@example.net: blocked; always junk" in text
    assert "junk from 2.5 on" in text
    text = explained(home, b"Return-Path: <bounce@sub.example.net>\n" + HAM.encode())
    assert "now: junk, for its sender is blocked; without that: not junk, score " in text
    assert "bounce@sub.example.net: blocked; always junk" in text
    assert "b@example.org: written to" in explained(home, HAM.encode())


@pytest.mark.parametrize("way", ["allowed", "written to"])
def test_whether_it_passed_dmarc_decides_what_a_rule_says(home: Path, way: str) -> None:
    with open_state(home) as state:
        if way == "allowed":
            state.set_sender_rule("example.net", "allow")
        else:
            state.add_written_to(["a@example.net"], 1)
    why = f"for its author {'is allowed' if way == 'allowed' else 'was written to'}"
    spam = SPAM.encode()
    passed = b"X-Signpost-Junk: no (allowed sender, DMARC pass)\n" + spam
    assert f"now: not junk, {why}; without that: junk, score" in explained(home, passed)
    assert f"now: not junk if it passes DMARC, {why}; without that: junk" in explained(home, spam)
    for reason in (b"no DMARC, no DKIM", b"own address without DMARC"):
        failed = b"X-Signpost-Junk: yes score=9.0 threshold=5.0 (words 1.000; %s)\n" % reason
        assert "now: junk, score" in explained(home, failed + spam)


def test_an_allowed_address_of_a_blocked_domain_goes_by_its_own_rule(home: Path) -> None:
    with open_state(home) as state:
        state.set_sender_rule("example.net", "block")
        state.set_sender_rule("a@example.net", "allow")
    text = explained(home, b"Return-Path: <bounce@example.net>\n" + SPAM.encode())
    assert "now: not junk if it passes DMARC, for its author is allowed" in text


def test_before_enough_was_learned_it_says_how_much_there_is(tmp_path: Path) -> None:
    said = "no verdict before 50 spam and 100 ham are learned; there are 0 and 0"
    assert said in explained(tmp_path, HAM.encode())
    assert list(tmp_path.iterdir()) == []
    with open_state(tmp_path) as state:
        state.set_sender_rule("example.org", "block")
    text = explained(tmp_path, HAM.encode())
    assert f"now: junk, for its sender is blocked; without that: {said}" in text


def test_of_one_class_alone_no_word_says_anything(tmp_path: Path) -> None:
    """None is looked up then, so none is counted."""
    learn(tmp_path, HAM.format(1).encode(), "ham")
    assert explained(tmp_path, HAM.encode()).endswith("there are 0 and 1")


def test_mail_of_this_server_is_no_junk_by_its_words(home: Path) -> None:
    sent = b"X-Signpost-Junk: no (sent from this server)\n" + SPAM.encode()
    assert "now: not junk, for it was sent from this server; without that: junk" in explained(
        home, sent
    )
    for rule, now in (("allow", "not junk, for it was sent"), ("block", "junk, for its sender")):
        with open_state(home) as state:
            state.set_sender_rule("a@example.net", rule)  # type: ignore[arg-type]
        assert f"now: {now}" in explained(home, sent)


def test_nothing_of_a_stranger_reaches_the_terminal_as_it_is(home: Path) -> None:
    hostile = "\x1b[2J\x9b31m\u202eabc\u2028" + "long" * 200
    for cls in ("spam", "ham"):
        learn(home, f"Subject: x\n\n{hostile} word\n".encode(), cls)  # type: ignore[arg-type]
    top = "X-Signpost-Junk: yes\x1b[2J\nFrom: \x1b[31m<a@example.net>\n"
    message = f"{top}Subject: {hostile}\n\n{hostile}\n".encode()
    found = explain(home, message)
    assert found.words is not None
    # bogofilter parts words where they do not print; that is not for a terminal to rely on.
    word = KnownWord(hostile, 50, 0)
    found = replace(found, words=found.words._replace(words=(word, *found.words.words)))
    lines = list(found.lines())
    assert any("x1b[2J" in line for line in lines)
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 120


def test_a_message_of_many_words_has_a_short_explanation(home: Path) -> None:
    message = b"Subject: x\n\n" + b"\n".join(b"w%d" % number for number in range(3000))
    for _ in range(3):
        learn(home, message, "spam")
    text = explained(home, message)
    assert len(text.splitlines()) < 70
    assert "; 25 of them are shown" in text
