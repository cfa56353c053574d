"""What a junk filter has learned goes into a backup as one state, and only with the mail."""

from __future__ import annotations

import fcntl
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from entrypoint.backup import junk_files
from entrypoint.backup.mail_files import MailFiles
from entrypoint.backup.notes import BackupNotes

from .volumes import HOME, archive, back, empty, make, members

JUNK = f"{HOME}/junk"


def names(top: Path, notes: BackupNotes, *, mail: bool = True) -> set[str]:
    found = MailFiles(make(top), notes, mail=mail).members(4e9)
    return {each.head.name for each in found if "/junk" in each.head.name}


def test_words_of_mail_go_with_the_mail(tmp_path: Path) -> None:
    notes = BackupNotes()
    assert names(tmp_path / "with", notes) == {
        f"data/{JUNK}",
        f"data/{JUNK}/state.sqlite",
        f"data/{JUNK}/wordlist.db",
    }
    assert not names(tmp_path / "without", notes, mail=False)
    assert not [*notes.left, *notes.unreadable]


def test_both_are_copied_while_nobody_learns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lesson that has begun ends first; one that does not end is not waited for."""
    volumes = make(tmp_path)
    top = volumes.data / JUNK
    copies: list[bool] = []
    real = junk_files.database_copy

    def copy(path: Path, place: object) -> bytes:
        with (top / "lock").open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                copies.append(False)
            except BlockingIOError:
                copies.append(True)
        return real(path, place)  # type: ignore[arg-type]

    monkeypatch.setattr(junk_files, "database_copy", copy)
    monkeypatch.setattr(junk_files, "_LOCKED_WITHIN", 0.2)
    list(MailFiles(volumes, BackupNotes()).members(4e9))
    assert copies == [True, True]
    notes = BackupNotes()
    with (top / "lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = {each.head.name for each in MailFiles(volumes, notes).members(4e9)}
    assert f"data/{JUNK}/wordlist.db" in found
    assert not notes.unreadable


def test_what_is_damaged_or_a_strangers_is_named_and_the_rest_is_there(tmp_path: Path) -> None:
    volumes, notes = make(tmp_path / "old"), BackupNotes()
    top = volumes.data / JUNK
    (top / "wordlist.db").write_bytes(b"no database" * 1000)
    (top / "other").write_bytes(b"x")
    (top / "sub").mkdir()
    (top / "state.sqlite").rename(top / "elsewhere")
    (top / "state.sqlite").symlink_to("/etc/passwd")
    data = archive(members(volumes, notes))
    assert notes.left == [
        f"data/{JUNK}/{name}" for name in ("elsewhere", "other", "state.sqlite", "sub")
    ]
    assert len(notes.unreadable) == 1
    assert notes.unreadable[0].startswith(f"data/{JUNK}/wordlist.db: ")
    new = empty(tmp_path / "new")
    back(data, new)
    assert not list((new.data / JUNK).iterdir())


def test_what_is_restored_can_be_learned_from(tmp_path: Path) -> None:
    new = empty(tmp_path / "new")
    back(archive(members(make(tmp_path / "old"))), new)
    top = new.data / JUNK
    assert (top.stat().st_mode & 0o7777, (top / "wordlist.db").stat().st_mode & 0o7777) == (
        0o700,
        0o600,
    )
    with closing(sqlite3.connect(top / "state.sqlite")) as database, database:
        database.execute("INSERT INTO failed VALUES (8)")
