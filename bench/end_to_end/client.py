"""The client: ten connections over port 25, as fast as they are answered or at a fixed rate.

A thread each, which waits for every answer before it goes on. It must not know who listens.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.end_to_end.scene import ADDRESS, CLIENT, CONNECTIONS, Letter

TIMEOUT = 60.0
_CLOCK_REALTIME_COARSE = 5  # linux/time.h; Python has no name for it


def now() -> float:
    """The clock that a file's times are taken from, with its steps."""
    return time.clock_gettime(_CLOCK_REALTIME_COARSE)


@dataclass
class Sent:
    """When the first MAIL went out, and of each message when its dot did and when it was taken."""

    began: float = 0.0
    dots: dict[int, float] = field(default_factory=dict)
    taken: dict[int, float] = field(default_factory=dict)
    slipped: float = 0.0  # how late a message was at most that was to go at a fixed rate


class _Connection:
    def __init__(self) -> None:
        self._socket = socket.create_connection((ADDRESS, 25), TIMEOUT)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._expect(b"220")
        self._command(f"EHLO {CLIENT}".encode(), b"250")

    def send(self, letter: Letter, sent: Sent) -> None:
        self._command(f"MAIL FROM:<{letter.sender}>".encode(), b"250")
        self._command(f"RCPT TO:<{letter.recipient}>".encode(), b"250")
        self._command(b"DATA", b"354")
        sent.dots[letter.number] = now()
        self._socket.sendall(letter.data)
        self._expect(b"250")
        sent.taken[letter.number] = now()

    def close(self) -> None:
        self._command(b"QUIT", b"221")
        self._socket.close()

    def _command(self, line: bytes, answer: bytes) -> None:
        self._socket.sendall(line + b"\r\n")
        self._expect(answer)

    def _expect(self, answer: bytes) -> None:
        data = b""
        while True:
            more = self._socket.recv(4_096)
            if not more:
                raise RuntimeError(f"closed after {data!r}")
            data += more
            if data.endswith(b"\n") and data.splitlines()[-1][3:4] != b"-":
                break
        if not data.startswith(answer):
            raise RuntimeError(f"not {answer!r} but {data!r}")


def send(letters: Sequence[Letter], rate: float | None = None) -> Sent:
    """Send all; at `rate` a second, if given. Raises RuntimeError where one is not taken."""
    sent = Sent()
    connections = [_Connection() for _ in range(min(CONNECTIONS, len(letters)))]
    failed: list[BaseException] = []
    queue = iter(list(enumerate(letters)))
    sent.began = now()
    start = time.monotonic()

    def carry(connection: _Connection, mine: Iterator[tuple[int, Letter]]) -> None:
        try:
            for number, letter in mine:
                if rate is not None:
                    late = time.monotonic() - start - number / rate
                    if late < 0:
                        time.sleep(-late)
                    sent.slipped = max(sent.slipped, late)
                connection.send(letter, sent)
            connection.close()
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=carry, args=(one, queue)) for one in connections]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(threads)} connections: {failed[0]}")
    return sent
