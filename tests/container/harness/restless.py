"""A mailbox that is never at rest: mail comes, gets flags, and goes from folder to folder."""

from __future__ import annotations

import imaplib
import itertools
import random
import smtplib
import threading
import time
from collections.abc import Callable
from types import TracebackType

from .imap import mailbox
from .messages import letter
from .shell import fresh


class Restless:
    """Inside, mail comes to an account and is moved between its folders.

    accepted: when each message had its 250, by its token.
    """

    def __init__(
        self, host: str, login: tuple[str, str], folders: tuple[str, ...], pause: float = 0.03
    ) -> None:
        """pause: seconds between two messages, and between two moves of some."""
        self._pause = pause
        self._host, self._login, self._folders = host, login, folders
        self._stop = threading.Event()
        self.accepted: dict[str, float] = {}
        self.moves = 0
        self.errors: list[BaseException] = []
        acts = self._deliver, self._move
        self._threads = [threading.Thread(target=self._run, args=(each,)) for each in acts]

    def __enter__(self) -> Restless:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        if error is None:
            assert not self.errors, self.errors

    def _run(self, act: Callable[[], None]) -> None:
        try:
            act()
        except BaseException as error:
            self.errors.append(error)

    def _deliver(self) -> None:
        address = self._login[0]
        with smtplib.SMTP(self._host, timeout=30) as session:
            while not self._stop.is_set():
                token = fresh("restless")
                message = letter(to=address, token=token, body=b"x" * 700 + b"\r\n")
                session.sendmail("someone@outside.test", [address], message)
                self.accepted[token] = time.time()
                self._stop.wait(self._pause)

    def _move(self) -> None:
        with mailbox(self._host, self._login) as box:
            names = itertools.cycle(random.sample(self._folders, len(self._folders)))
            for name in names:
                if self._stop.is_set():
                    return
                self._move_some(box.session, name)
                self._stop.wait(self._pause)

    def _move_some(self, session: imaplib.IMAP4, name: str) -> None:
        (count,) = session.select(name)[1]
        if not count or not int(count):
            return
        most = min(int(count), 20)
        session.store(f"1:{most}", "+FLAGS", r"(\Seen $Label1)")
        other = random.choice([each for each in self._folders if each != name])
        # Another session may have moved them already.
        session._simple_command("MOVE", f"1:{most}", other)  # type: ignore[attr-defined]
        self.moves += most
