"""What is learned from a mailbox: the learner, with a real Maildir and a real bogofilter."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest

from entrypoint.junk import account_learner, mailbox_changes
from entrypoint.junk.account_state import FOLDER, Counts, StateError, open_state
from entrypoint.junk.folders import Listed, OpenMaildir
from entrypoint.junk.lessons import forget, teach
from entrypoint.junk.seen_messages import NOTES, SeenMessages

from .mailbox import Mailbox, text

pytestmark = pytest.mark.skipif(not shutil.which("bogofilter"), reason="needs bogofilter")

NOTHING, SPAM, HAM = Counts(0, 0), Counts(1, 0), Counts(0, 1)
DAY = 24 * 3600


@pytest.fixture
def box(tmp_path: Path) -> Mailbox:
    """One that has been seen, with an old message in INBOX and one in Junk."""
    mailbox = Mailbox(tmp_path / "alice")
    mailbox.old = mailbox.deliver(ago=30 * DAY)  # type: ignore[attr-defined]
    mailbox.old_junk = mailbox.deliver(".Junk", ago=30 * DAY)  # type: ignore[attr-defined]
    mailbox.old_filed = mailbox.deliver(".Archive", ago=30 * DAY, flags="RS")  # type: ignore[attr-defined]
    assert mailbox.look() == NOTHING
    return mailbox


# -- Junk and back --------------------------------------------------------------------------------


def test_moved_to_junk_is_spam_and_back_is_ham_and_again_is_spam(box: Mailbox) -> None:
    name = box.deliver()
    assert box.look() == NOTHING
    name = box.move(name, ".Junk")
    assert box.look() == SPAM
    assert box.look() == SPAM
    name = box.move(name, "", ".Junk", new_name=True)
    assert box.look() == HAM
    box.move(name, ".Junk", new_name=True)
    assert box.look() == SPAM


def test_moved_within_one_look_after_its_delivery(box: Mailbox) -> None:
    box.move(box.deliver(), ".Junk")
    assert box.look() == SPAM


@pytest.mark.parametrize("new_name", [False, True])
def test_there_and_back_within_one_look_is_nothing(box: Mailbox, new_name: bool) -> None:
    name = box.deliver()
    box.look()
    name = box.move(name, ".Junk")
    box.move(name, "", ".Junk", new_name=new_name)
    assert box.look() == NOTHING
    out = box.move(box.old_junk, "", ".Junk")  # type: ignore[attr-defined]
    box.move(out, ".Junk", new_name=new_name)
    assert box.look() == NOTHING


def test_old_mail_counts_when_it_is_moved(box: Mailbox) -> None:
    box.move(box.old, ".Junk")  # type: ignore[attr-defined]
    assert box.look() == SPAM
    box.move(box.old_junk, "", ".Junk")  # type: ignore[attr-defined]
    assert box.look() == Counts(1, 1)


def test_on_its_way_between_two_folders_while_they_are_listed(box: Mailbox) -> None:
    name = box.old  # type: ignore[attr-defined]
    there = box.move(name, ".Elsewhere")
    (box.home / "Maildir/.Elsewhere").rename(box.home / "hidden")
    assert box.look() == NOTHING
    (box.home / "hidden/cur" / f"{there}:2,").rename(box.folder(".Junk") / "cur" / f"{there}:2,")
    assert box.look() == SPAM


def test_a_copy_in_junk_counts_and_the_newer_state_wins(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    box.copy(name, ".Junk")
    assert box.look() == SPAM
    box.expunge(name)
    assert box.look() == SPAM
    box.copy(name, "", ".Junk")
    assert box.look() == HAM
    assert box.look() == HAM


def test_a_copy_in_junk_of_what_came_within_the_same_look(box: Mailbox) -> None:
    box.copy(box.deliver(), ".Junk")
    assert box.look() == SPAM
    name = box.deliver(".Lists")
    box.copy(name, ".Junk", ".Lists")
    assert box.look() == Counts(2, 0)


def test_uploaded_to_junk_and_deleted_where_it_was(box: Mailbox) -> None:
    """As some mail programs move: APPEND with the message's date or without, then delete."""
    for number, date in enumerate((None, time.time()), 1):
        name = box.deliver(ago=20)
        box.look()
        message = box.find(name, "").read_bytes().replace(b"\n", b"\r\n")
        there = box.append(".Junk", b"X-Mozilla-Keys: \r\n" + message, date=date)
        if number == 1:
            box.expunge(name)
        assert box.look() == Counts(number, 0)
        box.append("", box.find(there, ".Junk").read_bytes(), date=date)
        if number == 1:
            box.expunge(there, ".Junk")
        assert box.look() == Counts(number - 1, 1)
        box.append(".Junk", message, date=date)
        assert box.look() == Counts(number, 0)


def test_uploaded_at_once_after_a_look(box: Mailbox) -> None:
    (box.home / ".dovecot.sieve").symlink_to("sieve/mine.sieve")
    name = box.deliver()
    box.look()
    message = box.find(name, "").read_bytes()
    box.append(".Junk", message)
    assert box.look() == SPAM


def test_uploaded_in_the_look_of_its_delivery(box: Mailbox) -> None:
    name = box.deliver(ago=15)
    message = box.find(name, "").read_bytes()
    box.append(".Junk", message)
    assert box.look() == SPAM


def test_the_older_one_takes_back_nothing_of_what_was_uploaded_to_junk(box: Mailbox) -> None:
    """Only what came out of Junk later than it came in does, whichever is seen first."""
    name = box.deliver(ago=15)
    path = box.find(name, "")
    box.append(".Junk", path.read_bytes())
    path.rename(box.home / path.name)
    assert box.look() == SPAM
    (box.home / path.name).rename(path)
    assert box.look() == SPAM


def test_moved_to_junk_again_after_a_restore(box: Mailbox) -> None:
    """The notes are begun anew, and Dovecot gives another name to what Junk knows."""
    name = box.move(box.old, ".Junk")  # type: ignore[attr-defined]
    assert box.look() == SPAM
    name = box.move(name, "", ".Junk", new_name=True)
    assert box.look() == HAM
    for more in ("", "-wal", "-shm"):
        (box.home / FOLDER / f"{NOTES}{more}").unlink(missing_ok=True)
    box.restart()
    assert box.look() == HAM
    box.move(name, ".Junk", new_name=True)
    assert box.look() == SPAM


def test_uploaded_by_a_program_that_writes_its_field(box: Mailbox) -> None:
    name = box.deliver()
    message = box.find(name, "").read_bytes()
    box.look()
    there = box.append(".Junk", b"X-TUID: qGJ1jBc5w0Fk\n" + message)
    box.expunge(name)
    assert box.look() == SPAM
    box.append("", b"X-TUID: +7jXVXWAYXHf\n" + message)
    box.expunge(there, ".Junk")
    assert box.look() == HAM


@pytest.mark.parametrize("mark", [b"f" * 400, b"-1", b"", b"g", b"\xff\xfe"])
def test_a_mark_that_a_stranger_wrote(box: Mailbox, mark: bytes) -> None:
    """Of a message that was uploaded there is no other on top."""
    box.append(".Junk", b"X-Signpost-Delivered: " + mark + b" 0123\n" + text())
    assert box.look() == Counts(1, 0)


def test_a_message_of_elsewhere_uploaded_to_junk(box: Mailbox) -> None:
    box.append(".Junk", text())
    assert box.look() == SPAM


# smtpd writes the last, where a filter answers `junk`; Sieve compares without regard to case.
@pytest.mark.parametrize(
    ("verdict", "tag"),
    [("yes score=7.3", ""), ("", "X-Spam: yes\n"), ("no score=0.1", "X-Spam: Yes\n")],
)
def test_what_the_server_filed_there_teaches_nothing_but_moved_out_is_ham(
    box: Mailbox, verdict: str, tag: str
) -> None:
    name = box.deliver(".Junk", verdict=verdict, tag=tag)
    assert box.look() == NOTHING
    box.move(name, "", ".Junk")
    assert box.look() == HAM
    box.move(name, ".Junk")
    assert box.look() == SPAM


@pytest.mark.parametrize(("where", "tag"), [("", ""), (".Archive", ""), ("", "X-Spam: yes\n")])
def test_out_of_junk_at_once_after_its_delivery_is_ham(box: Mailbox, where: str, tag: str) -> None:
    """Who waits for a message finds it there, and moves it, before any look."""
    verdict = "" if tag else "yes score=9.0 threshold=5.0 (words 1.000)"
    name = box.deliver(where, verdict=verdict, tag=tag)
    (mark,) = _marks(box, name, where)
    with open_state(box.home) as state:
        state.note_delivery(mark, int(time.time()), not tag, False, "example.net")
    assert box.look() == HAM
    assert box.look() == HAM


def test_a_script_may_have_filed_a_copy_of_junk_elsewhere(box: Mailbox) -> None:
    (box.home / ".dovecot.sieve").symlink_to("sieve/own.sieve")
    name = box.deliver(verdict="yes score=9.0 threshold=5.0 (words 1.000)")
    (mark,) = _marks(box, name, "")
    with open_state(box.home) as state:
        state.note_delivery(mark, int(time.time()), True, False, "example.net")
    assert box.look() == NOTHING


def test_out_of_junk_at_once_and_marked_by_the_mail_program(box: Mailbox) -> None:
    """It is a correction, and not what a program thinks by itself."""
    name = box.deliver(verdict="yes score=9.0 threshold=5.0 (words 1.000)", flags="a")
    (box.home / "Maildir/dovecot-keywords").write_text("0 NonJunk\n")
    (mark,) = _marks(box, name, "")
    with open_state(box.home) as state:
        state.note_delivery(mark, int(time.time()), True, False, "example.net")
    assert box.look() == HAM


def test_uploaded_out_of_junk_and_marked_by_the_mail_program(box: Mailbox) -> None:
    name = box.deliver(".Junk", verdict="yes score=9.0 threshold=5.0 (words 1.000)")
    assert box.look() == NOTHING
    box.keywords("NonJunk")
    box.append("", box.find(name, ".Junk").read_bytes(), flags="a")
    assert box.look() == HAM


def _marks(box: Mailbox, name: str, folder: str) -> list[str]:
    return re.findall(r"X-Signpost-Delivered: \S+ (\S+)", box.find(name, folder).read_text())


def test_what_a_script_filed_there_teaches_nothing(box: Mailbox) -> None:
    (box.home / ".dovecot.sieve").symlink_to("sieve/mine.sieve")
    box.deliver(".Junk", touched=False, verdict="no score=1")
    assert box.look() == NOTHING


@pytest.mark.parametrize("touched", [False, True])
@pytest.mark.parametrize("folder", [".Junk", ".Spam"])
def test_what_was_sent_to_the_folder_junk_teaches_nothing(
    box: Mailbox, folder: str, touched: bool
) -> None:
    """Whoever has the folder open gives each new file there another name, and touches it so."""
    box.deliver(folder, touched=touched, to=f"Alice+{folder[1:]}@Example.org")
    assert box.look() == NOTHING


def test_what_was_sent_to_another_folder_and_moved_to_junk_is_spam(box: Mailbox) -> None:
    box.deliver(".Junk", to="alice+Lists@example.org")
    assert box.look() == SPAM


def test_a_verdict_that_came_too_late_for_the_delivery_is_none(box: Mailbox) -> None:
    """It is noted and filed nothing: who reads the message in INBOX has taken it out of nowhere."""
    name = box.deliver()
    (mark,) = _marks(box, name, "")
    with open_state(box.home) as state:
        state.note_delivery(mark, int(time.time()), True, False, "example.net")
    assert box.look() == NOTHING


@pytest.mark.parametrize("looked_between", [False, True])
@pytest.mark.parametrize("first", ["alice@example.org", "alice+Junk@example.org"])
def test_one_message_to_two_addresses_of_the_account_teaches_nothing(
    box: Mailbox, first: str, looked_between: bool
) -> None:
    """A stranger has one of the two filed in Junk; nobody has moved either."""
    content = text(mark=time.time())
    addresses = ["alice@example.org", "alice+Junk@example.org"]
    for to in addresses if first == addresses[0] else addresses[::-1]:
        copy = content.replace(b"To: alice@example.org", f"To: {to}".encode())
        now = time.time()
        box._write(".Junk" if "+" in to else "", copy, now, now, False, "")
        if looked_between:
            box.look()
    assert box.look() == NOTHING


def test_moved_there_at_once_is_spam(box: Mailbox) -> None:
    box.deliver(".Junk", touched=False)
    assert box.look() == SPAM


def test_a_verdict_of_no_does_not_keep_it_from_being_spam(box: Mailbox) -> None:
    box.move(box.deliver(verdict="no score=1"), ".Junk")
    assert box.look() == SPAM


def test_out_of_junk_into_trash_is_nothing_and_from_there_to_inbox_is_ham(box: Mailbox) -> None:
    name = box.deliver(".Junk", verdict="yes score=7")
    box.look()
    box.move(name, ".Trash", ".Junk")
    assert box.look() == NOTHING
    box.move(name, "", ".Trash")
    assert box.look() == HAM


def test_removed_from_junk_is_nothing(box: Mailbox) -> None:
    box.expunge(box.old_junk, ".Junk")  # type: ignore[attr-defined]
    assert box.look() == NOTHING


@pytest.mark.parametrize("folder", [".Spam", ".Junk.2026", ".Junk E-mail"])
def test_other_names_of_junk(box: Mailbox, folder: str) -> None:
    name = box.deliver()
    box.look()
    box.move(name, folder)
    assert box.look() == SPAM


# -- marks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["$Junk", "Junk"])
def test_marked_as_junk_is_spam(box: Mailbox, word: str) -> None:
    name = box.deliver()
    box.keywords("whatever", word)
    box.look()
    box.flag(name, "Sb")
    assert box.look() == SPAM
    box.flag(name, "Sab")
    assert box.look() == SPAM


def test_a_mark_that_is_taken_off_where_it_was_set_is_taken_back(box: Mailbox) -> None:
    box.keywords("Junk")
    box.keywords("Junk", folder=".Junk")
    name = box.deliver()
    box.deliver(flags="a", ago=1)
    box.flag(box.old, "a")  # type: ignore[attr-defined]
    box.look()
    box.flag(name, "a")
    assert box.look() == Counts(3, 0)
    box.flag(name, "S")
    assert box.look() == Counts(2, 1)
    name = box.move(name, ".Junk")
    box.flag(name, "Sa", ".Junk")
    assert box.look() == Counts(3, 0)
    box.flag(name, "S", ".Junk")  # it is in Junk nevertheless
    assert box.look() == Counts(3, 0)


def test_a_mark_that_is_taken_off_what_was_never_learned_is_nothing(box: Mailbox) -> None:
    box.keywords("Junk")
    (box.home / ".dovecot.sieve").touch()
    name = box.deliver(flags="a", touched=False)
    assert box.look() == NOTHING
    box.flag(name, "")
    assert box.look() == NOTHING


def test_marked_as_junk_and_filed_elsewhere_is_spam(box: Mailbox) -> None:
    """A mail program may put junk into a folder of another name."""
    for folder in ("", ".Adverts"):
        box.keywords("Junk", folder=folder)
    name = box.deliver()
    box.look()
    box.flag(name, "a")
    assert box.look() == SPAM
    box.move(name, ".Adverts")
    assert box.look() == SPAM
    box.flag(name, "aR", ".Adverts")
    assert box.look() == SPAM


@pytest.mark.parametrize("flags", ["a", "RS"])
def test_what_a_script_marks_teaches_nothing(box: Mailbox, flags: str) -> None:
    box.keywords("$Junk")
    script = box.home / ".dovecot.sieve"
    script.symlink_to("sieve/mine.sieve")
    box.deliver(flags=flags, touched=False)
    box.append("", text(), flags=flags)
    assert box.look() == NOTHING
    box.deliver(flags=flags, ago=1)  # by hand, soon after it came
    assert box.look() in (SPAM, HAM)
    script.unlink()
    box.deliver(flags=flags, touched=False)
    assert box.look() in (Counts(2, 0), Counts(0, 2))


@pytest.mark.parametrize("word", ["$NotJunk", "NotJunk", "NonJunk"])
def test_marked_as_no_junk_in_junk_or_after_junk_is_ham(box: Mailbox, word: str) -> None:
    name = box.deliver(".Junk", verdict="yes score=7")
    box.keywords(word, folder=".Junk")
    box.look()
    box.flag(name, "a", ".Junk")
    assert box.look() == HAM
    box.keywords("$Junk", word)
    second = box.deliver()
    box.look()
    box.flag(second, "a")
    assert box.look() == Counts(1, 1)
    box.flag(second, "b")
    assert box.look() == Counts(0, 2)


def test_marked_as_no_junk_by_a_mail_program_counts_only_as_read_mail_does(box: Mailbox) -> None:
    box.keywords("NonJunk")
    name = box.deliver()
    box.look()
    box.flag(name, "a")
    assert box.look() == NOTHING


def test_marks_that_contradict_each_other_are_none(box: Mailbox) -> None:
    box.keywords("Junk", "NonJunk")
    name = box.deliver()
    box.look()
    box.flag(name, "ab")
    assert box.look() == NOTHING
    box.flag(name, "a")
    assert box.look() == SPAM


# -- ham by itself --------------------------------------------------------------------------------


def test_answered_and_filed_are_ham_at_once(box: Mailbox) -> None:
    first, second = box.deliver(), box.deliver()
    box.look()
    box.flag(first, "RS")
    assert box.look() == HAM
    box.move(second, ".Work")
    assert box.look() == Counts(0, 2)
    box.move(first, ".Work")
    assert box.look() == Counts(0, 2)


@pytest.mark.parametrize("folder", [".Trash", ".Sent", ".Drafts", ".Deleted Items"])
def test_moved_to_these_is_nothing(box: Mailbox, folder: str) -> None:
    name = box.deliver()
    box.look()
    box.move(name, folder)
    assert box.look() == NOTHING


def test_what_the_person_wrote_teaches_nothing_when_it_is_filed(box: Mailbox) -> None:
    name = box.append(".Sent", text(), flags="S")
    box.look()
    box.move(name, ".Archive", ".Sent")
    assert box.look() == NOTHING
    box.move(name, ".Junk", ".Archive")
    assert box.look() == SPAM


def test_filed_by_a_script_is_nothing(box: Mailbox) -> None:
    box.deliver(".Lists", touched=False)
    box.deliver(".Lists")
    assert box.look() == NOTHING


def test_filed_and_then_moved_to_junk_is_spam(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    box.move(name, ".Work")
    assert box.look() == HAM
    box.move(name, ".Junk", ".Work")
    assert box.look() == SPAM


def read_for(box: Mailbox, monkeypatch: pytest.MonkeyPatch, seconds: float) -> Counts:
    """What is learned when time has passed."""
    box.learner._next_read = 0
    monkeypatch.setattr(account_learner, "READ_FOR", -seconds)
    return box.look()


def newsletter(box: Mailbox, number: int, *, authenticated: bool = True, flags: str = "S") -> str:
    name = box.deliver(flags=flags)
    mark = box.find(name, "").read_bytes().split(b"\n")[1].split()[2].decode()
    with open_state(box.home) as state:
        domain = f"host{number}.shop{number}.example"
        state.note_delivery(mark, int(time.time()), False, authenticated, domain)
    return name


def spams(box: Mailbox, number: int) -> None:
    for _ in range(number):
        assert teach(box.home, text(), "spam", "trained")


def test_read_for_three_days_is_ham_if_it_is_authenticated(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spams(box, 1)
    newsletter(box, 1)
    newsletter(box, 2, authenticated=False)
    newsletter(box, 3, flags="")
    newsletter(box, 4, flags="ST")  # deleted, as some mail programs leave it for weeks
    assert box.look() == SPAM
    assert read_for(box, monkeypatch, -3600) == SPAM
    assert read_for(box, monkeypatch, 3600) == Counts(1, 1)
    assert read_for(box, monkeypatch, 3600) == Counts(1, 1)


def test_what_was_read_before_the_first_look_is_not_ham_by_being_read(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spams(box, 1)
    newsletter(box, 1)
    for more in ("", "-wal", "-shm"):
        (box.home / FOLDER / f"{NOTES}{more}").unlink(missing_ok=True)
    box.restart()
    assert box.look() == SPAM
    assert read_for(box, monkeypatch, 3600) == SPAM


def test_a_clock_that_was_ahead_by_years_ends_nothing(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither what was learned then fills a day that is to come, nor waits what was read."""
    now = time.time
    spams(box, 50)
    with monkeypatch.context() as ahead:
        ahead.setattr(time, "time", lambda: now() + 3650 * DAY)
        with open_state(box.home) as state:
            state.do_many(
                "INSERT INTO lessons VALUES (?, 'ham', ?, '', ?)",
                (
                    (f"{source} {number}", source, int(time.time()))
                    for source, most in (("read", 60), ("answered", 500))
                    for number in range(most)
                ),
            )
        newsletter(box, 1)
        box.look()
    before = box.learned()
    read_for(box, monkeypatch, 3600)
    assert box.learned().ham == before.ham + 1
    name = box.deliver()
    box.look()
    box.flag(name, "R")
    box.look()
    assert box.learned().ham == before.ham + 2


def test_what_was_called_spam_is_not_ham_by_being_read(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spams(box, 2)
    box.keywords("$Junk")
    marked = newsletter(box, 1)
    copied = newsletter(box, 2)
    trained = newsletter(box, 3)
    box.look()
    box.flag(marked, "Sa")
    box.copy(copied, ".Junk")
    assert teach(box.home, box.find(trained, "").read_bytes(), "spam", "trained")
    assert box.look() == Counts(5, 0)
    assert read_for(box, monkeypatch, 3600) == Counts(5, 0)


def test_thousands_of_read_newsletters_teach_what_the_limits_allow(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    spams(box, 3)
    for number in range(60):
        newsletter(box, number % 2)
    box.look()
    # Chance says which are looked at first; of a domain that has taught its five it is in vain.
    for _ in range(60):
        assert read_for(box, monkeypatch, 3600).ham <= 9
    assert box.learned() == Counts(3, 9)
    spams(box, 7)
    for _ in range(60):
        assert read_for(box, monkeypatch, 3600).ham <= 10
    assert box.learned() == Counts(10, 10)  # five of each domain


def test_an_answered_old_message_was_answered_before(box: Mailbox) -> None:
    box.flag(box.old_filed, "RSa", ".Archive")  # type: ignore[attr-defined]
    assert box.look() == NOTHING


# -- much at once, and what was there before ------------------------------------------------------


def test_mail_that_was_there_before_teaches_nothing_and_its_digest_is_known(box: Mailbox) -> None:
    junk = box.find(box.old_junk, ".Junk").read_bytes()  # type: ignore[attr-defined]
    box.append("", junk, date=time.time() - 30 * DAY)
    assert box.look() == HAM


def test_old_mail_that_appears_is_brought_from_elsewhere(box: Mailbox) -> None:
    """Put in place from a backup, or by an import while the learner looks."""
    for number in range(50):
        date = time.time() - DAY - number
        box.append(".Junk", text(), date=date)
        box.append(".Work", text(), date=date, flags="RS")
        box.append("", text(), date=date, flags="RS")
        box.deliver(".Junk", ago=DAY)
    assert box.look() == NOTHING


def test_new_mail_of_an_import_is_no_lesson(box: Mailbox) -> None:
    box.append(".Junk", text(), date=time.time() + 60)
    box.append("", text(), date=time.time() + 60, flags="R")
    (box.home / "imported").write_text("")
    assert box.look() == NOTHING
    box.append(".Junk", text())
    assert box.look() == SPAM


def test_a_renamed_folder_teaches_nothing(box: Mailbox) -> None:
    for _ in range(30):
        box.deliver(".Lists")
        box.deliver(".Junk", verdict="yes score=7")
    box.look()
    maildir = box.home / "Maildir"
    (maildir / ".Lists").rename(maildir / ".Old Lists")
    (maildir / ".Junk").rename(maildir / ".Rubbish")
    box.folder(".Junk")
    assert box.look() == NOTHING
    shutil.rmtree(maildir / ".Old Lists")
    shutil.rmtree(maildir / ".Rubbish")
    assert box.look() == NOTHING


@pytest.mark.parametrize("names", [(".A", ".B", ".C", ".D", ".E"), (".E", ".D", ".C", ".B", ".A")])
def test_a_row_of_renamed_folders_teaches_nothing(box: Mailbox, names: tuple[str, ...]) -> None:
    """As who moves each year's folder one further: each takes the name that another had."""
    for name in names[:-1]:
        box.deliver(name)
    box.look()
    for old, new in reversed(list(pairwise(names))):
        (box.home / "Maildir" / old).rename(box.home / "Maildir" / new)
    assert box.look() == NOTHING


def test_a_removed_folder_comes_again(box: Mailbox) -> None:
    name = box.deliver(".Lists")
    box.look()
    maildir = box.home / "Maildir"
    saved = box.find(name, ".Lists").read_bytes()
    shutil.rmtree(maildir / ".Lists")
    box.look()
    box.folder(".Lists")
    box.append(".Lists", saved)
    assert box.look() == NOTHING


def test_many_at_once_are_learned_each_once(box: Mailbox) -> None:
    names = [box.deliver() for _ in range(60)]
    box.look()
    for name in names:
        box.move(name, ".Junk")
    assert box.look() == Counts(60, 0)


def test_what_waits_outlasts_a_restart(box: Mailbox) -> None:
    names = [box.deliver() for _ in range(20)]
    box.look()
    for name in names:
        box.move(name, ".Junk")
    asked = iter(range(100))
    assert box.learner.turn(time.monotonic() + 60, lambda: next(asked) < 8)
    assert box.learned() == Counts(8, 0)
    for name in names[:10]:
        box.flag(name, "S", ".Junk")  # another name of the file meanwhile
    for name in names[10:]:
        box.move(name, ".Trash", ".Junk")
    box.restart()
    assert box.look() == Counts(20, 0)


def test_moved_back_before_it_was_learned(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    box.move(name, ".Junk")
    assert box.learner.turn(0, lambda: True)
    box.move(name, "", ".Junk")
    assert box.look() == HAM


def test_large_folders_are_not_all_listed_in_one_turn(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other accounts wait for a turn's end."""
    monkeypatch.setattr(mailbox_changes, "_AT_ONCE", 10)
    names = [box.deliver() for _ in range(12)]
    for folder in [".Archive", ".Trash", ".Sent"] * 12:
        box.deliver(folder)
    entries, listed = OpenMaildir.entries, list[str]()

    def count(mail: OpenMaildir, name: str) -> dict[int, Listed]:
        listed.append(name)
        return entries(mail, name)

    monkeypatch.setattr(OpenMaildir, "entries", count)
    box.restart()
    turns = 0
    while box.learner.turn(time.monotonic() + 60, lambda: True):
        turns += 1
    assert turns == len(listed) - 1 == 3
    for name in names[:12]:
        box.move(name, ".Junk")
    assert box.look() == Counts(12, 0)


# -- what goes wrong ------------------------------------------------------------------------------


def test_the_mail_of_a_removed_account_is_not_learned(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    box.move(name, ".Junk")
    box.is_account = False
    assert box.look() == NOTHING


def test_what_is_no_message_is_passed_over(box: Mailbox) -> None:
    junk = box.folder(".Junk") / "cur"
    secret = box.home / "secret"
    secret.write_bytes(text())
    (junk / "1.M1P1.a:2,").symlink_to(secret)
    os.mkfifo(junk / "2.M1P1.a:2,")
    (junk / "3.M1P1.a:2,").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        before = Path.cwd()
        os.chdir(junk)
        listener.bind("4.M1P1.a:2,")
        os.chdir(before)
    (junk / os.fsdecode(b"5.M1P1.\xff:2,")).write_bytes(text())
    box.folder(os.fsdecode(b".\xff"))
    box.append(".Fern\u00e4hnlich", text(), flags="R")
    (box.home / "Maildir/.Linked").symlink_to(box.folder(".Archive"))
    box.append(".Junk", b"")
    box.append(".Junk", b"\x00\xff" * 10)
    assert box.look().spam <= 2
    assert box.learned().ham == 1


def test_a_damaged_note_is_begun_afresh_and_teaches_nothing(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    for more in ("-wal", "-shm"):
        (box.home / FOLDER / f"{NOTES}{more}").unlink(missing_ok=True)
    (box.home / FOLDER / NOTES).write_bytes(b"rubbish" * 1000)
    box.restart()
    box.move(name, ".Junk")
    assert box.look() == NOTHING
    box.move(name, "", ".Junk")
    assert box.look() == HAM


def test_notes_of_another_version_are_begun_afresh(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    with closing(sqlite3.connect(box.home / FOLDER / NOTES)) as database:
        database.execute("ALTER TABLE waiting DROP COLUMN tries")
    box.move(name, ".Junk")
    assert box.look() == NOTHING
    box.move(name, "", ".Junk")
    assert box.look() == HAM


def test_a_damaged_state_is_said_and_nothing_is_lost(box: Mailbox) -> None:
    name = box.deliver()
    box.look()
    path = box.home / FOLDER / "state.sqlite"
    saved = path.read_bytes()
    for more in ("-wal", "-shm"):
        path.with_name(f"{path.name}{more}").unlink(missing_ok=True)
    path.write_bytes(b"rubbish" * 1000)
    box.move(name, ".Junk")
    with pytest.raises(StateError, match=r"state\.sqlite"):
        box.look()
    path.write_bytes(saved)
    assert box.look() == SPAM


def test_forgotten_meanwhile(box: Mailbox) -> None:
    name, other = box.deliver(), box.deliver()
    box.look()
    box.move(name, ".Junk")
    assert box.look() == SPAM
    shutil.rmtree(box.home / FOLDER)
    assert box.look() == NOTHING
    box.move(other, ".Junk")
    assert box.look() == SPAM


def test_forgotten_within_a_look(box: Mailbox) -> None:
    """What is moved afterwards is not taken for what was always there."""
    box.move(box.deliver(), ".Junk")

    def is_account() -> bool:
        forget(box.home)
        return True

    while box.learner.turn(time.monotonic() + 60, is_account):
        pass
    box.look()
    before = box.learned().spam
    box.move(box.deliver(), ".Junk")
    assert box.look().spam == before + 1


def test_removed_with_its_mail_and_added_again(box: Mailbox) -> None:
    box.move(box.deliver(), ".Junk")
    shutil.rmtree(box.home)
    assert box.learner.turn(time.monotonic() + 1, lambda: True) is False
    assert not box.home.exists()
    again = Mailbox(box.home)
    again.deliver(".Junk", ago=5)
    assert again.look() == NOTHING


def test_a_clock_that_was_set_back(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    name = box.deliver()
    box.look()
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 30 * DAY)
    monkeypatch.setattr(account_learner, "RESTLESS_AT_MOST", 0.0)
    box.move(name, ".Junk")
    assert box.look() == SPAM


def test_new_mail_after_the_clock_was_set_back(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is older than the first look, by the clock that was."""
    clock = [time.time() - 30 * DAY]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    monkeypatch.setattr(account_learner, "RESTLESS_AT_MOST", 0.0)
    for number in (1, 2):
        box.move(box.deliver(ago=60 * (number - 1)), ".Junk")
        assert box.look() == Counts(number, 0)
        clock[0] += 3600


def test_a_folder_is_looked_at_when_it_is_quiet_or_has_not_been_for_long(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = box.deliver()
    box.look()
    box.learner._quiet = 60
    box.move(name, ".Junk")
    assert box.look() == NOTHING
    monkeypatch.setattr(account_learner, "RESTLESS_AT_MOST", 0.0)
    assert box.look() == SPAM


def test_what_was_not_quiet_is_listed_again_though_it_looks_the_same(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More may have come in the moment after its listing, by the same time."""
    first, second = box.deliver(), box.deliver()
    box.look()
    box.learner._quiet = 60
    monkeypatch.setattr(account_learner, "RESTLESS_AT_MOST", 0.0)
    box.move(first, ".Junk")
    assert box.look() == SPAM
    times = [(cur, cur.stat()) for cur in (box.home / "Maildir").rglob("cur")]
    box.move(second, ".Junk")
    for cur, status in times:
        os.utime(cur, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert box.look() == Counts(2, 0)


@pytest.mark.parametrize("with_folder", [False, True])
def test_what_left_a_folder_is_remembered_for_a_while(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch, with_folder: bool
) -> None:
    def gone() -> int:
        with SeenMessages(box.home) as seen:
            return len(seen.rows("SELECT 1 FROM messages WHERE gone > 0"))

    name = box.deliver(".Lists")
    box.look()
    if with_folder:
        shutil.rmtree(box.folder(".Lists"))
    else:
        box.expunge(name, ".Lists")
    box.look()
    assert gone() == 1
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 3600)
    box.deliver()
    box.look()
    assert gone() == 0


def test_what_waits_is_learned_though_mail_comes_all_the_time(box: Mailbox) -> None:
    """A look takes place once in 40 seconds then, and lessons have two of them."""
    name = box.deliver()
    box.look()
    box.move(name, ".Junk")
    assert box.learner.turn(time.monotonic() - 1, lambda: True)
    box.learner._quiet = 60
    box.move(box.deliver(), ".Junk")
    assert box.look() == SPAM
    assert box.look() == SPAM
    box.learner._quiet = -1
    assert box.look() == Counts(2, 0)


def test_the_author_of_spam_is_not_known_any_more(box: Mailbox) -> None:
    """Unless nobody vouched for him: a forger could make a friend unknown."""
    for authenticated, first in ((False, False), (True, True)):
        name = box.deliver()
        box.look()
        message = box.find(name, "").read_bytes()
        with open_state(box.home) as state:
            mark = message.split(b"\n")[1].split()[2].decode()
            state.note_delivery(mark, int(time.time()), False, authenticated, "example.net")
            state.note_author("a@example.net", 1)
        box.move(name, ".Junk")
        box.look()
        with open_state(box.home) as state:
            assert state.is_first_contact("a@example.net") == first
    assert box.learned().spam == 2
