"""Mail of many senders over some connections at a time, which smtp-source has no option for.

    python -m bench.many_senders FILE PORT CONNECTIONS COUNT FIRST

FILE holds the heads of the messages and one body for all. A message for each sender in turn, from
the FIRST on, the next one on whichever connection is free; a command waits for the reply to the one
before it, as smtp-source's do. Prints how many seconds that took. It must not know what listens.
"""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.messages import RECIPIENT

_TIMEOUT = 60.0  # seconds for one reply


def write(path: Path, heads: Sequence[tuple[str, bytes]], body: bytes) -> None:
    """The file: sender and head of each message, CRLF line ends, without a line that is a dot."""
    parts = [sender.encode("ascii") + b"\n" + head for sender, head in heads]
    path.write_bytes(b"\0".join([*parts, body]))


def send(path: Path, *, port: int, connections: int, count: int, first: int) -> float:
    """Messages per second. Raises RuntimeError where one was not accepted."""
    arguments = [str(path), *map(str, (port, connections, count, first))]
    command = [sys.executable, "-m", "bench.many_senders", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"many_senders: {done.stderr.strip()[-500:]}")
    return count / float(done.stdout)


class _Connection:
    """One connection: `take` is told of each reply, and sends what comes next."""

    def __init__(self, port: int, messages: Iterator[tuple[bytes, bytes]], body: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), _TIMEOUT)
        self._messages = messages
        self._body = body
        self._steps = self._dialog()
        self._wanted = b"220"
        self._unread = b""
        next(self._steps)

    def take(self) -> bool:
        """Read what there is; False when the connection has ended."""
        self._unread += self.socket.recv(4_096)
        *_lines, line, rest = (b"\n" + self._unread).rsplit(b"\n", 2)
        if rest or line[3:4] == b"-" or not line:
            if not self._unread:
                raise RuntimeError("smtpd has closed the connection")
            return True  # more of the reply is to come
        if not line.startswith(self._wanted):
            raise RuntimeError(f"expected {self._wanted!r}: {line!r}")
        self._unread = b""
        return next(self._steps, None) is not None

    def _dialog(self) -> Iterator[bool]:
        recipient = f"RCPT TO:<{RECIPIENT}>\r\n".encode("ascii")
        yield True
        self._say(b"250", b"EHLO client.example.net\r\n")
        yield True
        for sender, head in self._messages:
            self._say(b"250", b"MAIL FROM:<" + sender + b">\r\n")
            yield True
            self._say(b"250", recipient)
            yield True
            self._say(b"354", b"DATA\r\n")
            yield True
            self._say(b"250", head + self._body + b".\r\n")
            yield True
        self._say(b"221", b"QUIT\r\n")
        yield True
        self.socket.close()

    def _say(self, wanted: bytes, data: bytes) -> None:
        self._wanted = wanted
        self.socket.sendall(data)


def _run(path: Path, port: int, connections: int, count: int, first: int) -> float:
    *parts, body = path.read_bytes().split(b"\0")
    pairs = [(sender, head) for sender, _, head in (part.partition(b"\n") for part in parts)]
    messages = (pairs[(first + number) % len(pairs)] for number in range(count))
    start = time.perf_counter()
    poll, open_ = select.epoll(), dict[int, _Connection]()
    for _ in range(connections):
        # One after the other: smtpd's backlog is 5.
        connection = _Connection(port, messages, body)
        connection.take()
        open_[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
    while open_:
        ready = poll.poll(_TIMEOUT)
        if not ready:
            raise RuntimeError("no reply for a minute")
        for number, _events in ready:
            if not open_[number].take():
                del open_[number]  # a closed socket leaves the poll by itself
    return time.perf_counter() - start


if __name__ == "__main__":
    print(_run(Path(sys.argv[1]), *map(int, sys.argv[2:])))
