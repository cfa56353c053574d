"""Who looks on all the time: `signpost health`, and a person who logs in."""

from __future__ import annotations

import contextlib
import imaplib
import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from ..container.harness.imap import any_certificate
from ..container.harness.shell import attempt
from .ledger import Interval


@dataclass(frozen=True)
class Said:
    """What health said between two moments; healthy: with exit status 0."""

    begin: float
    end: float
    healthy: bool
    text: str


class Watch:
    """Does something again and again in a thread of its own until it is left."""

    def __init__(self, act: Callable[[], None], pause: float) -> None:
        self._act, self._pause = act, pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.error: BaseException | None = None

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        self._thread.join(60)

    def _run(self) -> None:
        try:
            while not self._stop.wait(self._pause):
                self._act()
        except BaseException as error:
            self.error = error


class Health:
    """What `signpost health` said, and when."""

    def __init__(self, container: str, entering: threading.Lock) -> None:
        """entering: held while it is asked."""
        self._container, self._entering = container, entering
        self.said: list[Said] = []

    def ask(self) -> None:
        with self._entering:
            begin = time.time()
            done = attempt("docker", "exec", self._container, "signpost", "health", timeout=60)
        text = (done.stdout + done.stderr).decode(errors="replace").strip()
        if "is not running" in text or "No such exec" in text or "is paused" in text:
            text = "the container does not run"
        text = re.sub(r"^(un)?healthy:? ?", "", text.splitlines()[0] if text else "")
        text = text or "no answer"
        self.said.append(Said(begin, time.time(), done.returncode == 0, text))

    def during(self, interval: Interval) -> Counter[str]:
        """What was said in an interval, or was asked in it."""
        return Counter(
            "healthy" if each.healthy else each.text
            for each in self.said
            if each.end >= interval.begin and each.begin <= interval.end
        )


@dataclass
class Logins:
    """One login at a time, with the right password."""

    host: str
    login: tuple[str, str]
    outcomes: Counter[str] = field(default_factory=Counter)

    def try_one(self) -> None:
        """At IMAP."""
        try:
            session = imaplib.IMAP4_SSL(self.host, 993, ssl_context=any_certificate(), timeout=20)
        except (OSError, imaplib.IMAP4.abort):  # the latter: it ended before a greeting
            self.outcomes["no connection"] += 1
            return
        try:
            session.login(*self.login)
            self.outcomes["logged in"] += 1
            session.logout()
        except (OSError, imaplib.IMAP4.error) as error:
            wrong = "AUTHENTICATIONFAILED" in str(error)
            self.outcomes["refused as wrong" if wrong else "try again"] += 1
        finally:
            with contextlib.suppress(OSError):
                session.shutdown()
