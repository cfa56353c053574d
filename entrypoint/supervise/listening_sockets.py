"""smtpd's listening sockets, which outlive it: who connects during a restart waits for the next.

smtpd is started with `listening_sockets.c` loaded into it. Where it would bind a TCP port, that
asks here, on a UNIX socket of root's alone, with `ADDRESS PORT\\n`, and gets `+` and the socket; or
`-`, and then smtpd binds as ever. A socket is opened when it is first asked for: what smtpd does
not listen on, or an image without that library, leaves nothing open that nobody accepts from.
It must not know who asks, nor when programs start. Standard library only: the container's first
process has it in memory for good.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from pathlib import Path

from entrypoint.paths import LISTENING_SOCKETS

log = logging.getLogger(__name__)

# As many as may wait for their greeting on each port; smtpd itself asks for 5. The kernel takes no
# more than net.core.somaxconn. Where the queue is full it answers with SYN cookies and forgets whom
# it has answered: such a client, which waits for smtpd to speak first, waits until it gives up.
BACKLOG = socket.SOMAXCONN
_ASKED_WITHIN = 1.0  # seconds; the library waits longer
_TRY_AGAIN = 0.2
_LONGEST = 100  # bytes of a question

Address = tuple[str, int]


class ListeningSockets:
    """Hands them out, in a thread of its own."""

    def __init__(self, path: Path = LISTENING_SOCKETS) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._sockets: dict[Address, socket.socket] = {}
        self._handed_over: set[Address] = set()
        self._closed = False

    def serve(self) -> None:
        """Begin. Without it the server runs as well, and refuses who connects during a restart."""
        try:
            server = _served(self._path)
        except OSError as error:
            self._trouble(error)
            return
        threading.Thread(target=self._serve, args=(server,), daemon=True).start()

    def close(self) -> None:
        """The server stops: nobody shall wait for an smtpd that does not come."""
        self._closed = True
        with self._lock:
            self._close(set(self._sockets))

    def begin(self) -> None:
        """smtpd is about to start. What its last start could not get, it may bind by itself now."""
        with self._lock:
            self._close(self._sockets.keys() - self._handed_over)
            self._handed_over.clear()

    def _close(self, addresses: set[Address]) -> None:
        for address in addresses:
            self._sockets.pop(address).close()

    def _serve(self, server: socket.socket) -> None:
        while True:
            try:
                link, _ = server.accept()
                with link:
                    link.settimeout(_ASKED_WITHIN)
                    self._answer(link)
            except Exception as error:  # the next one may be served
                self._trouble(error)
                time.sleep(_TRY_AGAIN)

    def _answer(self, link: socket.socket) -> None:
        question = link.makefile("rb").readline(_LONGEST).decode("ascii")
        host, number = question.split()
        address = host, int(number)
        with self._lock:
            if self._closed:
                link.sendall(b"-")
                return
            is_new = address not in self._sockets
            try:
                listening = self._sockets.get(address) or _opened(address)
            except OSError:
                # smtpd says why, when it fails in the same way.
                link.sendall(b"-")
                return
            try:
                socket.send_fds(link, [b"+"], [listening.fileno()])
            except OSError:
                if is_new:  # who asked will have bound the port by itself
                    listening.close()
                raise
            self._sockets[address] = listening
            self._handed_over.add(address)

    def _trouble(self, error: Exception) -> None:
        with contextlib.suppress(Exception):
            log.warning(
                "smtpd's listening sockets cannot be handed over, so clients may be refused while "
                "it restarts: %s: %s",
                type(error).__name__,
                error,
            )


def _served(path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    # Nobody else may reach it, not even between its making and a chmod.
    mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        server.bind(str(path))
        server.listen()
    except BaseException:
        server.close()
        raise
    finally:
        os.umask(mask)
    return server


def _opened(address: Address) -> socket.socket:
    """As smtpd opens its own. Raises OSError."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        raise
    return opened
