"""Disks that take nothing: what a start writes all the same (nothing), and what is said of them."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import pwd
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from entrypoint import disks
from entrypoint.config import environ
from entrypoint.config.settings import HostFacts
from entrypoint.disks import Disk, assess, explained, problems, takes_nothing
from entrypoint.files import locked, own_folder, write_file
from entrypoint.maintenance.disks import DiskTicker
from entrypoint.maintenance.known_hashes import KnownHashes
from entrypoint.paths import DATA, SPOOL
from entrypoint.smtpctl import SmtpctlError
from filters.disk_room import Room

from ..refusing_disk import names_in, refusing

ME = pwd.getpwuid(os.geteuid()).pw_name
GROUP = "root" if ME == "root" else ME
MIB, GIB = 1024**2, 1024**3
ALL = pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
ROOMY = Room(20 * GIB, 10 * GIB, 10**6, 10**5)
SETTINGS = environ.load(
    {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:x-x-x"}, host=HostFacts(ipv6=False)
)


class TestAFile:
    @ALL
    def test_that_is_right_needs_no_room(self, tmp_path: Path, number: int) -> None:
        path = tmp_path / "file"
        write_file(path, b"content", ME, GROUP, 0o640)
        before = path.stat()
        with refusing(tmp_path, number):
            write_file(path, b"content", ME, GROUP, 0o640)
        after = path.stat()
        # All but the time at which it was read.
        assert (after.st_ino, after.st_ctime_ns) == (before.st_ino, before.st_ctime_ns)

    @pytest.mark.parametrize(("content", "mode"), [(b"another", 0o640), (b"content", 0o600)])
    @ALL
    def test_that_is_not_says_which_it_is_and_stays(
        self, tmp_path: Path, content: bytes, mode: int, number: int
    ) -> None:
        path = tmp_path / "file"
        write_file(path, b"content", ME, GROUP, 0o640)
        with refusing(tmp_path, number), pytest.raises(OSError) as caught:
            write_file(path, content, ME, GROUP, mode)
        assert (caught.value.errno, caught.value.filename) == (number, str(path))
        assert path.read_bytes() == b"content"
        assert names_in(tmp_path) == ["file"]

    def test_a_write_that_fails_in_the_middle_says_which_it_is(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # as fsync: without a path

        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(OSError) as caught:
            write_file(tmp_path / "file", b"content", ME, GROUP, 0o640)
        assert caught.value.filename == str(tmp_path / "file")
        assert names_in(tmp_path) == []

    def test_a_link_is_never_taken_for_the_file(self, tmp_path: Path) -> None:
        (tmp_path / "other").write_bytes(b"content")
        (tmp_path / "other").chmod(0o640)
        (tmp_path / "file").symlink_to("other")
        write_file(tmp_path / "file", b"content", ME, GROUP, 0o640)
        assert not (tmp_path / "file").is_symlink()


@ALL
def test_a_folder_that_is_right_needs_no_room(tmp_path: Path, number: int) -> None:
    own_folder(tmp_path / "folder", ME, GROUP, 0o711)
    with refusing(tmp_path, number):
        own_folder(tmp_path / "folder", ME, GROUP, 0o711)
        with pytest.raises(OSError):
            own_folder(tmp_path / "another", ME, GROUP, 0o711)


@ALL
@pytest.mark.parametrize("there", [True, False])
def test_a_lock_is_had_without_room(tmp_path: Path, number: int, there: bool) -> None:
    if there:
        (tmp_path / "lock").touch()
    with refusing(tmp_path, number), locked(tmp_path / "lock"):
        child = os.fork()
        if not child:
            descriptor = os.open(tmp_path / "lock" if there else tmp_path, os.O_RDONLY)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os._exit(1)
            except BlockingIOError:
                os._exit(0)
        assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, "/data/x: no space left on its disk; make room, or give the volume"),
        (errno.EDQUOT, "/data/x: the disk quota is used up; make room, or give the volume"),
        (errno.EROFS, "/data/x: its disk is read-only; mount it writable"),
        (errno.EIO, "/data/x: Input/output error"),
    ],
)
def test_an_error_says_where_and_the_cure(number: int, said: str) -> None:
    error = OSError(number, os.strerror(number), "/data/x")
    assert explained(error).startswith(said)
    assert takes_nothing(error) is (number != errno.EIO)


class TestProblems:
    @pytest.mark.parametrize(
        ("room", "said"),
        [
            (ROOMY, ""),
            (replace(ROOMY, free=0), "the disk of /data is full (0 MiB of 20.0 GiB free)"),
            (replace(ROOMY, free=5 * MIB), ""),
            (replace(ROOMY, free_inodes=3), "the disk of /data is full (3 of 1000000 inodes free)"),
            (replace(ROOMY, inodes=0, free_inodes=0), ""),  # a file system that counts none
            (replace(ROOMY, read_only=True), "the disk of /data is read-only"),
            (Room(32 * MIB, 3 * MIB, 0, 0), ""),  # a small disk has a small share
        ],
    )
    def test_are_told_by_the_room(self, room: Room, said: str) -> None:
        assert assess((DATA,), room)[0] == said

    def test_of_one_disk_are_one_line(self, tmp_path: Path) -> None:
        full = replace(ROOMY, free=0)
        disk = Disk((DATA, SPOOL), full, *assess((DATA, SPOOL), full))
        assert disk.problem == (
            "the disk of /data and /var/spool/smtpd is full (0 MiB of 20.0 GiB free): mail waits "
            "in the queue and new mail is refused with 452; make room, or give the volume a "
            "larger disk"
        )

    def test_a_quota_shows_when_something_is_written(self, tmp_path: Path) -> None:
        (tmp_path / "data/mail").mkdir(parents=True)
        data = tmp_path / "data"
        assert problems(data, tmp_path, ME) == []
        with refusing(tmp_path, errno.EDQUOT):
            (said,) = problems(data, tmp_path, ME)
        assert said.startswith(f"the quota of the disk of {data} is used up: ")
        assert names_in(data / "mail") == []

    def test_a_folder_that_is_not_there_is_one(self, tmp_path: Path) -> None:
        (said,) = problems(tmp_path / "none", tmp_path, None)
        assert said == f"{tmp_path}/none: No such file or directory"


LISTED = """\
aaaaaaaaaaaaaaa1|inet4|mda|auth|a@x.test|alice@example.org|alice@example.org|1|1|0|3|pending|9|451
aaaaaaaaaaaaaaa2|inet4|mda|auth|"a|b"@x.test|bob@example.org|bob@example.org|1|1|0|3|pending|9|451
aaaaaaaaaaaaaaa3|inet4|mta|auth|alice@example.org|x@far.test|x@far.test|1|1|0|3|pending|900|451
aaaaaaaaaaaaaaa4|inet4|mda|auth|a@x.test|alice@example.org|alice@example.org|1|1|0|0|inflight|0|
"""


class TestTheDisksWatched:
    def setup_method(self) -> None:
        self.disk = Disk((DATA,), ROOMY)
        self.asked: list[Sequence[str]] = []
        self.answer: str | None = LISTED
        self.thoroughly: list[bool] = []
        self.hangs = False
        self.ticker = DiskTicker(self.look, self.smtpctl)
        self.now = 1000.0

    async def look(self, thoroughly: bool) -> list[Disk | str]:
        self.thoroughly.append(thoroughly)
        if self.hangs:
            raise TimeoutError
        return [self.disk]

    async def smtpctl(self, arguments: Sequence[str]) -> str:
        if self.answer is None:
            raise SmtpctlError("smtpctl show queue: no daemon")
        self.asked.append(arguments)
        return self.answer

    def tick(self, **room: int) -> list[tuple[str, str]]:
        now = replace(ROOMY, **room)
        self.disk = Disk((DATA,), now, *assess((DATA,), now))
        self.now += 5
        return list(asyncio.run(self.ticker.tick(SETTINGS, self.now)))

    def scheduled(self) -> list[str]:
        found = [each[1] for each in self.asked if each[0] == "schedule"]
        self.asked.clear()
        return found

    def test_says_once_that_it_is_full_and_once_that_it_is_not(self) -> None:
        assert self.tick() == []
        ((level, text),) = self.tick(free=0)
        assert (level, text[:24]) == ("error", "the disk of /data is ful")
        assert self.tick(free=10_000) == []
        assert self.tick() == [("info", "the disk of /data takes mail again")]
        assert self.tick() == []

    def test_says_once_that_they_do_not_answer_and_never_that_a_full_one_is_well(self) -> None:
        self.tick(free=0)
        self.hangs = True
        assert self.tick() == [("error", "the disks do not answer within 30 s")]
        assert self.tick() == []
        self.hangs = False
        assert self.tick(free=0) == []
        assert self.tick() == [("info", "the disk of /data takes mail again")]

    def test_what_waits_here_is_tried_when_there_is_room_and_once_more(self) -> None:
        self.tick(free=0)
        assert self.scheduled() == []
        self.tick()
        # Not what goes to others, nor what is under way.
        assert self.scheduled() == ["aaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaa2"]
        for _ in range(3):
            self.tick()
        assert self.scheduled() == []
        self.tick()
        assert self.scheduled() == ["aaaaaaaaaaaaaaa1", "aaaaaaaaaaaaaaa2"]
        self.now += 1000
        self.tick()
        assert self.scheduled() == []

    def test_on_a_full_disk_a_little_more_room_is_worth_a_try(self) -> None:
        self.tick(free=8192)
        self.tick(free=0)
        self.tick(free=4096)
        assert self.scheduled() == []
        self.tick(free=100_000)
        assert self.scheduled()
        self.tick(free=100_000)
        assert self.scheduled() == []

    def test_so_are_inodes(self) -> None:
        self.tick(free_inodes=0)
        self.tick(free_inodes=8)
        assert self.scheduled()

    def test_a_large_message_is_tried_when_it_fits(self) -> None:
        self.tick(free=SETTINGS.message_size_limit // 2)
        self.tick(free=SETTINGS.message_size_limit + 1)
        assert self.scheduled() == []
        self.tick(free=3 * SETTINGS.message_size_limit)
        assert self.scheduled()

    def test_an_smtpd_that_does_not_answer_is_asked_again(self) -> None:
        self.tick(free=0)
        self.answer = None
        assert [level for level, _ in self.tick()] == ["info", "warning"]
        self.now += 20
        assert self.tick() == []
        self.answer = LISTED
        self.now += 20
        self.tick()
        assert self.scheduled()

    def test_an_smtpd_that_hangs_is_named(self) -> None:
        async def hang(arguments: Sequence[str]) -> str:
            raise SmtpctlError("smtpctl show queue: no answer within 10 s")

        self.ticker = DiskTicker(self.look, hang)
        self.tick(free=0)
        said = (
            "what waits in the queue is not tried again: smtpctl show queue: no answer within 10 s"
        )
        assert self.tick()[1:] == [("warning", said)]

    def test_a_disk_that_is_well_is_written_to_once_a_minute_only(self) -> None:
        for _ in range(12):
            self.tick()
        assert self.thoroughly.count(True) == 1
        self.tick()
        assert self.thoroughly[-1]
        self.tick(free=0)
        self.tick(free=0)
        assert self.thoroughly[-1]


def test_health_names_a_full_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    full = replace(ROOMY, free=0)
    monkeypatch.setattr(disks, "room_of", lambda path: full)
    for name in ("data", "queue"):
        (tmp_path / name).mkdir()
    (said,) = problems(tmp_path / "data", tmp_path / "queue", None)
    names = f"{tmp_path}/data and {tmp_path}/queue"
    assert said.startswith(f"the disk of {names} is full (0 MiB of 20.0 GiB free): ")


def test_hashes_that_cannot_be_remembered_are_made_again(tmp_path: Path) -> None:
    known = KnownHashes(tmp_path, GROUP)
    known.hash_of("alice@example.org", "a password")
    with refusing(tmp_path):
        known.remember()
    assert names_in(tmp_path) == []
    known.remember()
    assert names_in(tmp_path) == ["known-hashes.json"]
