"""Acting as another user for a while: without DAC_OVERRIDE root may not read others' files.

The whole process changes its effective user, so it must not be used beside threads that work with
files.
"""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Inside, files are opened and made as the user."""
    account = pwd.getpwnam(user)
    before = os.geteuid(), os.getegid()
    if before == (account.pw_uid, account.pw_gid):
        yield
        return
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before[0])
        os.setegid(before[1])
