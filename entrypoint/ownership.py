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
from pathlib import Path


def own_folder(path: Path, owner: str, group: str, mode: int) -> None:
    """Make the folder if it is not there, and give it this owner and mode. Raises OSError."""
    path.mkdir(mode=mode, parents=True, exist_ok=True)
    path.chmod(mode)
    shutil.chown(path, owner, group)


def claim_tree(path: Path, user: str, group: str) -> bool:
    """Give the tree to its owner if its top is somebody else's; whether it was.

    Nothing happens where there is no such path. Raises OSError.
    """
    uid, gid = pwd.getpwnam(user).pw_uid, grp.getgrnam(group).gr_gid
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
