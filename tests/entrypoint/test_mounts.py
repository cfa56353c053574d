"""Mount points, as a container's kernel says them."""

from __future__ import annotations

from pathlib import Path

import pytest

from entrypoint.mounts import is_mount_point

# With Docker's or podman's storage driver vfs, / and the volume are of one file system.
TABLE = """\
1076 619 254:0 /var/lib/docker/vfs/dir/c1 / rw,relatime - ext4 /dev/vda rw
1077 1076 254:0 /var/lib/docker/volumes/data/_data DATA rw,relatime - ext4 /dev/vda rw
"""


@pytest.mark.parametrize(("name", "expected"), [("data", True), ("spool", False)])
def test_a_volume_of_the_containers_own_disk_is_one(
    tmp_path: Path, name: str, expected: bool
) -> None:
    table, folder = tmp_path / "mountinfo", tmp_path / name
    table.write_text(TABLE.replace("DATA", str(tmp_path / "data")))
    folder.mkdir()
    assert not folder.is_mount()
    assert is_mount_point(folder, table) is expected


def test_where_nothing_is_mounted_is_none() -> None:
    assert is_mount_point(Path("/"))
    assert is_mount_point(Path("/proc"))
    assert not is_mount_point(Path("/nothing/there"))
