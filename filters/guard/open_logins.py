"""The clients that have begun AUTH and have no outcome yet: one of them is who smtpd asks about.

smtpd's own question names the login and no client. Its filter knows the clients and, until the
outcome, no login. Where a login is to be refused at some of these clients, and at no other of them
would be accepted, the question is refused.

A client that is not blocked, and says AUTH and nothing more, would so cover for another that is. It
does a few times only, and what has covered and then ends without a password counts as a failed
login. It does no I/O and knows no clock.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass

MOST_SESSIONS = 2000
LASTS = 600.0  # seconds; smtpd ends an idle session after 300
MOST_COVERED = 3
MOST_LOGINS, MOST_QUESTIONS = 100, 20

Refused = Callable[[str, str], float]  # address, login → seconds


@dataclass(slots=True)
class Auth:
    """One AUTH command. covered: how many questions of others it let through."""

    address: str
    began: float
    covered: int = 0


class OpenLogins:
    """The AUTH commands without an outcome, by session; the one that began first is in front."""

    def __init__(self, refused: Refused) -> None:
        """refused: seconds that a login has to wait at a client, 0 where it may go on."""
        self._refused = refused
        self._auths: OrderedDict[str, Auth] = OrderedDict()
        # By login, for each question that was answered though it may be a blocked client's: whose
        # else it may be.
        self._let_through: dict[str, deque[list[Auth]]] = {}

    def begin(self, session: str, address: str, now: float) -> None:
        """AUTH was said, and is not refused. An earlier one of the session must have ended."""
        self._auths[session] = Auth(address, now)
        while len(self._auths) > MOST_SESSIONS or self._first().began + LASTS < now:
            self._auths.popitem(last=False)

    def end(self, session: str) -> Auth | None:
        """Forget the AUTH of a session, and return what is known of it."""
        return self._auths.pop(session, None)

    def clients(self) -> set[str]:
        """Where an AUTH has begun that has no outcome yet."""
        return {auth.address for auth in self._auths.values()}

    def waits(self, login: str) -> float:
        """Seconds that whoever asks about this login has to wait; 0 where it may go on."""
        longest, others = 0.0, []
        for auth in self._auths.values():
            if seconds := self._refused(auth.address, login):
                longest = max(longest, seconds)
            elif auth.covered < MOST_COVERED:
                others.append(auth)
        if not (longest and others):
            return longest
        if len(self._let_through) >= MOST_LOGINS:
            self._let_through.clear()
        self._let_through.setdefault(login.lower(), deque(maxlen=MOST_QUESTIONS)).append(others)
        return 0.0

    def outcome(self, session: str, address: str, login: str) -> None:
        """The AUTH of a session is over, with or without a right password."""
        self.end(session)
        questions = self._let_through.get(login.lower())
        if not questions:
            return
        if not self._refused(address, login):
            questions.clear()  # they were this client's own
        else:
            for auth in questions.popleft():
                auth.covered += 1
        if not questions:
            del self._let_through[login.lower()]

    def _first(self) -> Auth:
        return next(iter(self._auths.values()))
