"""The checker of logins as it runs, asked about who is blocked (`filters.guard.server`).

It must not know who wants to know.
"""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

from entrypoint.files import acting_as
from entrypoint.paths import GUARD_SOCKET

_LARGEST = 64 * 1024**2  # bytes of an answer


def ask(*question: str, seconds: float, path: Path = GUARD_SOCKET) -> Any:
    """Its answer. Raises OSError (TimeoutError after so many seconds), and ValueError for none."""
    # The folder is that of the user whose program answers.
    with acting_as("logins"), socket.socket(socket.AF_UNIX) as link:
        link.settimeout(seconds)
        link.connect(str(path))
        link.sendall(json.dumps(question).encode() + b"\n")
        with link.makefile("rb") as answers:
            return json.loads(answers.readline(_LARGEST))
