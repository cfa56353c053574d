"""Where a program of ours answers on this machine: a UNIX socket."""

from __future__ import annotations

import socket
from pathlib import Path

# Connections that wait: as many clients as there may be at once, and some.
_BACKLOG = 128


def listen_at(path: Path, mode: int) -> socket.socket:
    """A listening socket in the place of an old one. mode: as for chmod; who may reach it is for
    its folder to say, too. Raises OSError.
    """
    listener = _bound(path, mode, socket.SOCK_STREAM)
    try:
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def receive_at(path: Path, mode: int) -> socket.socket:
    """The same for datagrams."""
    return _bound(path, mode, socket.SOCK_DGRAM)


def _bound(path: Path, mode: int, kind: socket.SocketKind) -> socket.socket:
    bound = socket.socket(socket.AF_UNIX, kind)
    try:
        if path.is_socket():
            path.unlink()
        bound.bind(str(path))
        path.chmod(mode)
    except OSError:
        bound.close()
        raise
    return bound
