"""Where a program of ours answers on this machine: a UNIX socket that listens."""

from __future__ import annotations

import socket
from pathlib import Path

# Connections that wait: as many clients as there may be at once, and some.
_BACKLOG = 128


def listen_at(path: Path, mode: int) -> socket.socket:
    """A listening socket in the place of an old one. mode: as for chmod; who may reach it is for
    its folder to say, too. Raises OSError.
    """
    listener = socket.socket(socket.AF_UNIX)
    try:
        if path.is_socket():
            path.unlink()
        listener.bind(str(path))
        path.chmod(mode)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
