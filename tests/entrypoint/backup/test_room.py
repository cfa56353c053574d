"""What does not fit on the disks is refused before it is written."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from entrypoint.backup import room
from entrypoint.backup.archive import member
from entrypoint.backup.layout import Volumes
from entrypoint.backup.restore import checked
from entrypoint.backup.room import NeededRoom
from entrypoint.backup.tar_stream import ArchiveError, MemberHead
from filters.disk_room import Room

from .volumes import ENVELOPE, ENVELOPE_TEXT, MAILDIR, MESSAGE, archive, empty

KIB = 1024
MESSAGES = [
    member(f"data/{MAILDIR}/new/1.M1P1.host", b"x" * (9 * KIB)),
    member(f"spool/queue/c1/{MESSAGE}/message", b"x"),
    member(f"spool/queue/c1/{MESSAGE}/{ENVELOPE}", ENVELOPE_TEXT),
]


@pytest.fixture
def volumes(tmp_path: Path) -> Volumes:
    return empty(tmp_path)


def disk(monkeypatch: pytest.MonkeyPatch, free: int, files: int, inodes: int = 100) -> None:
    """Each has so many bytes and inodes free."""
    found = Room(size=1 << 40, free=free, inodes=inodes, free_inodes=files)
    monkeypatch.setattr(room, "room_of", lambda _: found)


def two_disks(monkeypatch: pytest.MonkeyPatch) -> None:
    stat = Path.stat
    monkeypatch.setattr(
        Path,
        "stat",
        lambda path: SimpleNamespace(st_dev=str(path)) if path.name == "spool" else stat(path),
    )


def needed() -> NeededRoom:
    return checked(io.BytesIO(archive(MESSAGES))).room


@pytest.mark.parametrize(
    ("free", "files", "said"),
    [
        (20 * KIB, 3, None),
        (20 * KIB - 1, 3, "it needs 0 MiB, and the disk of DATA and SPOOL has 0 MiB free; make r"),
        (20 * KIB, 2, "it has 3 files, and the disk of DATA and SPOOL has 2 inodes free; make r"),
    ],
)
def test_what_does_not_fit_is_refused(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch, free: int, files: int, said: str | None
) -> None:
    disk(monkeypatch, free, files)
    if said is None:
        needed().check(volumes)
        return
    said = said.replace("DATA", str(volumes.data)).replace("SPOOL", str(volumes.spool))
    with pytest.raises(ArchiveError) as caught:
        needed().check(volumes)
    assert str(caught.value).startswith(said)


def test_each_disk_counts_for_itself(volumes: Volumes, monkeypatch: pytest.MonkeyPatch) -> None:
    disk(monkeypatch, 12 * KIB, 2)
    two_disks(monkeypatch)
    needed().check(volumes)
    disk(monkeypatch, 8 * KIB, 2)
    with pytest.raises(ArchiveError, match=f"the disk of {volumes.data} has"):
        needed().check(volumes)


def test_a_file_system_that_counts_no_inodes_has_enough(
    volumes: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk(monkeypatch, 20 * KIB, 0, inodes=0)
    needed().check(volumes)


def test_a_size_that_is_no_lie_fills_no_disk(volumes: Volumes) -> None:
    wanted = NeededRoom()
    wanted.add(MemberHead(f"data/{MAILDIR}/new/1.M1P1.host", "file", 1 << 50))
    with pytest.raises(ArchiveError, match=r"it needs 1048576\.0 GiB, and the disk of"):
        wanted.check(volumes)
