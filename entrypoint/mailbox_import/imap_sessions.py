"""The two sessions of an import, there and here: begun anew where they are lost, and how often."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from entrypoint.mailbox_import.mailbox_here import HereLostError, MailboxHere
from entrypoint.mailbox_import.old_server import LostError, OldServer, RefusedError

# How often in a row the old server may be lost with nothing brought; one that is silent counts
# for four, since that takes minutes each time.
_MOST_LOST, _SILENT_COUNTS = 12, 4
_TRIES = 3  # of what loses the session there each time, and is refused then
# Messages in a row that are left out: a damaged disk has many, a server that throttles has all.
_MOST_LEFT_OUT = 100
_MOST_LOST_HERE = 5  # in a row
_LONGEST_PAUSE = 4.0  # seconds

Value = TypeVar("Value")


class StoppedError(Exception):
    """The import cannot go on; another run may. full: once the mailbox here has more room."""

    def __init__(self, reason: str, *, full: bool = False) -> None:
        super().__init__(reason)
        self.full = full


class ImapSessions:
    """The old server's and Dovecot's, and what was lost since something was brought."""

    def __init__(self, old: OldServer, here: MailboxHere) -> None:
        self._old, self._here = old, here
        self._lost = self._left_out = 0

    def of_old(self, work: Callable[[], Value]) -> Value:
        """The work's answer; in a new session where it loses the old one.

        Raises RefusedError where it loses each, and StoppedError.
        """
        last: LostError | None = None
        for _ in range(_TRIES):
            try:
                return work()
            except LostError as error:
                self.connect_again(error)
                last = error
        raise RefusedError(str(last))

    def connect_again(self, error: LostError) -> None:
        """Begin the old server's anew, after a pause. Raises StoppedError."""
        while True:
            self._lost += _SILENT_COUNTS if error.silent else 1
            if self._lost >= _MOST_LOST:
                reason = f"{self._old.source.host} is lost again and again: {error}"
                raise StoppedError(reason) from None
            time.sleep(min(_LONGEST_PAUSE, (self._lost - 1) * 0.25))
            try:
                self._old.connect()
                return
            except LostError as again:
                error = again
            except RefusedError as refused:
                # Some servers do so when sessions come fast after each other.
                error = LostError(str(refused))

    def went_on(self) -> None:
        """Something came from the old server."""
        self._lost = self._left_out = 0

    def left_out(self, error: LostError) -> None:
        """A message is to blame, not the server; a server that sends none at all is one.

        Raises StoppedError.
        """
        self._left_out += 1
        if self._left_out == _MOST_LEFT_OUT:
            host = self._old.source.host
            raise StoppedError(f"{host} does not send {_MOST_LEFT_OUT} messages in a row: {error}")
        if not error.silent:
            self._lost = 0

    def of_here(self, work: Callable[[], Value]) -> Value:
        """The work's answer; by a new program where the old one ends. Raises StoppedError."""
        lost: HereLostError | None = None
        for _ in range(_MOST_LOST_HERE):
            try:
                if lost is not None:
                    self._here.open()
                return work()
            except HereLostError as error:
                lost = error
        raise StoppedError(f"Dovecot here has ended again and again: {lost}")
