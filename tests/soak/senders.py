"""The clients that hand in numbered messages, and try again as real ones do.

A thread for each session. It must not know what happens to the server meanwhile.
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterable

from .ledger import Ledger
from .numbered import compose
from .routes import Protocol, Task
from .sessions import CONNECTING, FAILURES, PATIENCE, NoAnswerError, Session, connect

LONGEST_PAUSE = 3.0
PER_SESSION = 60
_NAMES: dict[Protocol, str] = {
    "smtp": "25",
    "submissions": "465",
    "submission": "587",
    "imap": "IMAP",
}
SESSIONS: tuple[Protocol, ...] = (
    *("smtp",) * 7,
    *("submissions",) * 2,
    *("submission",) * 2,
    "imap",
)


class Senders:
    """Hands in what it is given until all is accepted, or until it is stopped."""

    def __init__(self, run: str, host: str, ledger: Ledger) -> None:
        self._run, self._host, self._ledger = run, host, ledger
        self._stop = threading.Event()
        self._lock = threading.Condition()
        self._waiting: dict[Protocol, list[tuple[float, int, int, Task]]] = {
            protocol: [] for protocol in set(SESSIONS)
        }
        self._order = itertools.count()
        self._open = 0
        # What clients saw, since somebody last took it.
        self._seen: Counter[str] = Counter()
        self.errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._work, args=(protocol,), daemon=True)
            for protocol in SESSIONS
        ]

    def __enter__(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._stop.set()
            self._lock.notify_all()
        for thread in self._threads:
            thread.join(PATIENCE + CONNECTING)

    def give(self, tasks: Iterable[Task]) -> None:
        """More to hand in."""
        with self._lock:
            for each in tasks:
                self._open += 1
                self._put(each, 0, 0.0)
            self._lock.notify_all()

    @property
    def open(self) -> int:
        """How many are not accepted yet."""
        return self._open

    def take_seen(self) -> Counter[str]:
        """What clients were answered otherwise than they hoped, since the last call."""
        with self._lock:
            seen, self._seen = self._seen, Counter()
            return seen

    def check(self) -> None:
        """Raises what has ended a session's thread, if anything has."""
        for error in self.errors:
            raise error

    def hand_in(self, each: Task, until: float) -> bool:
        """Now, by this thread, again and again; whether it was accepted in time."""
        with self._lock:
            self._open += 1
        while time.monotonic() < until and not self._stop.is_set():
            session = None
            try:
                session = connect(self._host, each)
                self._hand_over(session, each)
                return True
            except FAILURES as error:
                self._note(each, error)
                self._stop.wait(0.1)
            finally:
                if session:
                    session.close()
        return False

    def _put(self, each: Task, tries: int, pause: float) -> None:
        when = time.monotonic() + pause
        item = (when, next(self._order), tries, each)
        heapq.heappush(self._waiting[each.protocol], item)

    def _next(self, protocol: Protocol) -> tuple[int, Task] | None:
        with self._lock:
            while not self._stop.is_set():
                waiting = self._waiting[protocol]
                now = time.monotonic()
                if waiting and waiting[0][0] <= now:
                    _, _, tries, each = heapq.heappop(waiting)
                    return tries, each
                self._lock.wait(min(waiting[0][0] - now, 0.5) if waiting else 0.5)
        return None

    def _work(self, protocol: Protocol) -> None:
        try:
            self._hand_in_all(protocol)
        except BaseException as error:
            self.errors.append(error)

    def _hand_in_all(self, protocol: Protocol) -> None:
        session: Session | None = None
        whose, sent = "", 0
        while (found := self._next(protocol)) is not None:
            tries, each = found
            login = each.sender if protocol != "imap" else each.recipient
            try:
                if session is None or sent >= PER_SESSION or whose != login:
                    if session:
                        session.close()
                    session, whose, sent = None, login, 0
                    session = connect(self._host, each)
                self._hand_over(session, each)
                sent += 1
            except FAILURES as error:
                self._note(each, error)
                if session:
                    session.close()
                session = None
                with self._lock:
                    self._put(each, tries + 1, min(0.2 * 2**tries, LONGEST_PAUSE))
        if session:
            session.close()

    def _hand_over(self, session: Session, each: Task) -> None:
        content = compose(self._run, each.entry.number, each.sender, each.recipient)
        session.send(each, content)
        self._ledger.accept(each.entry, time.time())
        with self._lock:
            self._open -= 1

    def _note(self, each: Task, error: BaseException) -> None:
        said = f"{_NAMES[each.protocol]}: {str(error) or repr(error)}"
        if isinstance(error, NoAnswerError):
            each.entry.doubts.append(time.time())
        elif _for_good(str(error)):
            each.entry.refusals.append(said)
        with self._lock:
            self._seen[said] += 1


def _for_good(said: str) -> bool:
    return said.startswith(("5", "(5")) or "AUTHENTICATIONFAILED" in said
