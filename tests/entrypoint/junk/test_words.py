"""The words of an account, with a real bogofilter."""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest

from entrypoint.junk import words
from entrypoint.junk.account_state import MessageClass
from entrypoint.junk.words import KnownWord, WordsError, classify, learn, message_counts

from .stand_in import stand_in

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

SPAM = b"From: a@example.net\nSubject: winner\n\nCheap watches for every winner\n"
HAM = b"From: b@example.org\nSubject: minutes\n\nThe minutes of our meeting\n"


def stored(home: Path) -> list[tuple[bytes, bytes]]:
    """All words and counts, without days."""
    with sqlite3.connect(home / "junk/wordlist.db") as database:
        rows = database.execute("SELECT key, value FROM bogofilter ORDER BY key").fetchall()
    return [(key, value[:8]) for key, value in rows if value[:8].strip(b"\0")]


def test_what_was_learned_is_known(tmp_path: Path) -> None:
    learn(tmp_path, SPAM, "spam")
    learn(tmp_path, SPAM.replace(b"Cheap", b"Dear"), "spam")
    learn(tmp_path, HAM, "ham")
    assert message_counts(tmp_path) == (2, 1)
    known = classify(tmp_path, b"Subject: x\n\nDear winner of the meeting, unheard\n")
    assert known is not None
    assert known.learned == (2, 1)
    assert {
        KnownWord("Dear", 1, 0),
        KnownWord("winner", 2, 0),
        KnownWord("meeting", 0, 1),
        KnownWord("unheard", 0, 0),
    } <= set(known.words)


def test_before_any_lesson_nothing_is_known_and_nothing_made(tmp_path: Path) -> None:
    assert classify(tmp_path, SPAM) is None
    assert message_counts(tmp_path) == (0, 0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cls", ["spam", "ham"])
def test_of_one_class_alone_no_word_says_anything(tmp_path: Path, cls: MessageClass) -> None:
    learn(tmp_path, SPAM, cls)
    known = classify(tmp_path, SPAM)
    assert known is not None
    assert known.words == ()


def test_an_empty_database_is_one_that_knows_nothing(tmp_path: Path) -> None:
    (tmp_path / "junk").mkdir()
    (tmp_path / "junk/wordlist.db").touch()
    assert classify(tmp_path, SPAM) is None
    learn(tmp_path, SPAM, "spam")
    assert message_counts(tmp_path) == (1, 0)


def test_a_reversal_leaves_what_learning_it_right_would_have(tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong", tmp_path / "right"
    for home in (wrong, right):
        home.mkdir()
        learn(home, HAM, "ham")
    learn(wrong, SPAM, "ham")
    learn(wrong, SPAM, "spam", instead_of=True)
    learn(right, SPAM, "spam")
    assert stored(wrong) == stored(right)


def test_a_message_that_is_stored_has_the_words_that_it_was_judged_by(tmp_path: Path) -> None:
    learn(tmp_path, SPAM, "spam")
    learn(tmp_path, HAM, "ham")
    delivered = (
        b"Return-Path: <x@example.com>\r\nX-Signpost-Delivered: 1 2\r\n"
        b"X-Signpost-Junk: yes score=9.9\r\nAuthentication-Results: mx; dmarc=pass\r\n"
    ) + SPAM.replace(b"\n", b"\r\n")
    assert classify(tmp_path, delivered) == classify(tmp_path, SPAM)


def test_nobody_else_can_read_them(tmp_path: Path) -> None:
    learn(tmp_path, SPAM, "spam")
    assert stat.S_IMODE((tmp_path / "junk").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "junk/wordlist.db").stat().st_mode) == 0o600


def test_no_configuration_of_a_user_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".bogofilter.cf").write_text("min_token_len=9\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("BOGOFILTER_DIR", "/nonexistent")
    learn(tmp_path, SPAM, "spam")
    learn(tmp_path, HAM, "ham")
    known = classify(tmp_path, SPAM)
    assert known is not None
    assert "Cheap" in {word.text for word in known.words}


@pytest.mark.parametrize(
    "content", [b"no database at all, and long enough", b"SQLite format 3\0" * 90]
)
def test_a_broken_database_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "junk").mkdir()
    path = tmp_path / "junk/wordlist.db"
    path.write_bytes(content)
    for attempt in (
        lambda: classify(tmp_path, SPAM),
        lambda: learn(tmp_path, SPAM, "spam"),
        lambda: message_counts(tmp_path),
    ):
        with pytest.raises(WordsError, match=str(path)):
            attempt()
    assert path.read_bytes() == content


def test_a_verdict_does_not_wait_for_a_lesson(tmp_path: Path) -> None:
    """As while somebody trains with thousands of messages."""
    learn(tmp_path, SPAM, "spam")
    learn(tmp_path, HAM, "ham")
    with closing(sqlite3.connect(tmp_path / "junk/wordlist.db", isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        other.execute("DELETE FROM bogofilter")
        begin = time.monotonic()
        known = classify(tmp_path, SPAM)
        assert time.monotonic() - begin < 1
        assert known is not None
        assert known.learned == (1, 1)
        assert known.words


def test_a_bogofilter_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn(tmp_path, SPAM, "spam")
    learn(tmp_path, HAM, "ham")
    slow = stand_in(tmp_path, f"echo $$ >{tmp_path}/pid; exec sleep 60")
    monkeypatch.setattr(words, "BOGOFILTER", slow)
    monkeypatch.setattr(words, "CLASSIFIED_WITHIN", 0.3)
    begin = time.monotonic()
    with pytest.raises(WordsError, match=r"had not ended after 0\.3 s"):
        classify(tmp_path, SPAM)
    assert time.monotonic() - begin < 5
    assert not Path("/proc", (tmp_path / "pid").read_text().strip()).exists()


def test_without_bogofilter_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "BOGOFILTER", "/nonexistent/bogofilter")
    with pytest.raises(WordsError, match="No such file"):
        learn(tmp_path, SPAM, "spam")


@pytest.mark.parametrize("encoding", [b"8bit", b"quoted-printable"])
def test_a_tag_of_many_lines_without_an_end_takes_no_time(tmp_path: Path, encoding: bytes) -> None:
    """By CPU time: who takes 1.5 s has no verdict, and after some in a row nobody has one."""
    learn(tmp_path, b"Subject: a\n\nspam\n", "spam")
    learn(tmp_path, b"Subject: a\n\nham\n", "ham")
    tag = b"Content-Type: text/html\nContent-Transfer-Encoding: " + encoding + b"\n\nx<a b"
    before = os.times().children_user
    for lines in (b"\n" * 40_000, b"b\n" * 20_000, b"<\n" * 20_000):
        parts = b"".join(b"--b\n" + tag + lines for _ in range(2))
        head = b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
        assert classify(tmp_path, head + parts) is not None
    assert os.times().children_user - before < 1  # 0.3 s


def test_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    learn(tmp_path, SPAM, "spam")
    learn(tmp_path, HAM, "ham")
    for message in (
        b"",
        b"\0" * 5000,
        bytes(range(256)) * 300,
        b"\xff\xfe: \n" * 9000,
        b"\n" * 200_000,
    ):
        assert classify(tmp_path, message) is not None
    quoted = b'Subject: x\n\n"winner"   7  0.5 0.5 0.5 +\n'
    known = classify(tmp_path, quoted)
    assert known is not None
    assert KnownWord("winner", 1, 0) in known.words
