"""A test target and a mail server never share a volume; an old one is a mail server's."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from entrypoint.config.mode import Mode
from entrypoint.config.problems import ConfigurationError
from entrypoint.volume_mode import claim_volumes, mode_of

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the marks are root's")


def folders(path: Path) -> dict[Path, int]:
    return {path / "data": 0o755, path / "spool": 0o711}


@needs_root
@pytest.mark.parametrize("mode", ["production", "test"])
def test_a_new_volume_is_marked_and_stays_its_mode_s(mode: Mode, tmp_path: Path) -> None:
    (tmp_path / "data/lost+found").mkdir(parents=True)
    for _ in range(2):
        claim_volumes(mode, folders(tmp_path))
    assert [mode_of(folder) for folder in folders(tmp_path)] == [mode, mode]
    assert (tmp_path / "spool").stat().st_mode & 0o777 == 0o711
    assert (tmp_path / "data/MODE").stat().st_uid == pwd.getpwnam("root").pw_uid


@needs_root
@pytest.mark.parametrize(("there", "starts"), [("production", "test"), ("test", "production")])
def test_another_mode_s_is_refused_and_nothing_is_written(
    there: Mode, starts: Mode, tmp_path: Path
) -> None:
    data, spool = folders(tmp_path)
    claim_volumes(there, {spool: 0o711})
    with pytest.raises(ConfigurationError) as caught:
        claim_volumes(starts, folders(tmp_path))
    (error,) = caught.value.errors
    assert str(spool) in error
    assert not data.exists()


@pytest.mark.parametrize("name", ["VERSION", "mail", "queue", ".hidden"])
def test_what_has_no_mark_is_a_mail_server_s(name: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).touch()
    assert mode_of(tmp_path / "data") == "production"
    with pytest.raises(ConfigurationError):
        claim_volumes("test", folders(tmp_path))
    assert not (tmp_path / "spool").exists()


@needs_root
def test_a_mail_server_starts_on_an_old_volume(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/VERSION").touch()
    claim_volumes("production", folders(tmp_path))
    assert mode_of(tmp_path / "data") == "production"
