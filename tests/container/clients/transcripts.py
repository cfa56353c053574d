"""Plays sessions to their ends, many at once: what each server said.

    python3 transcripts.py HOST < CASES > ANSWERS

CASES is JSON, a list of lists of sessions: {"port", "tls", "source", "steps"}. A case's sessions
are played one after the other. A step is ["send", BASE64], ["hear"], ["tls", NAME or null],
["half-close"], or ["slowly", BASE64, SECONDS between two bytes]. ANSWERS has for each case the
answers to each `hear`: a whole reply in the port's own protocol; null where the connection was
closed, and "" where nothing was said in time.
"""

import base64
import concurrent.futures
import contextlib
import json
import re
import socket
import ssl
import sys
import time
from typing import Any

ANSWERED_WITHIN = 20.0
# What begins as it should not is answered by silence.
SILENT_FOR = 1.5
AT_ONCE = 48
CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
CONTEXT.check_hostname = False
CONTEXT.verify_mode = ssl.CERT_NONE

SMTP = re.compile(rb"(?:\d{3}-[^\n]*\n)*\d{3}(?:[^-\n][^\n]*)?\n")
LINE = re.compile(rb"[^\n]*\n")
# Untagged lines belong to what follows, except for a greeting and for a farewell.
_ALONE = rb"BYE|BAD|PREAUTH|OK \[CAPABILITY"
IMAP = re.compile(rb"(?:\* (?!%b)[^\n]*\n)*(?:[^*\n][^\n]*|\* (?:%b)[^\n]*)\n" % (_ALONE, _ALONE))
SIEVE = re.compile(rb"(?:(?!OK|NO|BYE)[^\n]*\n)*(?:OK|NO|BYE)\b[^\n]*\n", re.IGNORECASE)
HTTP = re.compile(rb"HTTP/[\d.]+ [^\n]*\n")
REPLIES = {143: IMAP, 993: IMAP, 995: LINE, 4190: SIEVE, 80: HTTP, 443: HTTP}


class Link:
    """A connection."""

    def __init__(self, session: dict[str, Any]) -> None:
        source = (session["source"], 0) if session["source"] else None
        self.reply = REPLIES.get(session["port"], SMTP)
        self.socket = socket.create_connection((HOST, session["port"]), ANSWERED_WITHIN, source)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        if session["tls"]:
            self.encrypt(None)

    def encrypt(self, name: str | None) -> None:
        try:
            self.socket = CONTEXT.wrap_socket(self.socket, server_hostname=name)
        except OSError:
            self.socket.close()  # the handshake has failed: all that follows is unanswered
            self.buffer = b""

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):  # what was said before the end is heard all the same
            self.socket.sendall(data)

    def hear(self, within: float) -> str | None:
        while True:
            found = self.reply.match(self.buffer)
            if found:
                self.buffer = self.buffer[found.end() :]
                return found[0].decode("latin-1")
            try:
                self.socket.settimeout(within)
                received = self.socket.recv(65536)
            except TimeoutError:
                return self.buffer.decode("latin-1")
            except OSError:
                received = b""
            if not received:
                return self.buffer.decode("latin-1") or None
            self.buffer += received


def played(session: dict[str, Any]) -> list[str | None]:
    said: list[str | None] = []
    link = Link(session)
    with link.socket:
        for kind, *words in session["steps"]:
            if kind == "send":
                link.send(base64.b64decode(words[0]))
            elif kind == "slowly":
                for byte in base64.b64decode(words[0]):
                    link.send(bytes([byte]))
                    time.sleep(words[1])
            elif kind == "tls":
                link.encrypt(words[0])
            elif kind == "half-close":
                link.socket.shutdown(socket.SHUT_WR)
            else:
                said.append(link.hear(SILENT_FOR if words else ANSWERED_WITHIN))
    return said


def case(sessions: list[dict[str, Any]]) -> list[list[str | None]]:
    return [played(session) for session in sessions]


def safely(sessions: list[dict[str, Any]]) -> Any:
    try:
        return case(sessions)
    except Exception as error:  # it is this case's outcome, not all others'
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    HOST = sys.argv[1]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        print(json.dumps(list(pool.map(safely, json.load(sys.stdin)))))
