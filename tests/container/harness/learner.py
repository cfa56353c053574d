"""A learner that is run by hand in a container: it looks more often, and is killed."""

from __future__ import annotations

import json
from typing import NamedTuple

from .container import Container
from .shell import wait_until

_PROGRAM = """
import asyncio, logging, os, sys
from entrypoint.junk.learner import Learner, MailboxList
logging.basicConfig(stream=open("/tmp/learner.log", "a"), level=logging.INFO)
open("/tmp/learner.pid", "w").write(str(os.getpid()))
asyncio.run(Learner(MailboxList().accounts, every=0.2, quiet=0.4).run())
"""
_LOOK = """
import json, sys
from entrypoint.junk.account_state import open_existing
from entrypoint.junk.words import message_counts
from entrypoint.paths import account_home
home = account_home(sys.argv[1])
state = open_existing(home)
known = (home / "junk/seen.sqlite").exists()
print(json.dumps([known, state and state.counts(), state and bool(state.pending()),
    message_counts(home)], default=lambda value: [value.spam, value.ham]))
"""


class Taught(NamedTuple):
    """Messages that an account has learned."""

    spam: int
    ham: int


class HandRunLearner:
    """The learner of a server whose own does not run."""

    def __init__(self, server: Container) -> None:
        self._server = server

    def start(self) -> None:
        """Returns when it runs."""
        self._server.attempt("rm", "-f", "/tmp/learner.pid")
        self._server.exec(
            "sh", "-c", f"nohup python -c '{_PROGRAM}' >/dev/null 2>&1 &", user="vmail"
        )
        wait_until(self._pid, "the learner")

    def kill(self) -> None:
        """SIGKILL, and nothing else: a bogofilter that it has started goes on."""
        self._server.exec("kill", "-9", self._pid(), user="vmail")

    def log(self) -> str:
        """What it has said."""
        return self._server.exec("cat", "/tmp/learner.log")

    def taught(self, account: str) -> Taught:
        """By its notes; bogofilter has counted as many, unless a lesson is being learned."""
        known, counts, pending, counted = json.loads(
            self._server.exec("python", "-c", _LOOK, account, user="vmail")
        )
        assert known, f"{account} was never looked at"
        assert pending or (counts or [0, 0]) == counted, (counts, counted)
        return Taught(*(counts or (0, 0)))

    def wait_for(self, account: str, spam: int, ham: int, timeout: float = 20) -> None:
        """Until an account has learned this and not more."""

        def right() -> bool:
            try:
                return self.taught(account) == (spam, ham)
            except AssertionError:
                return False

        try:
            wait_until(right, f"{spam} spam and {ham} ham of {account}", timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.taught(account)}\n{self.log()}") from None

    def wait_for_first_look(self, account: str) -> None:
        """Until what there is counts as old."""
        look = (
            "import sqlite3, sys; from entrypoint.paths import account_home\n"
            "notes = sqlite3.connect(account_home(sys.argv[1]) / 'junk/seen.sqlite')\n"
            "sys.exit(not notes.execute('SELECT * FROM numbers').fetchall())"
        )
        wait_until(
            lambda: not self._server.attempt("python", "-c", look, account).returncode,
            f"a look at {account}",
        )

    def _pid(self) -> str:
        return self._server.attempt("cat", "/tmp/learner.pid").stdout.decode()
