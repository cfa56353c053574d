"""Folders and their owners; and a volume's files given to their users again where an image has
numbered those anew.

A volume keeps numbers, and another build of the image may give a user another one: smtpd would
not start on the old queue, and Dovecot not read the old mail.
"""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
from pathlib import Path


def own_folder(path: Path, owner: str, group: str, mode: int) -> None:
    """Make the folder if it is not there, and give it this owner and mode. Raises OSError.

    One that is right already is left alone: it may lie on a disk that takes nothing.
    """
    if not path.is_dir():
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    status = path.stat()
    if stat.S_IMODE(status.st_mode) != mode:
        path.chmod(mode)
    if (status.st_uid, status.st_gid) != numbers(owner, group):
        shutil.chown(path, owner, group)


def numbers(user: str, group: str) -> tuple[int, int]:
    """Their numbers. Raises KeyError where there is no such user or group."""
    return pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid


def claim_tree(path: Path, user: str, group: str) -> bool:
    """Give the tree to its owner if its top is somebody else's; whether it was.

    Nothing happens where there is no such path. Raises OSError.
    """
    uid, gid = numbers(user, group)
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    if (status.st_uid, status.st_gid) == (uid, gid):
        return False
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            os.chown(Path(folder, name), uid, gid, follow_symlinks=False)
    # Last: a walk that was cut off begins again at the next start.
    os.chown(path, uid, gid, follow_symlinks=False)
    return True
