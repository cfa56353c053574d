"""Lines of the log that the health check's own sessions leave: they are no event for a person.

smtpd's lines begin with a session's id. A client on the machine itself is anybody who comes through
a proxy, so only the mark tells whose session it is: it stands in the first command, and what was
logged before that is held back until then. Dovecot's lines name the login.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from entrypoint.log_line import Event
from entrypoint.probe.login import ProbeLogin

_SESSION = re.compile(r"([0-9a-f]{16}) smtp ")
_LOCAL = re.compile(r"[0-9a-f]{16} smtp connected address=(?:127\.0\.0\.1|\[?::1\]?) ")
_TLS = re.compile(r"[0-9a-f]{16} smtp tls ")
_END = re.compile(r"[0-9a-f]{16} smtp disconnected ")
# What is held for longer than this many lines of others is written: on a busy server it may be a
# probe's all the same, and the rest of its session is left out.
_MOST_LINES = 20
_MOST_SESSIONS = 1_000


class QuietLog:
    """login None: nothing is left out."""

    def __init__(self, login: ProbeLogin | None) -> None:
        self._login = login
        self._held: dict[str, list[Event]] = {}
        self._age: dict[str, int] = {}
        self._late: set[str] = set()
        self._ours: set[str] = set()

    @classmethod
    def started(cls) -> QuietLog:
        """For the login of this start, if there is one."""
        try:
            return cls(ProbeLogin.read())
        except (OSError, ValueError):
            return cls(None)

    def sort(self, line: Event) -> list[Event]:
        """The lines to write now: those of the health check at level debug and without the mark."""
        if self._login is None:
            return [line]
        if line[1] == "dovecot":
            return [self._of_dovecot(line, self._login.name)]
        return [*self._overdue(), *self._of_smtpd(line, self._login.mark)]

    def rest(self) -> list[Event]:
        """What is still held back, at the end."""
        return [line for session in list(self._held) for line in self._let_go(session)]

    def _of_dovecot(self, line: Event, name: str) -> Event:
        _, program, message = line
        logged_in = "-login: Logged in: " in message or message.startswith("imap(")
        # Only who knows the password has such a line.
        return ("debug", program, message) if logged_in and name in message else line

    def _of_smtpd(self, line: Event, mark: str) -> Iterator[Event]:
        _, program, message = line
        match = _SESSION.match(message)
        if match is None:
            yield line
            return
        session = match[1]
        if session in self._ours:
            if _END.match(message):
                self._ours.discard(session)
            yield "debug", program, message
        elif mark in message and (session in self._held or session in self._late):
            self._mark(session)
            for _, owner, text in self._let_go(session):
                yield "debug", owner, text
            yield "debug", program, message.replace(mark, "(the health check's mark)")
        elif session in self._held:
            if _TLS.match(message):
                self._held[session].append(line)
            else:
                yield from self._let_go(session)
                yield line
        elif _LOCAL.match(message):
            self._held[session], self._age[session] = [line], 0
        else:
            if not _TLS.match(message):  # who says something else is no probe
                self._late.discard(session)
            yield line

    def _mark(self, session: str) -> None:
        if len(self._ours) >= _MOST_SESSIONS:
            self._ours.clear()
        self._late.discard(session)
        self._ours.add(session)

    def _overdue(self) -> Iterator[Event]:
        for session in list(self._held):
            self._age[session] += 1
            if self._age[session] > _MOST_LINES:
                yield from self._let_go(session)
                if len(self._late) >= _MOST_SESSIONS:
                    self._late.clear()
                self._late.add(session)

    def _let_go(self, session: str) -> list[Event]:
        self._age.pop(session, None)
        return self._held.pop(session, [])
