"""Runs inside the image, within stand_in.py: a junk filter's verdict server, as a test wants it.

What it does at each question stands in a list; the last is for all that come afterwards. "silent"
reads nothing and says nothing; "deaf" reads all and says nothing; "slow" says a byte each tenth of
a second, without an end; "open" answers, and does not end the stream; "closes" reads nothing and
closes; "full" accepts nobody; "late" answers when smtpd's dispatcher is gone; "since" says for how
many seconds it has been silent by then. All else is what it says when it has read the question, in
Latin-1.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import signal
import socket
import time
from pathlib import Path

JUNK = Path("/run/signpost/junk")
SOCKET, SILENT = JUNK / "verdict", JUNK / "silent"
ASKED = Path("/tmp/asked")


class Verdicts:
    """A process that answers, and what it was asked."""

    def __init__(self, how: list[str] | None, silent: float | None) -> None:
        """how: None is nobody. silent: so many seconds ago somebody was, in that folder."""
        for folder in (JUNK, ASKED):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(mode=0o700)
        vmail = pwd.getpwnam("vmail")
        os.chown(JUNK, vmail.pw_uid, vmail.pw_gid)
        self.how = how or []
        self.pid: int | None = None
        if self.how:
            self.begin()
        if silent is not None:
            os.utime(SOCKET, (0, 0))  # it was there before
            SILENT.touch()
            os.chown(SILENT, vmail.pw_uid, vmail.pw_gid)
            os.utime(SILENT, (time.time() - silent,) * 2)

    def begin(self) -> None:
        """With a socket of its own, whatever was there before."""
        self.end()
        SOCKET.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(SOCKET))
        SOCKET.chmod(0o666)
        listener.listen(0 if self.how[0] == "full" else 16)
        self.pid = os.fork()
        if self.pid == 0:
            self.serve(listener)
        listener.close()

    def end(self) -> None:
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            self.pid = None

    def serve(self, listener: socket.socket) -> None:
        held = []
        if self.how[0] == "full":
            for _ in range(2):
                waiting = socket.socket(socket.AF_UNIX)
                waiting.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    waiting.connect(str(SOCKET))
                held.append(waiting)
            signal.pause()
        done = len(list(ASKED.iterdir()))
        for number in itertools.count(done):
            connection, _ = listener.accept()
            how = self.how[min(number, len(self.how) - 1)]
            with contextlib.suppress(OSError):
                talk(connection, how, ASKED / f"{number:03}")
            if how in ("silent", "deaf", "open"):
                held.append(connection)
            else:
                connection.close()


def talk(connection: socket.socket, how: str, asked: Path) -> None:
    asked.touch()
    if how in ("silent", "closes"):
        return
    with connection.makefile("rb") as stream:
        asked.write_bytes(stream.read())
    while how == "slow":
        connection.sendall(b"n")
        time.sleep(0.1)
    while how == "late" and any(map(is_dispatcher, Path("/proc").glob("[0-9]*/cmdline"))):
        time.sleep(0.001)
    if how == "since":
        how = f"no {time.time() - SILENT.stat().st_mtime:.0f}\n"
    if how != "deaf":
        connection.sendall(b"no\n" if how in ("open", "late") else how.encode("latin-1"))


def is_dispatcher(command: Path) -> bool:
    with contextlib.suppress(OSError):
        return command.read_bytes().startswith(b"smtpd: dispatcher")
    return False
