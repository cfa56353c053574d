"""Where a backup is written to, and what the options are refused with."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import BinaryIO

import pytest
from click.testing import CliRunner

from entrypoint.backup import empty_volumes
from entrypoint.backup.layout import Volumes
from entrypoint.commands import backup
from entrypoint.commands.backup import command, output_file
from entrypoint.config.problems import VolumeError

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives a file to somebody else")


def test_a_file_has_its_name_and_its_mode_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    path.write_bytes(b"of yesterday")
    with output_file(path) as stream:
        stream.write(b"of today")
        assert path.read_bytes() == b"of yesterday"
    assert path.read_bytes() == b"of today"
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["backup.tar"]


def test_what_fails_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "backup.tar"
    path.write_bytes(b"of yesterday")
    with pytest.raises(TypeError), output_file(path) as stream:
        stream.write("no bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"of yesterday"
    assert [each.name for each in tmp_path.iterdir()] == ["backup.tar"]


def test_what_a_killed_one_has_left_is_no_part_of_the_next(tmp_path: Path) -> None:
    (tmp_path / ".backup.tar.part").write_bytes(b"x" * 100)
    with output_file(tmp_path / "backup.tar") as stream:
        stream.write(b"whole")
    assert (tmp_path / "backup.tar").read_bytes() == b"whole"


def test_two_backups_do_not_write_one_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (tmp_path / ".backup.tar.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(SystemExit), output_file(tmp_path / "backup.tar"):
            pass
    assert "another backup is being written there" in capsys.readouterr().err


def test_what_another_one_has_just_finished_is_not_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was opened under the name of the unfinished one."""
    path, part = tmp_path / "backup.tar", tmp_path / ".backup.tar.part"
    part.write_bytes(b"whole")
    lock = fcntl.flock

    def finished_by_then(stream: BinaryIO, how: int) -> None:
        part.rename(path)
        lock(stream, how)

    monkeypatch.setattr(fcntl, "flock", finished_by_then)
    with pytest.raises(SystemExit), output_file(path):
        pass
    assert path.read_bytes() == b"whole"


@needs_root
def test_nobody_else_gets_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    part = tmp_path / ".backup.tar.part"
    part.write_bytes(b"")
    os.chown(part, 65534, 65534)
    with pytest.raises(SystemExit), output_file(tmp_path / "backup.tar"):
        pass
    assert "somebody else's file" in capsys.readouterr().err
    part.unlink()
    part.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"), output_file(tmp_path / "backup.tar"):
        pass
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (["--recipient", "age1nonsense"], 2, "'age1nonsense' is no recipient: age1…, or a public"),
        (["--output", "/data/backup.tar"], 2, "/data is what is to be saved"),
        (["--output", "/data/../data/x"], 2, "/data is what is to be saved"),
        (["--output", "/var/spool/smtpd/x"], 2, "/var/spool/smtpd is what is to be saved"),
        (["--identity-file", "KEY"], 2, "--identity-file opens an archive"),
        (["--passphrase-file", "KEY", "--recipient", "x"], 2, "age cannot have both"),
        (["--passphrase-file", "KEY"], 2, "one line with the passphrase is wanted"),
        (["--verify", "KEY", "--without-mail"], 2, "--verify makes no backup"),
        (["--verify", "KEY"], 1, "it ends too early; it was cut off, or is no backup"),
        (["--verify", "/dev/fd/0"], 2, "so no pipe will do"),
    ],
)
def test_options_that_do_not_fit(
    options: list[str], status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("two\nlines\n")
    monkeypatch.setattr(backup, "mode_of", lambda _: None)
    reader, writer = os.pipe()
    saved = os.dup(0)
    os.dup2(reader, 0)
    try:
        done = CliRunner().invoke(
            command, [str(key) if each == "KEY" else each for each in options]
        )
    finally:
        os.dup2(saved, 0)
        for descriptor in (reader, writer, saved):
            os.close(descriptor)
    assert (done.exit_code, said in done.output) == (status, True), done.output


def test_what_is_half_restored_is_no_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    volumes = Volumes(tmp_path / "data", tmp_path / "spool")
    for path in (volumes.data, volumes.spool):
        path.mkdir()
    monkeypatch.setattr(backup, "Volumes", lambda: volumes)
    empty_volumes.begin(volumes)
    done = CliRunner().invoke(command, ["--output", str(tmp_path / "backup.tar")])
    assert isinstance(done.exception, VolumeError)
    assert "`signpost restore` was not finished here" in str(done.exception)
    assert not (tmp_path / "backup.tar").exists()


def test_a_test_target_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backup, "mode_of", lambda _: "test")
    done = CliRunner().invoke(command, ["--output", "/nowhere/backup"])
    assert done.exit_code == 1
    assert "/data is a test target's (MODE=test), and has nothing to keep" in done.output
