"""No image starts on what a newer one has written; what was before there were marks is taken."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from entrypoint import disks, files, volume_format
from entrypoint.config.problems import VolumeError
from entrypoint.disks import Disk
from entrypoint.maintenance import disks as maintenance
from entrypoint.paths import DATA
from entrypoint.volume_format import FORMAT, MARK, format_of, mark_volumes, refuse_newer
from filters.disk_room import Room

from ..refusing_disk import refusing

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the marks are root's")
NEWER = f"{FORMAT + 1} 9.1.0 2031-01-02\n"


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volume_format, "_ours", lambda: "0.1.0")


@pytest.fixture
def volumes(tmp_path: Path) -> tuple[Path, Path]:
    both = tmp_path / "data", tmp_path / "spool"
    for path in both:
        path.mkdir()
    return both


def refusals(volumes: tuple[Path, Path]) -> list[str]:
    """What a start says, which writes nothing then."""
    try:
        refuse_newer(volumes)
    except VolumeError as error:
        return error.errors
    return []


def test_volumes_of_before_are_taken_and_marked_once(volumes: tuple[Path, Path]) -> None:
    (volumes[0] / "VERSION").write_text("0.1.0\n")
    assert refusals(volumes) == []
    assert [format_of(each).number for each in volumes] == [0, 0]
    mark_volumes(volumes)
    assert [format_of(each).number for each in volumes] == [FORMAT, FORMAT]
    assert refusals(volumes) == []
    assert format_of(volumes[0]).version == "0.1.0"
    assert (volumes[0] / MARK).stat().st_mode & 0o777 == 0o644
    # It is of the day of the upgrade.
    (volumes[0] / MARK).write_text(f"{FORMAT} 0.0.9 2026-01-02\n")
    mark_volumes(volumes)
    assert format_of(volumes[0]).since == "2026-01-02"


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("more", ["", "what a later image adds\n"])
def test_what_a_newer_image_has_written_is_refused(
    volumes: tuple[Path, Path], which: int, more: str
) -> None:
    mark_volumes(volumes)
    (volumes[which] / MARK).write_text(NEWER + more)
    (error,) = refusals(volumes)
    assert error.startswith(
        f"{volumes[which]}: it has format {FORMAT + 1} since 2031-01-02, by Sig"
    )
    assert "Signpost 9.1.0; this image is older" in error
    assert error.endswith("or restore a backup from before that day into new volumes")
    # Nor does it take the mark away.
    mark_volumes(volumes)
    assert (volumes[which] / MARK).read_text() == NEWER + more


def test_both_are_named(volumes: tuple[Path, Path]) -> None:
    for each, text in zip(volumes, (NEWER, "x"), strict=True):
        (each / MARK).write_text(text)
    first, second = refusals(volumes)
    assert first.startswith(str(volumes[0]))
    assert second.startswith(str(volumes[1]))


@pytest.mark.parametrize(
    "text", ["", "\0", "-1 a 2031-01-02", "1", "1 0.1.0", "one\x1b[2J", "\xff", "1" * 5000]
)
def test_a_mark_that_cannot_be_read_is_no_reason_to_go_on(
    volumes: tuple[Path, Path], text: str
) -> None:
    (volumes[0] / MARK).write_bytes(text.encode("latin-1"))
    (error,) = refusals(volumes)
    assert error.startswith(f"{volumes[0] / MARK}: ")
    assert error.endswith("if no newer image than this one has ever run here, remove the file")
    assert error.isprintable()
    with pytest.raises(VolumeError):
        mark_volumes(volumes)


def test_whatever_it_is_killed_at_newer_images_go_on_and_older_ones_see_one_mark(
    volumes: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An upgrade from the format before, cut off at each call that writes."""

    class KilledError(BaseException):
        pass

    def dies(*_: object, **__: object) -> None:
        raise KilledError

    for name in ("open", "fsync"):
        for each in volumes:
            (each / MARK).write_text("0 0.0.9 2026-01-02\n")
        with monkeypatch.context() as patch:
            patch.setattr(files.os, name, dies)
            with pytest.raises(KilledError):
                mark_volumes(volumes)
        # The one of before, or the new one: never a part, and never none.
        assert {format_of(each).number for each in volumes} <= {0, FORMAT}
        mark_volumes(volumes)
        assert [format_of(each).number for each in volumes] == [FORMAT, FORMAT]
    assert all([name.name for name in each.iterdir()] == [MARK] for each in volumes)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_a_disk_that_takes_nothing_gets_its_mark_once_it_does(
    volumes: tuple[Path, Path], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing(volumes[0], number), pytest.raises(OSError) as caught:
        mark_volumes(volumes)
    assert disks.takes_nothing(caught.value)
    assert format_of(volumes[0]).number == 0
    looks = [Disk((DATA,), Room(10, 0, 10, 10), "full"), Disk((DATA,), Room(10, 9, 10, 10))]
    monkeypatch.setattr(maintenance, "disks", lambda owner: [looks[0]])
    monkeypatch.setattr(maintenance, "mark_volumes", lambda: mark_volumes(volumes))
    maintenance._look("vmail")
    assert format_of(volumes[0]).number == 0
    looks.pop(0)
    # A look that writes nothing wakes no disk up.
    maintenance._look(None)
    assert format_of(volumes[0]).number == 0
    maintenance._look("vmail")
    assert format_of(volumes[0]).number == FORMAT


def test_a_mark_that_is_right_needs_no_room(volumes: tuple[Path, Path]) -> None:
    mark_volumes(volumes)
    for number in (errno.ENOSPC, errno.EROFS):
        with refusing(volumes[0], number), refusing(volumes[1], number):
            mark_volumes(volumes)
            assert refusals(volumes) == []
