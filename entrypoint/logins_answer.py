"""Asks `filters.logins` whether it answers, with a question that it must deny."""

from __future__ import annotations

import socket
from pathlib import Path

from entrypoint.paths import LOGINS_SOCKET


def check_logins(path: Path = LOGINS_SOCKET, timeout: float = 5.0) -> list[str]:
    """What is wrong; empty if the program denies nobody's login within `timeout` s."""
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(timeout)
            link.connect(str(path))
            link.sendall(b"\0")
            link.shutdown(socket.SHUT_WR)
            answer = link.recv(64)
    except OSError as error:
        return [f"logins cannot be checked: {path}: {error}"]
    return [] if answer == b"wrong\n" else [f"logins cannot be checked: {path}: {answer!r}"]
