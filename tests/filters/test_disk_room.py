"""What the filters do while a disk takes nothing: they refuse for now, and say it once."""

from __future__ import annotations

import errno
import json
import logging
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from filters.client_counts import ClientCounts
from filters.credentials import LoginTable
from filters.disk_room import QueueRoom, Room
from filters.guard import database
from filters.guard.block_store import BlockStore
from filters.guard.login_guard import PAIR_LIMIT, LoginGuard
from filters.json_file import write_json
from filters.last_used import LastUsed, read_last_used
from filters.smtpd import Reject, Request, Session

from ..refusing_disk import names_in, refusing

ROOMY = Room(10**9, 5 * 10**8, 10**6, 5 * 10**5)
MAIL = Request((0, 7), "mail-from", "s", "t", b"")
BOOK = LoginTable.from_json(
    '{"logins": {"alice@example.org": {"hashes": [{"name": "", "hash": "$6$x$y"}]}}}'
)
ALICE, CLIENT, NOW = "alice@example.org", "198.51.100.7", 1_795_000_000.0


@pytest.mark.parametrize(
    ("room", "refused"),
    [
        (ROOMY, False),
        (replace(ROOMY, free=0), True),
        (replace(ROOMY, free_inodes=2), True),
        (replace(ROOMY, inodes=0, free_inodes=0), False),
        (replace(ROOMY, read_only=True), True),
    ],
)
def test_mail_is_refused_for_now_where_the_queue_has_no_room(room: Room, refused: bool) -> None:
    answer = QueueRoom(Path("/"), lambda path: room).reject_insufficient_storage(Session("s"), MAIL)
    assert isinstance(answer, Reject) is refused
    if isinstance(answer, Reject):
        assert answer.reply.startswith("452 4.3.1 ")


def test_a_queue_that_cannot_be_looked_at_is_smtpds_business(tmp_path: Path) -> None:
    queue = QueueRoom(tmp_path / "none")
    assert queue.reject_insufficient_storage(Session("s"), MAIL) is None


def test_a_state_file_is_logged_when_it_fails_anew_and_when_it_is_written_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    counts = ClientCounts(path := tmp_path / "clients.json")

    def note() -> None:
        counts.note("192.0.2.1", unknown=False)
        counts.finish()

    for number in (errno.ENOSPC, errno.ENOSPC, errno.EROFS):
        with refusing(tmp_path, number):
            note()
    note()
    note()
    assert caplog.messages == [
        f"{path}: it cannot be written: No space left on device",
        f"{path}: it cannot be written: Read-only file system",
        f"{path}: written again",
    ]
    assert json.loads(path.read_text())["clients"]["other"] == 5


def test_the_error_of_a_state_file_names_it(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    write_json(path, 1)
    with refusing(tmp_path), pytest.raises(OSError) as caught:
        write_json(path, 2)
    assert caught.value.filename == str(path)
    assert path.read_text() == "1"


def test_times_of_last_use_come_with_the_next_write(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    used = LastUsed(path := tmp_path / "last-used.json", lambda: BOOK)
    used.note(ALICE, "", 7)
    with refusing(tmp_path):
        used.finish()
        used.finish()
    assert not path.exists()
    used.finish()
    assert read_last_used(path) == {ALICE: {"": 7}}
    path.unlink()
    used.finish()
    assert not path.exists()
    assert len(caplog.messages) == 2


class TestBlocks:
    def blocked(self, login: str = ALICE) -> LoginGuard:
        guard = LoginGuard()
        for _ in range(PAIR_LIMIT):
            guard.failed(CLIENT, login, NOW)
        return guard

    def test_that_could_not_be_written_come_with_the_next_write(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        guard, store = self.blocked(), BlockStore(tmp_path / "blocked.sqlite")
        snapshot = store.snapshot(guard)
        assert snapshot is not None
        # SQLite opens files by itself: a folder in the file's place fails as a disk does.
        (tmp_path / "blocked.sqlite").mkdir()
        with pytest.raises(sqlite3.OperationalError, match="unable to open"):
            store.write(snapshot)
        (tmp_path / "blocked.sqlite").rmdir()
        again = store.snapshot(guard)
        assert again is not None
        store.write(again)
        assert store.snapshot(guard) is None
        known = LoginGuard()
        BlockStore(tmp_path / "blocked.sqlite").load(known)
        assert known.blocks(NOW) == guard.blocks(NOW)

    def test_are_known_after_a_restart_where_nothing_can_be_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        guard, path = self.blocked(), tmp_path / "blocked ?#.sqlite"
        snapshot = BlockStore(path).snapshot(guard)
        assert snapshot is not None
        BlockStore(path).write(snapshot)
        assert names_in(tmp_path) == [path.name]  # nothing is left in a log

        def full(*_: object) -> sqlite3.Connection:
            raise sqlite3.OperationalError("database or disk is full")

        monkeypatch.setattr(database, "_opened", full)
        known = LoginGuard()
        BlockStore(path).load(known)
        assert known.blocks(NOW) == guard.blocks(NOW)
