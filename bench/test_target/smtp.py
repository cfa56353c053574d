"""Messages by SMTP, over connections that stay open: as fast as they go, or so many a second.

One reply is waited for before the next command, as the clients of test suites do.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

_PATIENCE = 30.0  # seconds for a reply
_MOST_ERRORS = 20


@dataclass(frozen=True)
class Mail:
    """data: with CRLF line ends."""

    sender: str
    recipient: str
    data: bytes


class SmtpConnection:
    """One to a server on this machine. Raises OSError where the server says no."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._replies = self._socket.makefile("rb")
        self._expect(b"2")
        self.say(b"EHLO client.example.net")

    def say(self, command: bytes, reply: bytes = b"2") -> None:
        """And wait for the reply."""
        self._socket.sendall(command + b"\r\n")
        self._expect(reply)

    def deliver(self, mail: Mail) -> None:
        """Until its 250."""
        self.say(b"MAIL FROM:<%s>" % mail.sender.encode())
        self.say(b"RCPT TO:<%s>" % mail.recipient.encode())
        self.say(b"DATA", b"3")
        # No line of a message of this bench begins with a dot.
        self.say(mail.data + b".")

    def close(self) -> None:
        """Without a word."""
        self._replies.close()
        self._socket.close()

    def _expect(self, first: bytes) -> None:
        line = self._replies.readline()
        while line[3:4] == b"-":
            line = self._replies.readline()
        if not line.startswith(first):
            raise OSError(f"the server says {line!r}")


@dataclass
class Sent:
    """times: seconds from MAIL to the 250, of each message. took: of all. errors: what went wrong;
    the connection was opened again.
    """

    took: float = 0.0
    errors: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Messages a second."""
        return len(self.times) / self.took


def send(
    port: int,
    mails: Callable[[], Mail],
    *,
    connections: int,
    seconds: float,
    rate: float | None = None,
) -> Sent:
    """For so long. rate: so many a second in all; None: as many as the server takes."""
    sent = Sent()
    begin = time.perf_counter()

    def one(number: int) -> None:
        connection: SmtpConnection | None = None
        for _ in _moments(begin, seconds, number, connections, rate):
            mail = mails()
            start = time.perf_counter()
            try:
                connection = connection or SmtpConnection(port)
                connection.deliver(mail)
            except OSError as error:
                sent.errors.append(str(error))
                connection = None
                if len(sent.errors) > _MOST_ERRORS:
                    return
            else:
                sent.times.append(time.perf_counter() - start)
        if connection is not None:
            connection.close()

    threads = [threading.Thread(target=one, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent.took = time.perf_counter() - begin
    if not sent.times:
        raise RuntimeError(f"no message was accepted: {sent.errors}")
    return sent


def _moments(
    begin: float, seconds: float, number: int, connections: int, rate: float | None
) -> Iterator[None]:
    """When one of several connections sends its next message."""
    turn = 0
    while True:
        if rate is not None:
            due = begin + (turn * connections + number) / rate
            if due >= begin + seconds:
                return
            time.sleep(max(0.0, due - time.perf_counter()))
        if time.perf_counter() - begin >= seconds:
            return
        yield
        turn += 1
