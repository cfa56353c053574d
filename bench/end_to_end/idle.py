"""An IMAP client of every account, in IDLE: when it is told of a message.

It only looks (EXAMINE), so that no message is moved. It must not know which server it is.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Self

from bench.accounts import PASSWORD
from bench.end_to_end.client import Sent, now
from bench.end_to_end.letters import Letter
from bench.end_to_end.scene import ADDRESSES
from bench.end_to_end.stored import Stored
from bench.imap import Imap

_PORT = 993
_EXISTS = re.compile(rb"^\* (\d+) EXISTS")
_WITHIN, _POLL = 20.0, 0.05  # seconds


class _Session(Imap):
    def __init__(self, login: str) -> None:
        super().__init__(_PORT)
        self.say(f'LOGIN {login} "{PASSWORD}"')
        lines = self.say("EXAMINE INBOX")
        self.before = next(int(found[1]) for line in lines if (found := _EXISTS.match(line)))
        self.told: list[tuple[float, int]] = []
        self.failed: Exception | None = None
        self.idle()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        try:
            while not (line := self._line()).startswith(b"a "):
                if found := _EXISTS.match(line):
                    self.told.append((now(), int(found[1])))
        except Exception as error:
            self.failed = error

    def done(self) -> None:
        self._socket.sendall(b"DONE\r\n")
        self._thread.join(_WITHIN)
        if self.failed is not None or self._thread.is_alive():
            raise RuntimeError(f"IDLE: {self.failed or 'no end'}")


class Watched:
    """Every account's INBOX while this is open; its messages are told in the order of storing."""

    def __enter__(self) -> Self:
        self._sessions = {login: _Session(login) for login in ADDRESSES}
        return self

    def __exit__(self, *details: object) -> None:
        for session in self._sessions.values():
            session.done()
            session.say("LOGOUT")

    def delays(
        self, letters: Sequence[Letter], files: Mapping[int, Stored], sent: Sent
    ) -> list[float]:
        """Seconds from the dot until the account was told. Raises RuntimeError where it was not."""
        found = []
        for login, session in self._sessions.items():
            mine = sorted(
                (files[one.number].at, one.number)
                for one in letters
                if files[one.number].account == login
            )
            self._wait(session, session.before + len(mine))
            for place, (_, number) in enumerate(mine, session.before + 1):
                told = next(at for at, exists in session.told if exists >= place)
                found.append(told - sent.dots[number])
        if len(found) != len(letters):
            raise RuntimeError(f"{len(found)} of {len(letters)} messages are in an INBOX")
        return found

    def _wait(self, session: _Session, wanted: int) -> None:
        deadline = time.monotonic() + _WITHIN
        while not session.told or session.told[-1][1] < wanted:
            if wanted == session.before:
                return
            if time.monotonic() > deadline:
                raise RuntimeError(f"IDLE was told of {session.told[-1:]}, not of {wanted}")
            time.sleep(_POLL)
