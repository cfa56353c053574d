"""Becoming supervisor: the last step of a start."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from entrypoint.paths import RUN
from entrypoint.resolv_conf import preloaded

PATH = "/opt/signpost/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def become_supervisor(log_format: str, tz: str) -> NoReturn:
    """Exec, so that no secret stays in any process's environment."""
    clean = {"PATH": PATH, "TZ": tz, "LANG": "C.UTF-8", **preloaded()}
    arguments = ["-m", "entrypoint.supervise", str(RUN / "supervisord.conf")]
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, [sys.executable, *arguments, log_format], clean)  # noqa: S606
