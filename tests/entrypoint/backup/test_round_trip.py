"""What a backup takes comes back as it was, and only that."""

from __future__ import annotations

import io
import os
import re
import sqlite3
import subprocess
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from entrypoint.backup import state_files
from entrypoint.backup.archive import written
from entrypoint.backup.held import HELD
from entrypoint.backup.layout import LINK, Volumes, is_derived, place_of
from entrypoint.backup.mail_files import MailFiles
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.restore import Restore, checked
from entrypoint.mailbox_import.mailbox_here import ANYWHERE
from entrypoint.mailbox_import.record import Brought, FolderKey, record_in

from .volumes import (
    DATABASES,
    DERIVED,
    FILES,
    HOME,
    LINKS,
    MAILDIR,
    MANIFEST,
    MESSAGE,
    UIDS,
    archive,
    back,
    empty,
    make,
    members,
    tree,
)

RECORDINGS = Path(__file__).parents[2] / "container/volumes"


def rows_of(path: Path) -> list[tuple[int]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT * FROM failed").fetchall()


def test_everything_comes_back_and_nothing_else(tmp_path: Path) -> None:
    notes = BackupNotes()
    data = archive(members(make(tmp_path / "old"), notes))
    assert (notes.left, notes.unreadable) == ([], [])
    assert notes.taken == {
        "mail": 2,
        "queue": 1,
        "other": len(FILES) + len(LINKS) + len(DATABASES) - 3 - 2,
    }
    new = empty(tmp_path / "new")
    back(data, new)
    found = tree(tmp_path / "new")
    with record_in(new.data / HOME) as record:
        assert record.folder(FolderKey("old", b"INBOX", 7)) == Brought(1, half=ANYWHERE)
    del found[f"data/{HOME}/imported"]
    for name, content in FILES.items():
        held = name.replace("spool/queue/c1/", f"spool/{HELD}/")
        if name.endswith("/imported"):
            continue
        if not name.endswith("uidlist"):
            assert found[held] == content, name
    for name, target in LINKS.items():
        assert found[name] == target
    for name in DATABASES:
        assert rows_of(tmp_path / "new" / name) == [(7,)]
    marks = {f"{volume}/FORMAT": b"1 0.1.0 2026-11-27\n" for volume in ("data", "spool")}
    assert {name: found.pop(name) for name in marks} == marks
    for name in DERIVED:
        assert name not in found
    assert not [name for name in found if name.endswith((".link", "RESTORE"))]
    message = new.data / f"{MAILDIR}/.Projects.2024/cur/1795752837.M2P1.host,S=5:2,Sab"
    assert message.stat().st_mtime == 1795752836
    assert (message.stat().st_mode, message.parent.stat().st_mode) == (0o100600, 0o40700)
    assert (new.data / "dkim/state.json").stat().st_mode == 0o100644
    assert (new.data / "dkim").stat().st_mode == 0o40755


def test_a_database_that_somebody_has_locked_is_named_and_holds_nothing_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accounts and keys are locked meanwhile: nobody could change them."""
    monkeypatch.setattr(state_files, "_UNLOCKED_WITHIN", 0.2)
    volumes, notes = make(tmp_path), BackupNotes()
    with closing(sqlite3.connect(volumes.data / "accounts/logins/blocked.sqlite")) as database:
        database.executescript("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE")
        names = [each.head.name for each in members(volumes, notes)]
    assert notes.unreadable == [
        "data/accounts/logins/blocked.sqlite: another program has it locked"
    ]
    assert "data/accounts/accounts.json" in names


def test_files_of_before_there_were_formats_have_none(tmp_path: Path) -> None:
    volumes = make(tmp_path / "old"), empty(tmp_path / "new")
    before = MANIFEST.model_copy(update={"volumes": 0})
    back(b"".join(written(before, members(volumes[0]))), volumes[1])
    assert not [name for name in tree(tmp_path / "new") if name.endswith("FORMAT")]


def test_names_of_any_bytes_come_back(tmp_path: Path) -> None:
    volumes, new = make(tmp_path / "old"), empty(tmp_path / "new")
    names = [
        b"\xff\xfe.M1",
        b"two\nlines",
        b"back\\slash",
        "Ünïcödé".encode(),
        b"x" * 255,
        b"\r",
        b" ",
    ]
    folder = os.fsencode(volumes.data / MAILDIR / "new")
    for name in names:
        with open(os.path.join(folder, name), "wb") as stream:  # noqa: PTH118, PTH123 -- bytes
            stream.write(name)
    data = archive(members(volumes))
    back(data, new)
    for name in names:
        path = Path(os.fsdecode(os.fsencode(new.data / MAILDIR / "new") + b"/" + name))
        assert path.read_bytes() == name
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=data, check=True)
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "digests/000001"],
        cwd=tmp_path / "out",
        check=True,
    )


def test_what_comes_next_gets_no_number_that_was_seen(tmp_path: Path) -> None:
    data = archive(members(make(tmp_path / "old")))
    new = empty(tmp_path / "new")
    back(data, new)
    text = (new.data / MAILDIR / "dovecot-uidlist").read_bytes()
    assert text == UIDS.replace(b" N4 ", b" N1000004 ")


class FewBytes(io.BytesIO):
    """As a pipe gives them, through which an encrypted archive comes."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(size or 0, 7))


def test_the_next_number_may_come_in_pieces(tmp_path: Path) -> None:
    data = archive(members(make(tmp_path / "old")))
    new = empty(tmp_path / "new")
    us = os.getuid(), os.getgid()
    Restore(new, owner_of=lambda _: us).write(FewBytes(data))
    text = (new.data / MAILDIR / "dovecot-uidlist").read_bytes()
    assert text == UIDS.replace(b" N4 ", b" N1000004 ")


def test_any_tar_reads_it_and_sha256sum_checks_it(tmp_path: Path) -> None:
    data = archive(members(make(tmp_path / "old")))
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        assert {each.type for each in files} == {tarfile.REGTYPE, tarfile.DIRTYPE}
        assert {each.mode for each in files} == {0o600, 0o700}
        names = files.getnames()
    assert names[0] == "signpost-backup.json"
    assert names[-1] == "signpost-backup-end.json"
    (tmp_path / "out").mkdir()
    subprocess.run(["tar", "-x", "-C", tmp_path / "out"], input=data, check=True)
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "digests/000001"],
        cwd=tmp_path / "out",
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_without_mail_there_are_scripts_and_no_message(tmp_path: Path) -> None:
    volumes = make(tmp_path)
    found = [each.head.name for each in MailFiles(volumes, BackupNotes(), mail=False).members(4e9)]
    assert f"data/{HOME}/sieve/my-rules.sieve" in found
    assert f"data/{HOME}/.dovecot.sieve.link" in found
    assert not [name for name in found if "Maildir" in name or "dupes" in name]


def test_a_queue_that_is_held_is_part_of_the_next_backup(tmp_path: Path) -> None:
    data = archive(members(make(tmp_path / "one")))
    back(data, empty(tmp_path / "two"))
    again = archive(members(Volumes(tmp_path / "two/data", tmp_path / "two/spool")))
    assert checked(io.BytesIO(again)).members["queue"] == 1
    assert (tmp_path / "two/spool" / HELD / MESSAGE / "message").exists()


@pytest.mark.parametrize("name", [".hidden", ".", "..", "two words", "ünï"])
def test_a_script_of_any_name_comes_back(tmp_path: Path, name: str) -> None:
    """As ManageSieve takes them: anything without a slash and control characters."""
    volumes = make(tmp_path / "old")
    (volumes.data / HOME / f"sieve/{name}.sieve").write_bytes(b"discard;")
    active = volumes.data / HOME / ".dovecot.sieve"
    active.unlink()
    active.symlink_to(f"sieve/{name}.sieve")
    notes, new = BackupNotes(), empty(tmp_path / "new")
    back(archive(members(volumes, notes)), new)
    assert notes.left == []
    assert (new.data / HOME / ".dovecot.sieve").read_bytes() == b"discard;"


def test_what_is_nobody_s_is_named_and_not_taken(tmp_path: Path) -> None:
    volumes = make(tmp_path)
    stranger = volumes.data / HOME / "notes.txt"
    stranger.write_bytes(b"mine")
    (volumes.data / MAILDIR / ".draft.2024").write_bytes(b"no folder")
    (volumes.data / "export").mkdir()
    (volumes.spool / "mine").write_bytes(b"mine")
    (volumes.spool / "corrupt").mkdir()
    (volumes.data / MAILDIR / "new/link").symlink_to(volumes.data / "secrets/srs")
    os.mkfifo(volumes.data / MAILDIR / "cur-pipe")
    (volumes.data / "secrets/link").symlink_to("/etc/passwd")
    notes = BackupNotes()
    data = archive(members(volumes, notes))
    assert sorted(notes.left) == [
        "data/export",
        f"data/{MAILDIR}/.draft.2024",
        f"data/{MAILDIR}/cur-pipe",
        f"data/{MAILDIR}/new/link",
        f"data/{HOME}/notes.txt",
        "data/secrets/link",
        "spool/corrupt",
        "spool/mine",
    ]
    assert not notes.unreadable
    assert b"root:" not in data
    (first, *_) = notes.lines()
    assert first == "not in the backup, for it is no file of Signpost's: data/export"


@pytest.mark.parametrize("recording", ["43787d8", "6565b50"])
def test_every_file_of_a_server_at_work_is_known(recording: str) -> None:
    """Volumes that servers with all there is have written."""
    with tarfile.open(RECORDINGS / f"{recording}.tar.xz") as files:
        names = [name.replace("var/spool/smtpd", "spool") for name in files.getnames()]
    assert len(names) > 100
    tops = re.compile(r"data|spool|spool/queue(/[0-9a-f]{2}(/[0-9a-f]{8})?)?")
    unknown = [
        name
        for name in names
        if not tops.fullmatch(name)
        and place_of(name) is None
        and place_of(name + LINK) is None
        and not is_derived(name)
    ]
    assert unknown == []


def test_mail_behind_a_link_is_missed(tmp_path: Path) -> None:
    volumes = make(tmp_path)
    (volumes.data / "mail/example.net").symlink_to(tmp_path)
    (volumes.data / MAILDIR / "..DOVECOT-TRASHED/cur").mkdir(parents=True)
    notes = BackupNotes()
    found = [each.head.name for each in members(volumes, notes)]
    assert (notes.left, notes.unreadable) == ([], ["data/mail/example.net"])
    assert not [name for name in found if "TRASHED" in name]
    assert "NOT IN THE BACKUP" in next(notes.lines())


def test_no_line_of_the_layout_is_derived_too() -> None:
    for name in FILES:
        assert place_of(name) is not None, name
        assert not is_derived(name), name
    for name in DERIVED:
        assert place_of(name) is None or is_derived(name), name


def test_many_files_have_digests_in_batches(tmp_path: Path) -> None:
    volumes = make(tmp_path)
    for number in range(2500):
        (volumes.data / MAILDIR / f"new/{number}.M1P1.host").write_bytes(b"%d" % number)
    data = archive(members(volumes))
    with tarfile.open(fileobj=io.BytesIO(data)) as files:
        batches = [each for each in files.getnames() if each.startswith("digests/")]
    assert batches == ["digests/000001", "digests/000002", "digests/000003"]
    assert checked(io.BytesIO(data)).members["mail"] == 2502
