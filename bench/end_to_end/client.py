"""The client: ten connections, as fast as they are answered or at a fixed rate.

A thread each, which waits for every answer before it goes on. Who submits does so on port 465 and
logs in once; everybody else comes to port 25. It must not know who listens.
"""

from __future__ import annotations

import base64
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.accounts import PASSWORD
from bench.end_to_end.letters import Letter
from bench.end_to_end.scene import ADDRESS, CLIENT, CLIENT_ADDRESS, CONNECTIONS

TIMEOUT = 60.0
_CLOCK_REALTIME_COARSE = 5  # linux/time.h; Python has no name for it

_tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
_tls.check_hostname, _tls.verify_mode = False, ssl.CERT_NONE


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
    processor: float = 0.0  # seconds that the client itself took, and of how many
    seconds: float = 0.0


class Connection:
    """One session; with `login` over TLS, and logged in."""

    def __init__(self, login: str | None = None) -> None:
        address = ADDRESS, 25 if login is None else 465
        self._socket = socket.create_connection(address, TIMEOUT, (CLIENT_ADDRESS, 0))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if login is not None:
            self._socket = _tls.wrap_socket(self._socket)
        self._expect(b"220")
        self._command(f"EHLO {CLIENT}".encode(), b"250")
        if login is not None:
            plain = base64.b64encode(f"\0{login}\0{PASSWORD}".encode())
            self._command(b"AUTH PLAIN " + plain, b"235")

    def send(self, letter: Letter, sent: Sent) -> None:
        """One message. Raises RuntimeError where it is not taken."""
        self._command(f"MAIL FROM:<{letter.sender}>".encode(), b"250")
        self._command(f"RCPT TO:<{letter.recipient}>".encode(), b"250")
        self._command(b"DATA", b"354")
        sent.dots[letter.number] = now()
        self._socket.sendall(letter.data)
        self._expect(b"250")
        sent.taken[letter.number] = now()

    def close(self) -> None:
        """The end."""
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


_Share = tuple[str | None, Iterator[tuple[int, Letter]]]


def send(letters: Sequence[Letter], rate: float | None = None) -> Sent:
    """Send all; at `rate` a second, if given. Raises RuntimeError where one is not taken."""
    sent = Sent()
    shares = [(Connection(login), mine) for login, mine in _shares(letters)]
    failed: list[BaseException] = []
    sent.began, spent = now(), time.process_time()
    start = time.monotonic()

    def carry(connection: Connection, mine: Iterator[tuple[int, Letter]]) -> None:
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

    threads = [threading.Thread(target=carry, args=share) for share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.processor, sent.seconds = time.process_time() - spent, time.monotonic() - start
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(threads)} connections: {failed[0]}")
    return sent


def _shares(letters: Sequence[Letter]) -> list[_Share]:
    """Strangers take one message after the other from a common pile; accounts have their own."""
    numbered = list(enumerate(letters))
    if all(letter.login is None for letter in letters):
        pile = iter(numbered)
        return [(None, pile) for _ in range(min(CONNECTIONS, len(letters)))]
    logins = dict.fromkeys(letter.login for letter in letters)
    return [(login, iter([one for one in numbered if one[1].login == login])) for login in logins]
