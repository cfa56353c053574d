"""/run/signpost/junk: who may ask what there. Made at each start; root.

It is the junk filter's own, since that makes its sockets and `deliver` says there that it is silent
(entrypoint/delivery/verdict.c). The submission filter gets in, and finds one socket that it may
write to: `written-to`, which everybody may who gets in.
"""

from __future__ import annotations

import shutil

from entrypoint.files import own_folder
from entrypoint.paths import JUNK


def make_run_folder(*, enabled: bool) -> None:
    """Have the folder as a start needs it. Raises OSError."""
    shutil.rmtree(JUNK, ignore_errors=True)
    if enabled:
        own_folder(JUNK, "vmail", "signer", 0o710)
