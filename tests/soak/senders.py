"""The clients that hand in numbered messages, and try again as real ones do.

A thread for each session. It must not know what happens to the server meanwhile.
"""

from __future__ import annotations

import contextlib
import heapq
import imaplib
import itertools
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Protocol as Shape

from ..container.harness.imap import any_certificate
from .ledger import Ledger
from .numbered import compose
from .ways import APPENDED, SECRET, Protocol, Task

# An answer to the data is waited for so long; RFC 5321 4.5.3.2.6 asks for ten minutes, after which
# a soak would be over.
PATIENCE = 60.0
CONNECTING = 10.0
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


class AnswerError(Exception):
    """Any answer that is not the one that was hoped for."""


class NoAnswerError(Exception):
    """All was sent, and the answer did not come."""


class Session(Shape):
    """A connection over which messages are handed in. It raises what is in _FAILURES."""

    def send(self, each: Task, content: bytes) -> None: ...

    def close(self) -> None: ...


class SmtpSession:
    """Port 25, or 465 and 587 with a login."""

    def __init__(self, host: str, protocol: Protocol, login: str) -> None:
        if protocol == "submissions":
            self._smtp: smtplib.SMTP = smtplib.SMTP_SSL(
                host, 465, "client.example", timeout=CONNECTING, context=any_certificate()
            )
        else:
            port = 587 if protocol == "submission" else 25
            self._smtp = smtplib.SMTP(host, port, "client.example", timeout=CONNECTING)
        assert self._smtp.sock is not None
        self._smtp.sock.settimeout(PATIENCE)
        try:
            if protocol == "submission":
                self._smtp.starttls(context=any_certificate())
            if protocol != "smtp":
                self._smtp.user, self._smtp.password = login, SECRET
                self._smtp.ehlo_or_helo_if_needed()
                self._ok(self._smtp.auth("PLAIN", self._smtp.auth_plain), 235)
            else:
                self._ok(self._smtp.ehlo())
        except BaseException:
            self.close()
            raise

    def send(self, each: Task, content: bytes) -> None:
        """Back after the 250."""
        self._ok(self._smtp.mail(each.sender))
        self._ok(self._smtp.rcpt(each.recipient))
        self._ok(self._smtp.docmd("DATA"), 354)
        stuffed = content.replace(b"\r\n.", b"\r\n..")
        try:
            self._smtp.send(stuffed + b".\r\n")
            said = self._smtp.getreply()
        except (OSError, smtplib.SMTPServerDisconnected) as error:
            raise NoAnswerError(f"no answer to the data: {type(error).__name__}") from None
        self._ok(said)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._smtp.close()

    @staticmethod
    def _ok(said: tuple[int, bytes], code: int = 250) -> None:
        if said[0] != code:
            raise AnswerError(f"{said[0]} {said[1].decode(errors='replace')}")


class ImapSession:
    """APPEND into a folder."""

    def __init__(self, host: str, login: str) -> None:
        self._imap = imaplib.IMAP4_SSL(host, 993, ssl_context=any_certificate(), timeout=CONNECTING)
        try:
            self._imap.sock.settimeout(PATIENCE)
            self._imap.login(login, SECRET)
        except BaseException:
            self.close()
            raise

    def send(self, each: Task, content: bytes) -> None:
        """Back after the OK."""
        try:
            kind, data = self._imap.append(APPENDED, "", "", content)
        except (OSError, imaplib.IMAP4.abort) as error:
            raise NoAnswerError(f"no answer to APPEND: {type(error).__name__}") from None
        if kind != "OK":
            raise AnswerError(f"{kind} {data}")

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._imap.shutdown()


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
                session = self._connect(each)
                self._hand_over(session, each)
                return True
            except _FAILURES as error:
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
                    session = self._connect(each)
                self._hand_over(session, each)
                sent += 1
            except _FAILURES as error:
                self._note(each, error)
                if session:
                    session.close()
                session = None
                with self._lock:
                    self._put(each, tries + 1, min(0.2 * 2**tries, LONGEST_PAUSE))
        if session:
            session.close()

    def _connect(self, each: Task) -> Session:
        if each.protocol == "imap":
            return ImapSession(self._host, each.recipient)
        return SmtpSession(self._host, each.protocol, each.sender)

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


_FAILURES: tuple[type[Exception], ...] = (
    OSError,
    AnswerError,
    NoAnswerError,
    smtplib.SMTPException,
    imaplib.IMAP4.error,
)
