"""Mail that moves while it is read: what was there at the beginning is in the archive."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from entrypoint.backup import mail_files, queue_files, volume_files
from entrypoint.backup.archive import Member
from entrypoint.backup.layout import Volumes
from entrypoint.backup.mail_files import MailFiles
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.queue_files import queue_members
from entrypoint.backup.volume_files import PIECE, BackupError, born, names_in

from .volumes import ENVELOPE_TEXT, MAILDIR, empty

LONG_AGO, AT = 1_795_752_836, 1_795_760_000.0


class Mailbox:
    """A mailbox with folders, as Dovecot acts in it."""

    def __init__(self, volumes: Volumes, *folders: str) -> None:
        self.top = volumes.data / MAILDIR
        self._number = 0
        for each in ("", *folders):
            for sub in ("cur", "new", "tmp"):
                (self.top / each / sub).mkdir(parents=True)

    def deliver(self, folder: str = "", text: bytes = b"hello", at: float = LONG_AGO) -> Path:
        self._number += 1
        path = self.top / folder / f"new/{self._number}.M1P1.host,S={len(text)}"
        path.write_bytes(text)
        os.utime(path, (at, at))
        return path

    def move(self, path: Path, folder: str) -> Path:
        """As IMAP's MOVE: another name of the same file, then without the first."""
        copied = self.copy(path, folder)
        path.unlink()
        return copied

    def moves(self, path: Path) -> Callable[[str], Callable[[], None]]:
        """By folder, what moves the message there from wherever it is by then."""
        at = [path]

        def to(folder: str) -> Callable[[], None]:
            def act() -> None:
                at.append(self.move(at[-1], folder))

            return act

        return to

    def copy(self, path: Path, folder: str) -> Path:
        self._number += 1
        copied = self.top / folder / f"cur/{self._number}.M1P1.host:2,S"
        copied.hardlink_to(path)
        return copied


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return empty(tmp_path)


def texts(found: Iterable[Member], kind: str = "/cur/", other: str = "/new/") -> list[bytes]:
    """The messages that a backup takes, each read as it comes."""
    return [
        b"".join(each.content)
        for each in found
        if each.head.kind == "file" and (kind in each.head.name or other in each.head.name)
    ]


def meanwhile(monkeypatch: pytest.MonkeyPatch, module: object, *acts: Callable[[], object]) -> None:
    """Do one of these each time that a folder was listed and its files are not opened yet."""
    left = list(acts)

    def listed(descriptor: int) -> list[str]:
        names = names_in(descriptor)
        path = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        if left and (path.endswith(("/cur", "/new")) or "queue" in path):
            left.pop(0)()
        return names

    monkeypatch.setattr(module, "names_in", listed)


def backup(volumes: Volumes, began: float = AT) -> list[bytes]:
    return sorted(texts(MailFiles(volumes, BackupNotes()).members(began)))


def test_a_message_that_is_flagged_between_two_looks_is_taken_once(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox(volumes)
    path = box.deliver()
    flagged = box.top / "cur" / f"{path.name}:2,S"

    def flag() -> None:
        path.rename(flagged)

    def answered() -> None:
        flagged.rename(flagged.with_name(f"{path.name}:2,RS"))

    # new is listed, it goes to cur; cur is listed, it has another name.
    meanwhile(monkeypatch, mail_files, flag, answered)
    assert backup(volumes) == [b"hello"]


@pytest.mark.parametrize("after", range(9))
def test_a_message_that_is_moved_at_any_time_is_taken(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    box = Mailbox(volumes, ".A", ".B", ".C")
    move = box.moves(box.deliver(".C"))
    meanwhile(monkeypatch, mail_files, *(lambda: None,) * after, move(".A"))
    found = backup(volumes)
    assert set(found) == {b"hello"}


def test_a_message_that_goes_against_us_again_and_again_is_taken(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders: it is always in the one that was listed already."""
    box = Mailbox(volumes, ".A", ".B")
    move = box.moves(box.deliver(".B"))

    def nothing() -> None:
        pass

    # A look lists the inbox's new and cur, A's new and cur, B's new and cur.
    moved_away = (nothing, nothing, nothing, move(".A"), nothing, nothing)
    moved_back = (nothing, nothing, nothing, nothing, nothing, move(".B"))
    meanwhile(monkeypatch, mail_files, *moved_away, *moved_back)
    assert backup(volumes) == [b"hello"]


def test_a_message_that_no_two_looks_can_see_is_taken(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is found then that would ask for another look; the folders have changed."""
    box = Mailbox(volumes, ".A", ".B")
    move = box.moves(box.deliver(".B"))
    waits = (lambda: None,) * 3
    # When A's cur was listed, to A; when the inbox's was listed again, to the inbox.
    meanwhile(monkeypatch, mail_files, *waits, move(".A"), *waits, move(""), *waits)
    assert backup(volumes) == [b"hello"]


def test_a_copy_is_taken_too_and_what_was_moved_only_once(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox(volumes, ".A", ".B")
    box.copy(box.deliver(text=b"copied"), ".A")
    moved = box.deliver(".A", b"moved")
    meanwhile(monkeypatch, mail_files, *(lambda: None,) * 4, lambda: box.move(moved, ".B"))
    assert backup(volumes) == [b"copied", b"copied", b"moved"]


@pytest.mark.parametrize("moved_on", [False, True])
def test_a_copy_that_is_flagged_between_two_looks_is_taken(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch, moved_on: bool
) -> None:
    """The same file is in the archive already, in the folder that it was copied from."""
    box = Mailbox(volumes, ".A", ".B")
    copied = box.copy(box.deliver(text=b"copied"), ".A")
    flagged = copied.with_name(copied.name.replace(":2,S", ":2,RS"))

    def flag() -> None:
        copied.rename(flagged)

    def move() -> None:
        if moved_on:
            box.move(flagged, ".B")

    meanwhile(monkeypatch, mail_files, *(lambda: None,) * 3, flag, *(lambda: None,) * 5, move)
    assert backup(volumes) == [b"copied", b"copied"]


def test_what_comes_while_we_read_asks_for_no_end(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox(volumes)
    box.deliver()
    lists = 0

    def listed(descriptor: int) -> list[str]:
        nonlocal lists
        lists += 1
        box.deliver(text=b"new", at=AT + lists)
        return names_in(descriptor)

    monkeypatch.setattr(mail_files, "names_in", listed)
    assert b"hello" in backup(volumes)
    assert lists < 40


def at_each_list(monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    def listed(descriptor: int) -> list[str]:
        act()
        return names_in(descriptor)

    monkeypatch.setattr(mail_files, "names_in", listed)


def test_mail_that_never_rests_is_no_backup(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox(volumes)
    at_each_list(monkeypatch, lambda: box.deliver(text=os.urandom(8)))
    with pytest.raises(BackupError, match="moved faster"):
        backup(volumes, began=4e9)


def test_an_import_of_old_mail_keeps_no_backup_from_its_end(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is put in has the date of then, and its file is of now."""
    box = Mailbox(volumes)
    box.deliver()
    began = time.time()
    at_each_list(monkeypatch, lambda: box.deliver(text=b"imported"))
    assert b"hello" in backup(volumes, began)
    # A disk that does not say since when files are there.
    monkeypatch.setattr(mail_files, "born", lambda _: None)
    with pytest.raises(BackupError, match="moved faster"):
        backup(volumes, began)


def test_the_disk_says_since_when_a_file_is_there(tmp_path: Path) -> None:
    before = time.time()
    path = tmp_path / "file"
    path.touch()
    os.utime(path, (LONG_AGO, LONG_AGO))
    path = path.rename(tmp_path / "other")
    (tmp_path / "third").hardlink_to(path)
    with path.open() as stream:
        since = born(stream.fileno())
    assert since is not None
    assert before - 0.1 < since < time.time() + 0.1
    with Path("/proc/self/stat").open() as stream:  # a file system that does not
        assert born(stream.fileno()) is None
    assert born(-1) is None


def test_a_disk_that_fails_in_the_middle_of_a_message_names_it(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its length is in the archive already, so that there can be no whole one."""
    path, read = Mailbox(volumes).deliver(), os.read
    os.truncate(path, 3 * PIECE)

    def fails(descriptor: int, length: int) -> bytes:
        if os.lseek(descriptor, 0, os.SEEK_CUR):
            raise OSError(5, "Input/output error")
        return read(descriptor, length)

    monkeypatch.setattr(volume_files.os, "read", fails)
    with pytest.raises(BackupError, match=rf"^data/{MAILDIR}/new/{path.name}: Input/output error$"):
        backup(volumes)


def test_the_numbers_end_with_a_whole_line(volumes: Volumes) -> None:
    box = Mailbox(volumes)
    box.deliver()
    (box.top / "dovecot-uidlist").write_bytes(b"3 V1 N2 Gx\n1 :1.M1P1.host,S=5\n2 :2.M")
    found = list(MailFiles(volumes, BackupNotes()).members(AT))
    (uids,) = [each for each in found if each.head.name.endswith("uidlist")]
    assert b"".join(uids.content) == b"3 V1 N2 Gx\n1 :1.M1P1.host,S=5\n"
    assert uids.head.size == 30
    # Last, so that it has the numbers of all that was taken.
    assert found.index(uids) > max(n for n, each in enumerate(found) if "/new/" in each.head.name)


# -- the queue ------------------------------------------------------------------------------


class Queue:
    """smtpd's queue."""

    def __init__(self, volumes: Volumes) -> None:
        self.top = volumes.spool / "queue"

    def take(self, message: str, text: bytes, recipients: int = 1) -> Path:
        path = self.top / message[:2] / message
        path.mkdir(parents=True)
        (path / "message").write_bytes(text)
        for number in range(recipients):
            (path / f"{message}{number:08x}").write_bytes(ENVELOPE_TEXT)
        return path


def queued(volumes: Volumes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in queue_members(volumes, BackupNotes()):
        b"".join(each.content)
        *_, message, name = each.head.name.split("/")
        found.setdefault(message, []).append(name)
    return found


def test_a_message_has_its_envelopes(volumes: Volumes) -> None:
    queue = Queue(volumes)
    queue.take("aa000001", b"one", recipients=2)
    assert queued(volumes) == {"aa000001": ["message", "aa00000100000000", "aa00000100000001"]}


def test_what_is_redirected_while_we_look_is_taken(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = Queue(volumes)
    path = queue.take("cc000001", b"one")

    def redirect() -> None:
        queue.take("aa000002", b"redirected")
        shutil.rmtree(path)

    # The list of buckets, then that of cc.
    meanwhile(monkeypatch, queue_files, lambda: None, redirect)
    assert list(queued(volumes)) == ["aa000002"]


def test_what_is_delivered_while_we_look_is_not_half_there(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Queue(volumes).take("cc000001", b"one", recipients=2)
    meanwhile(
        monkeypatch,
        queue_files,
        *(lambda: None,) * 2,
        lambda: (path / "cc00000100000001").unlink(),
    )
    assert queued(volumes) == {"cc000001": ["message", "cc00000100000000"]}


def test_what_a_killed_smtpd_has_left_stops_nothing(volumes: Volumes) -> None:
    queue = Queue(volumes)
    (queue.take("aa000001", b"one") / "message").unlink()
    queue.take("aa000002", b"two", recipients=0)
    queue.take("aa000003", b"three")
    assert list(queued(volumes)) == ["aa000003"]


def test_a_message_that_cannot_be_read_is_named_and_the_others_are_taken(
    volumes: Volumes,
) -> None:
    queue, notes = Queue(volumes), BackupNotes()
    for number in (1, 2):
        path = queue.take(f"aa00000{number}", b"x") / "message"
        path.unlink()
        path.symlink_to("/etc/passwd") if number == 1 else path.mkdir()
    queue.take("aa000003", b"three")
    found = [each.head.name for each in queue_members(volumes, notes)]
    assert found == [f"spool/queue/aa/aa000003/{name}" for name in ("message", "aa00000300000000")]
    assert notes.left == [f"spool/queue/aa/aa00000{number}/message" for number in (1, 2)]
    assert notes.taken["queue"] == 1


def test_a_queue_that_never_rests_is_no_backup(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue, number = Queue(volumes), 0

    def listed(descriptor: int) -> list[str]:
        nonlocal number
        names = names_in(descriptor)
        for name in names:
            if len(name) == 8:
                shutil.rmtree(queue.top / name[:2] / name)
                number += 1
                queue.take(f"aa{number:06x}", b"again")
        return names

    queue.take("aa000000", b"one")
    monkeypatch.setattr(queue_files, "names_in", listed)
    with pytest.raises(BackupError, match="moves faster"):
        queued(volumes)
