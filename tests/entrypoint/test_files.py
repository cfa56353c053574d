"""A volume that another image has written."""

import os
import pwd
from pathlib import Path

import pytest

from entrypoint.files import claim_tree

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
NOBODY = pwd.getpwnam("nobody")
ANOTHER = 54_321


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    top = tmp_path / "queue"
    (top / "a/b").mkdir(parents=True)
    (top / "a/b/message").write_text("x")
    (top / "link").symlink_to("/etc/passwd")
    for path in (top, *top.rglob("*")):
        os.chown(path, ANOTHER, ANOTHER, follow_symlinks=False)
    return top


def test_all_of_it_gets_its_owner_and_no_link_is_followed(tree: Path) -> None:
    before = Path("/etc/passwd").stat().st_uid
    assert claim_tree(tree, "nobody", "nogroup")
    for path in (tree, *tree.rglob("*")):
        assert path.lstat().st_uid == NOBODY.pw_uid
    assert Path("/etc/passwd").stat().st_uid == before
    assert not claim_tree(tree, "nobody", "nogroup")


def test_what_is_right_at_the_top_is_not_walked(tree: Path) -> None:
    os.chown(tree, NOBODY.pw_uid, NOBODY.pw_gid)
    assert not claim_tree(tree, "nobody", "nogroup")
    assert (tree / "a").stat().st_uid == ANOTHER


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    assert not claim_tree(tmp_path / "gone", "nobody", "nogroup")
