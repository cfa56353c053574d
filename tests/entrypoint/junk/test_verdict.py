"""A message for an account: its rules, whom it knows, and its words; with a real bogofilter."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bench.junk.corpus.example import Example
from bench.junk.corpus.make import part_of_corpus
from bench.junk.signpost import arrival_of
from entrypoint.junk import words
from entrypoint.junk.account_state import Counts, Lesson, StateError, open_state
from entrypoint.junk.evidence import marks_of
from entrypoint.junk.lessons import forget, teach
from entrypoint.junk.state_file import why_unusable
from entrypoint.junk.verdict import DeliveryQuestion, verdict
from entrypoint.junk.words import WordsError, learn, message_counts
from filters.facts import ArrivalFacts

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

ACCOUNT = "alice@example.org"
PASS = ArrivalFacts("pass", "pass", "pass", "ok", "ok", (), "example.net")
# What a forger has: everything but the author's DMARC.
FORGED = replace(PASS, dmarc="fail", dkim="other", spf="pass")
SEED = 11


def message(author: str = "bob@example.net", text: str = "hello") -> bytes:
    return f"From: B <{author}>\nSubject: {text}\n\n{text}\n".encode()


def question(
    facts: ArrivalFacts | None = PASS, body: bytes | None = None, **other: str
) -> DeliveryQuestion:
    given = {"account": ACCOUNT, "sender": "bounce@example.net", "mark": "m1"} | other
    return DeliveryQuestion(
        **given,
        facts="" if facts is None else facts.value(),
        message=message() if body is None else body,
    )


@pytest.fixture
def home(tmp_path: Path) -> Path:
    made = tmp_path / "example.org/alice"
    made.mkdir(parents=True)
    return made


@pytest.fixture(scope="module")
def lessons() -> list[Example]:
    return list(part_of_corpus(SEED, "train"))


@pytest.fixture(scope="module")
def learned(lessons: list[Example], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of mail, of an account with enough lessons of both classes."""
    mail = tmp_path_factory.mktemp("mail")
    made = mail / "example.org/alice"
    made.mkdir(parents=True)
    for cls, most in (("spam", 60), ("ham", 120)):
        for each in [each for each in lessons if each.spam == (cls == "spam")][:most]:
            learn(made, each.message, cls)
    assert message_counts(made) == (60, 120)
    return mail


@pytest.fixture
def mail(learned: Path, tmp_path: Path) -> Path:
    """A copy of it, to change."""
    return Path(shutil.copytree(learned, tmp_path / "mail"))


@pytest.fixture(scope="module")
def held_out() -> list[Example]:
    return list(part_of_corpus(SEED, "test"))


def spam_of(examples: list[Example]) -> Iterator[DeliveryQuestion]:
    for each in examples:
        if each.spam:
            facts = arrival_of(each.facts.record(), marks_of(each.message))
            yield question(facts, each.message, sender=each.facts.mail_from)


def test_nothing_is_said_before_enough_was_learned(home: Path, tmp_path: Path) -> None:
    said = "no (not enough learned: 0 of 50 spam, 0 of 100 ham)"
    assert verdict(question(), tmp_path).line() == said
    learn(home, message(), "spam")
    assert verdict(question(), tmp_path).line() == said.replace("0 of 50", "1 of 50")


def test_an_account_without_a_mailbox_yet_gets_no_folder(tmp_path: Path) -> None:
    assert not verdict(question(), tmp_path).junk
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "account", ["../x@example.org", "a@..", "nobody", "a/b@example.org", "a@x\0"]
)
def test_what_is_no_account_has_no_folder_either(tmp_path: Path, account: str) -> None:
    with pytest.raises(ValueError, match="no account"):
        verdict(question(account=account), tmp_path)


@pytest.mark.parametrize("key", ["bob@example.net", "example.net", "net"])
@pytest.mark.parametrize("facts", [PASS, FORGED, None])
def test_blocked_is_junk_whatever_dmarc_says(
    home: Path, tmp_path: Path, key: str, facts: ArrivalFacts | None
) -> None:
    with open_state(home) as state:
        state.set_sender_rule(key, "block")
        state.add_written_to(["bob@example.net"], 1)
    assert verdict(question(facts), tmp_path).line() == "yes (blocked sender)"


def test_a_blocked_envelope_sender_and_one_of_several_authors_are_blocked(
    home: Path, tmp_path: Path
) -> None:
    with open_state(home) as state:
        state.set_sender_rule("bulk.example", "block")
    body = b"From: a@example.net, b@bulk.example\n\nx\n"
    assert verdict(question(body=body), tmp_path).decision == "blocked"
    assert verdict(question(sender="x@bulk.example"), tmp_path).decision == "blocked"
    assert verdict(question(), tmp_path).decision != "blocked"


@pytest.mark.parametrize(
    "sender", ["bob@example.net", "bounce-1@example.net", "x@mail.example.net"]
)
def test_one_address_of_a_blocked_domain_can_be_allowed(
    home: Path, tmp_path: Path, sender: str
) -> None:
    """Whatever envelope sender its server gives its mail, if it passes DMARC."""
    with open_state(home) as state:
        state.set_sender_rule("example.net", "block")
        state.set_sender_rule("bob@example.net", "allow")
    assert verdict(question(sender=sender), tmp_path).decision == "allowed"
    eve = replace(question(sender=sender), message=message("eve@example.net"))
    assert verdict(eve, tmp_path).decision == "blocked"
    if sender != "bob@example.net":
        assert verdict(question(FORGED, sender=sender), tmp_path).decision == "blocked"
    with open_state(home) as state:
        state.set_sender_rule(sender, "block")
    assert verdict(question(sender=sender), tmp_path).decision == "blocked"


def test_an_allowed_author_does_not_free_a_blocked_envelope_sender(
    home: Path, tmp_path: Path
) -> None:
    with open_state(home) as state:
        state.set_sender_rule("example.net", "allow")
        state.set_sender_rule("bulk.example", "block")
    assert verdict(question(sender="x@bulk.example"), tmp_path).decision == "blocked"


@pytest.mark.parametrize("local", ["\u212aate", "b\udcffb", "b" * 400])
def test_an_address_that_is_nobodys_has_no_trust_and_the_rules_of_its_domain(
    tmp_path: Path, home: Path, local: str
) -> None:
    """U+212A, the Kelvin sign, is another letter than k, and Python's small form of it is k."""
    forged = f"From: <{local}@example.net>\n\nhello\n".encode("utf-8", "surrogateescape")
    with open_state(home) as state:
        state.add_written_to(["kate@example.net"], 1)
        state.set_sender_rule("kate@example.net", "allow")
    assert verdict(question(PASS, forged), tmp_path).decision == "too few lessons"
    with open_state(home) as state:
        state.set_sender_rule("example.net", "block")
    # By its author alone.
    score = verdict(question(FORGED, forged, sender="a@example.com"), tmp_path)
    assert score.decision == "blocked"


@pytest.mark.parametrize("trust", ["allow", "written to"])
def test_trust_needs_the_authors_dmarc(home: Path, tmp_path: Path, trust: str) -> None:
    """A forger of an address that the account trusts is judged as everybody is."""
    with open_state(home) as state:
        if trust == "allow":
            state.set_sender_rule("bob@example.net", "allow")
        else:
            state.add_written_to(["bob@example.net"], 1)
    said = "no (allowed sender, DMARC pass)" if trust == "allow" else "no (written to, DMARC pass)"
    assert verdict(question(), tmp_path).line() == said
    others = message().replace(b"From: B", b"From: eve@example.com\nFrom: B")
    for forged in (
        question(FORGED),
        question(replace(PASS, dmarc="none")),
        question(replace(PASS, dmarc="temperror")),
        question(replace(PASS, author="example.com")),
        question(body=others),
        question(replace(PASS, author="example.com"), message("bob@example.net")),
    ):
        assert verdict(forged, tmp_path).decision == "too few lessons"


@pytest.mark.parametrize(
    "author",
    [b"b\xff@spam.example", b"b\xed\xa0\x80@spam.example", b"b" * 30_000 + b"@spam.example"],
)
def test_an_author_that_nobody_can_have_is_judged_and_not_noted(mail: Path, author: bytes) -> None:
    """Bytes that are no text, or thousands of them, which would fill the account's state."""
    body = b"From: <" + author + b">\nSubject: hello\n\nhello\n"
    for _ in range(2):
        score = verdict(question(replace(PASS, author="spam.example"), body), mail)
        assert score.decision == "score"
        assert "first contact" in score.line()


def test_spam_in_a_trusted_name_is_junk_all_the_same(mail: Path, held_out: list[Example]) -> None:
    """The attack itself: with the account's own address, and with one that it has written to."""
    found = {}
    for author in (ACCOUNT, "bob@example.net"):
        with open_state(mail / "example.org/alice") as state:
            state.add_written_to([author], 1)
            state.note_author(author, 1)
            state.set_sender_rule(author, "allow")
        scores = []
        for each in list(spam_of(held_out))[:60]:
            head, _, rest = each.message.partition(b"\nFrom: ")
            forged = head + b"\nFrom: " + author.encode() + b"\n" + rest.partition(b"\n")[2]
            facts = replace(FORGED, dkim="none", author=author.partition("@")[2])
            scores.append(verdict(question(facts, forged), mail))
        assert {score.decision for score in scores} == {"score"}
        found[author] = sum(score.junk for score in scores)
        passed = verdict(question(replace(PASS, author=author.partition("@")[2]), forged), mail)
        assert passed.decision == "allowed"
    assert found[ACCOUNT] >= 20  # the own address is even evidence
    assert found["bob@example.net"] >= 5


def test_mail_from_here_is_never_junk_by_words(mail: Path, held_out: list[Example]) -> None:
    for each in list(spam_of(held_out))[:5]:
        score = verdict(replace(each, facts=""), mail)
        assert score.line() == "no (sent from this server)"


def test_forty_one_sided_lessons_misfile_nothing(mail: Path, held_out: list[Example]) -> None:
    """On top of enough, and as all that there is."""
    home, empty = mail / "example.org/alice", mail / "example.org/bob"
    empty.mkdir()
    spam = [each.message for each in part_of_corpus(12, "train") if each.spam][:40]
    for each in spam:
        learn(home, each, "spam")
        learn(empty, each, "spam")
    ham = [each for each in held_out if not each.spam][:150]
    misfiled = 0
    for each in ham:
        facts = arrival_of(each.facts.record(), marks_of(each.message))
        asked = question(facts, each.message, sender=each.facts.mail_from)
        misfiled += verdict(asked, mail).junk
        assert not verdict(replace(asked, account="bob@example.org"), mail).junk
    assert misfiled == 0


def test_the_account_remembers_who_wrote_and_what_was_delivered(mail: Path) -> None:
    home = mail / "example.org/alice"
    assert "first contact" in verdict(question(), mail).line()
    assert "known author" in verdict(question(mark="m2"), mail).line()
    assert "known author" not in verdict(question(FORGED, mark="m3"), mail).line()
    with open_state(home) as state:
        notes = {mark: state.delivery(mark) for mark in ("m1", "m2", "m3", "")}
        assert notes[""] is None
        for mark, authenticated in (("m1", True), ("m2", True), ("m3", False)):
            note = notes[mark]
            assert note is not None
            assert (note.junk, note.authenticated, note.domain) == (
                False,
                authenticated,
                "example.net",
            )


def test_the_author_of_junk_is_not_known_afterwards(mail: Path) -> None:
    with open_state(mail / "example.org/alice") as state:
        state.set_threshold(-50)
    assert verdict(question(), mail).junk
    with open_state(mail / "example.org/alice") as state:
        assert state.is_first_contact("bob@example.net")
        note = state.delivery("m1")
        assert note is not None
        assert note.junk


def test_a_verdict_that_is_too_late_is_not_noted_as_filed(mail: Path) -> None:
    """The message is in the inbox: left there, it would look as if its reader had moved it."""
    home = mail / "example.org/alice"
    with open_state(home) as state:
        state.set_threshold(-50)
    assert verdict(replace(question(), until=time.monotonic() - 1), mail).junk
    with open_state(home) as state:
        note = state.delivery("m1")
        assert note is not None
        assert not note.junk
        assert note.authenticated
        assert state.is_first_contact("bob@example.net")


def test_random_words_are_no_way_in_or_out(mail: Path, held_out: list[Example]) -> None:
    """10 MB of them: before the text of spam, and as all of a message."""
    noise = b"".join(b"%x " % (n * 7919) + b"\n" * (n % 9 == 0) for n in range(1_200_000))
    assert len(noise) > 9_000_000
    alone = verdict(question(body=b"From: a@example.net\n\n" + noise), mail)
    assert not alone.junk
    spam = [(each, verdict(each, mail)) for each in list(spam_of(held_out))[:10]]
    assert any(score.junk for _, score in spam)
    for each, score in spam:
        more = verdict(replace(each, message=each.message + b"\n" + noise), mail)
        assert abs(more.total - score.total) < 3.0


@pytest.mark.parametrize("name", ["wordlist.db", "state.sqlite"])
def test_a_broken_database_is_an_error_that_names_it(mail: Path, name: str) -> None:
    path = mail / "example.org/alice/junk" / name
    path.write_bytes(b"no database at all, and long enough to be looked at" * 90)
    with pytest.raises((StateError, WordsError), match=f"{path}: .*; restore it from a backup, or"):
        verdict(question(), mail)


def test_what_an_account_decides_needs_no_words(mail: Path) -> None:
    home = mail / "example.org/alice"
    with open_state(home) as state:
        state.set_sender_rule("example.net", "block")
    (home / "junk/wordlist.db").write_bytes(b"no database" * 99)
    assert verdict(question(), mail).junk


def test_a_disk_that_takes_nothing_is_an_error(mail: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise StateError("state.sqlite: database or disk is full")

    monkeypatch.setattr("entrypoint.junk.account_state.AccountState.note_delivery", full)
    with pytest.raises(StateError, match="full"):
        verdict(question(), mail)


def test_a_question_is_read_whole() -> None:
    assert DeliveryQuestion.read(b"a@b\0c@d\0m\0dmarc=pass\0x\0y\n") == DeliveryQuestion(
        "a@b", "c@d", "m", "dmarc=pass", b"x\0y\n"
    )
    assert DeliveryQuestion.read(b"\0\0\0\0") == DeliveryQuestion("", "", "", "", b"")
    for bad in (b"", b"a\0b\0c\0d", b"a" * 2000 + b"\0\0\0\0"):
        assert DeliveryQuestion.read(bad) is None


def test_the_database_is_sqlite(mail: Path) -> None:
    """Backup copies it as such."""
    with sqlite3.connect(mail / "example.org/alice/junk/wordlist.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_words_that_are_lost_are_named(mail: Path) -> None:
    home = mail / "example.org/alice"
    with open_state(home) as state:
        lesson = Lesson(b"digest", "spam", "moved", "", 1)
        state.begin(lesson, Counts())
        state.taken(lesson)
    (home / "junk/wordlist.db").unlink()
    with pytest.raises(WordsError, match="has no words, though 1 messages were learned"):
        verdict(question(), mail)


@pytest.mark.parametrize("name", ["state.sqlite", "wordlist.db"])
def test_what_cannot_be_opened_says_why(
    mail: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mail / "example.org/alice/junk" / name
    path.unlink(missing_ok=True)
    path.mkdir()
    with pytest.raises((StateError, WordsError), match=f"{name}: .*: it is no file; restore it"):
        verdict(question(), mail)
    path.rmdir()
    path.write_bytes(b"")
    if os.geteuid() == 0:
        os.chown(path, 1, 1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert why_unusable(path).startswith(": it belongs to user ")


def test_what_is_forgotten_while_it_is_asked_is_no_fault(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bogofilter 1.2.5 ends in a segmentation fault where it finds one class alone, or none."""
    for cls in ("spam", "ham"):
        teach(home, message(text=cls), cls, "trained")

    def forgotten(*_: object, **__: object) -> bytes:
        assert forget(home)
        raise WordsError("bogofilter ended with -11")

    monkeypatch.setattr(words, "_bogofilter", forgotten)
    assert "not enough learned: 0 of" in verdict(question(), tmp_path).line()
