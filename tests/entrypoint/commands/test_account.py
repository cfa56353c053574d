"""`signpost account remove`: the mail is gone, whoever still writes there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from entrypoint.commands import account


def full(folder: Path) -> Path:
    (folder / "junk").mkdir(parents=True)
    (folder / "junk/wordlist.db").write_bytes(b"x")
    (folder / "Maildir").mkdir()
    (folder / "Maildir/1").write_bytes(b"mail")
    return folder


@pytest.mark.parametrize("times", [1, 3])
def test_a_lesson_that_ends_meanwhile_keeps_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    """A file that goes between the list and the removal, and one that comes."""
    folder, left = full(tmp_path / "home"), times
    rmdir, unlink = os.rmdir, os.unlink

    def come(name: str, *more: object, **options: object) -> None:
        nonlocal left
        if str(name).endswith("junk") and left > 0 and (folder / "junk").is_dir():
            left -= 1
            (folder / "junk/state.sqlite-wal").write_bytes(b"x")
        rmdir(name, *more, **options)  # type: ignore[arg-type]

    def go(name: str, *more: object, **options: object) -> None:
        unlink(name, *more, **options)  # type: ignore[arg-type]
        if str(name).endswith("wordlist.db"):
            raise FileNotFoundError(2, "No such file or directory", name)

    monkeypatch.setattr("os.rmdir", come)
    monkeypatch.setattr("os.unlink", go)
    account._remove_tree(folder)
    assert not folder.exists()
    assert left == 0


def test_no_mail_is_no_trouble_and_what_stays_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account._remove_tree(tmp_path / "none")

    def refuse(folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(folder))

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(PermissionError):
        account._remove_tree(full(tmp_path / "home"))
