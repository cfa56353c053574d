"""Hands in messages whose parts come in segments of their own, 0.4 s apart.

    python3 segments.py HOST < CASES

CASES is JSON: [[PORT, LOGIN or null, PASSWORD or null, RECIPIENT, [PART...]]...], the parts in
Base64 and sent as they are. Prints for each case what the server said to the whole, and what it
says to a MAIL FROM behind that; null where the connection was closed.
"""

import base64
import concurrent.futures
import json
import select
import socket
import ssl
import sys
from typing import Any

APART = 0.4
ANSWERED_WITHIN = 20
AT_ONCE = 64
CONTEXT = ssl.create_default_context()
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE


class Link:
    """A session up to DATA."""

    def __init__(self, port: int, login: str | None, password: str | None, to: str) -> None:
        self.socket = socket.create_connection((sys.argv[1], port), ANSWERED_WITHIN)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if port == 465:
            self.socket = CONTEXT.wrap_socket(self.socket)
        self.buffer = b""
        self.hear()
        self.say("EHLO client.outside.test")
        if port == 587:
            self.say("STARTTLS")
            self.socket = CONTEXT.wrap_socket(self.socket)
            self.say("EHLO client.outside.test")
        if login is not None:
            self.say("AUTH PLAIN " + base64.b64encode(f"\0{login}\0{password}".encode()).decode())
        self.say(f"MAIL FROM:<{login or 'someone@outside.test'}>")
        self.say(f"RCPT TO:<{to}>")
        assert self.say("DATA") == 354

    def say(self, command: str) -> int | None:
        """The code of the answer; None where there is none."""
        try:
            self.socket.sendall(f"{command}\r\n".encode())
        except OSError:
            return None
        return self.hear()

    def hear(self) -> int | None:
        """The code of the next reply; None at the end of the connection."""
        while True:
            line, end, rest = self.buffer.partition(b"\n")
            if end:
                self.buffer = rest
                if line[3:4] != b"-":
                    return int(line[:3])
                continue
            try:
                received = self.socket.recv(4096)
            except OSError:
                received = b""
            if not received:
                return None
            self.buffer += received


def hand_in(case: tuple[int, str | None, str | None, str, list[str]]) -> list[int | None]:
    """One case."""
    *about, parts = case
    link = Link(*about)
    for part in parts:
        try:
            link.socket.sendall(base64.b64decode(part))
        except OSError:
            break
        if part is not parts[-1] and select.select([link.socket], [], [], APART)[0]:
            break
    return [link.hear(), link.say("MAIL FROM:<smuggled@outside.test>")]


def main() -> None:
    cases: list[Any] = json.load(sys.stdin)
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        print(json.dumps(list(pool.map(hand_in, cases))))


main()
