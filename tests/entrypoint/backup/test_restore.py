"""Where a restore writes, what is left of one that was cut off, and what is held."""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from entrypoint.backup import empty_volumes, held_queue, restore
from entrypoint.backup.archive import member
from entrypoint.backup.held import HELD, held_line, held_messages
from entrypoint.backup.layout import Volumes
from entrypoint.backup.restore import Restore
from entrypoint.backup.tar_stream import ArchiveError
from entrypoint.backup.volume_files import folder
from entrypoint.config.problems import ConfigurationError
from entrypoint.disks import explained
from entrypoint.doctor.outbound import check_held
from entrypoint.volume_format import refuse_newer

from .volumes import (
    ENVELOPE,
    FILES,
    HOME,
    MAILDIR,
    MESSAGE,
    archive,
    back,
    empty,
    make,
    members,
    tree,
)

SAID = "smtpctl: smtpd doesn't seem to be running"
NO_SMTPD = ("sh", "-c", f'echo "{SAID}" >&2; exit 1')


def us(_: str) -> tuple[int, int]:
    return os.getuid(), os.getgid()


@pytest.fixture
def data(tmp_path: Path) -> bytes:
    return archive(members(make(tmp_path / "old")))


@pytest.fixture
def new(tmp_path: Path) -> Volumes:
    return empty(tmp_path / "new")


# -- where it writes ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["VERSION", "MODE", ".hidden", "mail", "lost+found/x"])
@pytest.mark.parametrize("which", ["data", "spool"])
def test_only_empty_volumes_are_written_to(
    data: bytes, new: Volumes, which: str, name: str
) -> None:
    path = getattr(new, which) / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    with pytest.raises(ConfigurationError) as caught, empty_volumes.claimed(new):
        pass
    (error,) = caught.value.errors
    assert error.startswith(f"{getattr(new, which)}: not empty")


def test_a_new_file_system_is_empty(new: Volumes) -> None:
    (new.data / "lost+found").mkdir()
    with empty_volumes.claimed(new):
        pass
    empty_volumes.refuse_unfinished(new)


def test_two_restores_do_not_write_to_one_volume(new: Volumes) -> None:
    with (
        empty_volumes.claimed(new),
        pytest.raises(ConfigurationError, match="another restore"),
        empty_volumes.claimed(new),
    ):
        pass


def test_a_server_that_started_while_the_archive_was_read_keeps_its_mail(
    data: bytes, new: Volumes
) -> None:
    """Reading a large one takes an hour, and the volumes are empty as long."""
    with empty_volumes.claimed(new):
        (new.data / "MODE").write_bytes(b"production\n")
        mail = new.data / MAILDIR / "new/1.M1P1.host"
        mail.parent.mkdir(parents=True)
        mail.write_bytes(b"answered 250")
        with pytest.raises(ConfigurationError, match="not empty"):
            Restore(new, owner_of=us).write(io.BytesIO(data))
    assert mail.read_bytes() == b"answered 250"
    # No mark that would refuse the next start, or have a restore remove it all.
    assert starts(new)


def test_no_server_starts_while_a_restore_is_at_work(new: Volumes) -> None:
    with (
        empty_volumes.claimed(new),
        pytest.raises(ConfigurationError, match="is at work here; start"),
    ):
        empty_volumes.refuse_unfinished(new)
    empty_volumes.refuse_unfinished(new)
    empty_volumes.refuse_unfinished(Volumes(new.data / "none", new.spool / "none"))


# -- cut off --------------------------------------------------------------------------------


SOME = (
    "data/secrets/srs",
    f"data/{HOME}/.dovecot.sieve.link",
    f"data/{MAILDIR}/new/1795752836.M1P1.host,S=5",
)


class _Killed(BaseException):
    """Nothing of ours catches it."""


def calls(monkeypatch: pytest.MonkeyPatch, limit: int) -> Iterator[int]:
    """Kill at the call of that number of any that writes."""
    count = 0

    def counted(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count > limit:
                raise _Killed
            return function(*arguments, **options)

        return call

    # Of the whole machine; nothing here is cut off from its power.
    monkeypatch.setattr(restore, "sync_disk", lambda _: None)
    for module, name in (
        (os, "write"),
        (os, "pwrite"),
        (os, "fsync"),
        (os, "fchown"),
        (restore, "sync_disk"),
        (os, "chown"),
        (Path, "mkdir"),
        (Path, "unlink"),
        (Path, "symlink_to"),
    ):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    while True:
        yield count


def attempt(data: bytes, volumes: Volumes, limit: int) -> bool:
    """Whether the restore came to its end."""
    with pytest.MonkeyPatch.context() as patch:
        next(calls(patch, limit))
        try:
            with empty_volumes.claimed(volumes):
                Restore(volumes, owner_of=us).write(io.BytesIO(data))
        except _Killed:
            return False
    return True


def starts(volumes: Volumes) -> bool:
    """Whether a start takes the volumes."""
    try:
        empty_volumes.refuse_unfinished(volumes)
    except ConfigurationError:
        return False
    return True


def test_wherever_it_is_killed_no_start_takes_it_and_the_next_one_does(
    tmp_path: Path,
) -> None:
    some = (*SOME, *(name for name in FILES if "/c1d8550e/" in name))
    data = archive(each for each in members(make(tmp_path / "old")) if each.head.name in some)
    whole = empty(tmp_path / "whole")
    back(data, whole)
    expected = tree(tmp_path / "whole")
    refused = 0
    for limit in range(1000):
        top = tmp_path / str(limit)
        volumes = empty(top)
        if attempt(data, volumes, limit):
            break
        if starts(volumes):
            # Nothing is there yet, or all.
            assert tree(top) in ({"data": None, "spool": None}, expected), limit
            continue
        refused += 1
        # Cut off again on its way, and then not.
        attempt(data, volumes, limit // 2)
        assert attempt(data, volumes, 1 << 30)
        assert starts(volumes)
        assert tree(top) == expected, limit
    assert 30 < refused < limit < 999


def test_a_full_disk_leaves_what_the_next_one_takes_up(
    data: bytes, new: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch, empty_volumes.claimed(new):
        patch.setattr(restore.os, "write", full)
        with pytest.raises(OSError, match="No space left") as full_one:
            Restore(new, owner_of=us).write(io.BytesIO(data))
    # Of two disks one is full.
    assert explained(full_one.value).startswith(f"{new.data / 'FORMAT'}: no space left on its disk")
    with pytest.raises(ConfigurationError) as caught:
        empty_volumes.refuse_unfinished(new)
    assert len(caught.value.errors) == 2
    refuse_newer((new.data, new.spool))  # as each command does, the next restore too
    with empty_volumes.claimed(new):
        Restore(new, owner_of=us).write(io.BytesIO(data))
    empty_volumes.refuse_unfinished(new)


def test_an_archive_that_changes_after_the_check_is_found_out(data: bytes, new: Volumes) -> None:
    place = data.index(b"world")
    changed = data[:place] + b"w0rld" + data[place + 5 :]
    with empty_volumes.claimed(new), pytest.raises(ArchiveError, match="digest"):
        Restore(new, owner_of=us).write(io.BytesIO(changed))
    with pytest.raises(ConfigurationError):
        empty_volumes.refuse_unfinished(new)


def test_a_queue_volume_of_another_restore_is_refused(data: bytes, tmp_path: Path) -> None:
    one, two = empty(tmp_path / "one"), empty(tmp_path / "two")
    back(data, one)
    empty_volumes.begin(two)
    with pytest.raises(ConfigurationError, match="not finished"):
        empty_volumes.refuse_unfinished(Volumes(one.data, two.spool))


# -- the queue ------------------------------------------------------------------------------


def released(volumes: Volumes) -> held_queue.Released:
    return asyncio.run(held_queue.release(volumes.spool, us, NO_SMTPD))


def test_the_queue_is_held_until_it_is_released(data: bytes, new: Volumes) -> None:
    back(data, new)
    assert not (new.spool / "queue").exists()
    assert held_messages(new.spool) == [MESSAGE]
    line = held_line(new.spool)
    assert line is not None
    assert line.startswith("1 message of a restored queue is held; `signpost restore --release")
    (finding,) = check_held(new.spool)
    assert (finding.check, finding.status) == ("queue", "warn")
    begin = int(time.time())
    done = released(new)
    assert (done.messages, done.left, done.running) == (1, (), False)
    path = new.spool / "queue/c1" / MESSAGE
    assert sorted(each.name for each in path.iterdir()) == [ENVELOPE, "message"]
    assert (path / "message").read_bytes() == b"Subject: queued\n\n"
    # smtpd gives up what is four days old: the time begins anew.
    (when,) = re.findall(rb"^ctime: (\d+)$", (path / ENVELOPE).read_bytes(), re.MULTILINE)
    assert begin <= int(when) <= time.time()
    assert held_line(new.spool) is None
    assert check_held(new.spool) == []
    assert not (new.spool / HELD).exists()
    assert released(new).messages == 0
    assert list(held_queue.lines(done)) == [
        "1 message moved into the queue: mail may go out twice",
        "smtpd does not run in this container; it sends them when it starts",
    ]


def test_an_id_that_the_queue_has_stays_held(data: bytes, new: Volumes) -> None:
    back(data, new)
    other = new.spool / "queue/c1" / MESSAGE
    other.mkdir(parents=True)
    done = released(new)
    assert (done.messages, done.left) == (0, (MESSAGE,))
    assert (new.spool / HELD / MESSAGE / "message").exists()
    other.rmdir()
    assert released(new).messages == 1


def test_a_release_that_is_killed_goes_on(data: bytes, tmp_path: Path) -> None:
    for limit in range(40):
        volumes = empty(tmp_path / str(limit))
        back(data, volumes)
        with pytest.MonkeyPatch.context() as patch:
            next(calls(patch, limit))
            try:
                released(volumes)
                ended = True
            except _Killed:
                ended = False
        released(volumes)
        path = volumes.spool / "queue/c1" / MESSAGE
        assert sorted(each.name for each in path.iterdir()) == [ENVELOPE, "message"]
        assert held_line(volumes.spool) is None
        if ended:
            return
    raise AssertionError("it has no end")


def test_a_release_onto_a_full_disk_says_where_and_goes_on_later(
    data: bytes, new: Volumes, monkeypatch: pytest.MonkeyPatch
) -> None:
    back(data, new)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(held_queue.os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as caught:
            released(new)
    where = new.spool / HELD / MESSAGE / ENVELOPE
    assert explained(caught.value).startswith(f"{where}: no space left on its disk; make room")
    assert held_messages(new.spool) == [MESSAGE]
    assert released(new).messages == 1


def test_two_releases_do_not_move_the_same_messages(data: bytes, new: Volumes) -> None:
    back(data, new)
    with folder(str(new.spool / HELD)) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(OSError, match="another release of it is at work") as caught:
            released(new)
    assert caught.value.filename == str(new.spool / HELD)
    assert released(new).messages == 1


def test_a_link_that_is_not_one_is_not_followed(tmp_path: Path, new: Volumes) -> None:
    script = "data/mail/example.org/alice/.dovecot.sieve"
    back(archive([member(f"{script}.link", b"sieve/x.sieve")]), new)
    link = new.data / "mail/example.org/alice/.dovecot.sieve"
    assert str(link.readlink()) == "sieve/x.sieve"
    both = archive([member(f"{script}.link", b"sieve/x.sieve"), member(script, b"keep;")])
    other = empty(tmp_path / "other")
    with empty_volumes.claimed(other), pytest.raises(FileExistsError):
        Restore(other, owner_of=us).write(io.BytesIO(both))
