"""One of the filter programs in a process of its own, at the other end of its socket."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Sequence

SESSION = "0123456789abcdef"


class Program:
    """A context; when it is left, smtpd has ended and so has the program."""

    def __init__(self, module: str, *arguments: str) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(20)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=theirs,
                stdout=theirs,
                stderr=subprocess.PIPE,
            )
        self.answers = self.socket.makefile("rb")
        self.log = b""
        self.message: list[str] = []  # the last one that came back

    def __enter__(self) -> Program:
        self.socket.sendall(b"config|admd|mail.example.org\nconfig|ready\n")
        self.until(b"register|ready")
        return self

    def __exit__(self, *error: object) -> None:
        self.answers.close()
        self.socket.close()
        try:
            _, self.log = self.process.communicate(timeout=20)
        finally:
            self.process.kill()

    def until(self, end: bytes) -> bytes:
        """The first line with this end."""
        while line := self.answers.readline().removesuffix(b"\n"):
            if line.endswith(end):
                return line
        raise AssertionError(f"the program ended before {end!r}")

    def report(self, event: str, *fields: str) -> None:
        """Tell of an event of the one session."""
        text = "|".join(["report|0.7|1.1|smtp-in", event, SESSION, *fields])
        self.socket.sendall(text.encode() + b"\n")

    def ask(self, phase: str, parameter: str = "") -> str:
        """The verdict of a phase."""
        request = f"filter|0.7|1.1|smtp-in|{phase}|{SESSION}|{phase}|{parameter}\n"
        self.socket.sendall(request.encode())
        head = f"filter-result|{SESSION}|{phase}|"
        while line := self.answers.readline().decode().removesuffix("\n"):
            if line.startswith(head):
                return line.removeprefix(head)
        raise AssertionError(f"the program ended before its answer to {phase}")

    def _lines_back(self) -> list[str]:
        head, found = f"filter-dataline|{SESSION}|data|", list[str]()
        while line := self.answers.readline().decode().removesuffix("\n"):
            if line == f"{head}.":
                return found
            found += [line.removeprefix(head)] if line.startswith(head) else []
        raise AssertionError("the program ended before the message came back")

    def send(self, sender: str, recipient: str, lines: Sequence[str]) -> str:
        """One transaction; the verdict at its commit."""
        assert self.ask("mail-from", sender) == "proceed"
        self.report("tx-begin", "01234567")
        self.report("tx-mail", "01234567", "ok", sender)
        assert self.ask("rcpt-to", recipient) == "proceed"
        self.report("tx-rcpt", "01234567", "ok", recipient)
        for line in (*lines, "."):
            self.socket.sendall(
                f"filter|0.7|1.1|smtp-in|data-line|{SESSION}|data|{line}\n".encode()
            )
        self.message = self._lines_back()
        verdict = self.ask("commit")
        self.report("tx-commit", "01234567", "100")
        self.report("tx-reset", "01234567")
        return verdict
