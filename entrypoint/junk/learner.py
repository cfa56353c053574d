"""Learns for all accounts, one after the other, from what their readers do with their mail.

No program runs in anybody's IMAP session: folders are looked at while nothing in them changes. What
goes wrong with one account is said once, and tried again later; the others do not wait for it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from entrypoint.junk.account_learner import QUIET, AccountLearner
from entrypoint.junk.account_state import StateError
from entrypoint.junk.folders import TooManyError
from entrypoint.junk.lessons import LockedError
from entrypoint.junk.words import WordsError
from entrypoint.paths import MAIL, MAILBOXES, account_home
from filters.watched_file import Stamp, file_stamp

log = logging.getLogger(__name__)

_UNREADABLE: Stamp = (0, 0, 0)
EVERY = 5.0  # seconds from one look to the next, where a look takes no time
_SHARE = 50  # a look at what has not changed takes so much less time than the pause behind it
# And one at what has: 300,000 messages, perhaps, after each that comes.
_SHARE_OF_CHANGED = 10
_LONGEST_PAUSE = 20.0
_TURN = 2.0  # seconds of an account, before the next one has its turn
_SAID_EVERY = 60.0  # seconds, while an account has more to learn
_LOCKED_AT_MOST = 300.0  # until it is named
_FIRST_PAUSE, _LAST_PAUSE = 30.0, 300.0  # of an account that fails: it is named as long


class MailboxList:
    """Which accounts there are now: the list that `deliver` reads, too; again when it changes."""

    def __init__(self, path: Path = MAILBOXES) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._accounts = frozenset[str]()

    def accounts(self) -> frozenset[str]:
        """Their addresses; none while the list cannot be read."""
        stamp = file_stamp(self._path)
        if stamp is None or stamp != self._stamp:
            try:
                self._accounts, self._stamp = frozenset(self._path.read_text().split()), stamp
            except (OSError, UnicodeDecodeError) as error:
                if self._accounts or self._stamp is None:
                    log.warning("%s: %s", self._path, error)
                self._accounts, self._stamp = frozenset(), _UNREADABLE
        return self._accounts


@dataclass
class _Failing:
    text: str
    pause: float
    until: float


@dataclass
class _Unsaid:
    """Lessons that are not in the log yet. since: on the monotonic clock."""

    since: float
    spam: int = 0
    ham: int = 0


class Learner:
    """accounts: says which there are, whenever it is asked."""

    def __init__(
        self,
        accounts: Callable[[], Collection[str]],
        *,
        mail: Path = MAIL,
        every: float = EVERY,
        quiet: float = QUIET,
    ) -> None:
        self._accounts, self._mail, self._every, self._quiet = accounts, mail, every, quiet
        self._learners: dict[str, AccountLearner] = {}
        self._failing: dict[str, _Failing] = {}
        self._locked_since: dict[str, float] = {}
        self._unsaid: dict[str, _Unsaid] = {}
        self._rest = 0.0  # seconds of pause that the looks since the last one have earned
        self._ended = False

    def troubles(self) -> list[str]:
        """Accounts of which nothing is learned now, and why."""
        return [f"{account}: {each.text}" for account, each in list(self._failing.items())]

    async def run(self) -> None:
        """Look for ever; in a thread of its own."""
        loop = asyncio.get_running_loop()
        self._ended = False
        with ThreadPoolExecutor(1, "learner") as thread:
            try:
                while not self._ended:
                    pause = await loop.run_in_executor(thread, self.look)
                    await asyncio.sleep(pause)
            finally:
                self._ended = True

    def look(self) -> float:
        """One turn for each account; after how many seconds the next ones are due."""
        accounts = self._accounts()
        for gone in self._learners.keys() - set(accounts):
            del self._learners[gone]
            self._failing.pop(gone, None)
            self._locked_since.pop(gone, None)
            self._unsaid.pop(gone, None)
        more = False
        for account in sorted(accounts):
            if self._ended:
                break
            begin = time.monotonic()
            more = self._turn(account) or more
            if (learner := self._learners.get(account)) is None or not learner.was_changed:
                self._rest += (time.monotonic() - begin) * _SHARE
            else:
                self._rest += learner.looked_for * _SHARE_OF_CHANGED
        if more:
            return 0.0
        pause, self._rest = min(_LONGEST_PAUSE, max(self._every, self._rest)), 0.0
        return pause

    def _turn(self, account: str) -> bool:
        now = time.monotonic()
        failing = self._failing.get(account)
        if failing is not None and now < failing.until:
            return False
        more = False
        try:
            if (learner := self._learners.get(account)) is None:
                home = account_home(account, self._mail)
                learner = AccountLearner(account, home, quiet=self._quiet)
                self._learners[account] = learner
            more = learner.turn(now + _TURN, lambda: self._is_account(account))
            self._locked_since.pop(account, None)
        except LockedError as error:
            # It learns from old mail, and gives the lock back after each message: the next look
            # tries again. One that never does has a child that hangs.
            if now > self._locked_since.setdefault(account, now) + _LOCKED_AT_MOST:
                self._fail(account, str(error))
            return False
        except (StateError, WordsError, TooManyError, OSError, ValueError) as error:
            self._fail(account, str(error))
            return False
        except Exception as error:  # the others go on
            self._fail(account, f"{type(error).__name__}: {error}")
            log.debug("%s", account, exc_info=True)
            return False
        finally:
            self._say(account, more)
        if self._failing.pop(account, None) is not None:
            log.info("%s: junk is learned again", account)
        return more

    def _is_account(self, account: str) -> bool:
        return not self._ended and account in self._accounts()

    def _say(self, account: str, more: bool) -> None:
        """Once for what was moved at once; a turn is short."""
        learner, now = self._learners.get(account), time.monotonic()
        if learner is not None and any(learner.learned.values()):
            unsaid = self._unsaid.setdefault(account, _Unsaid(now))
            unsaid.spam += learner.learned["spam"]
            unsaid.ham += learner.learned["ham"]
        waiting = self._unsaid.get(account)
        if waiting is not None and not (more and now < waiting.since + _SAID_EVERY):
            log.info("%s: learned spam=%d ham=%d", account, waiting.spam, waiting.ham)
            del self._unsaid[account]

    def _fail(self, account: str, text: str) -> None:
        before = self._failing.get(account)
        if before is None or before.text != text:
            log.error("%s: no junk is learned for now: %s", account, text)
        pause = _FIRST_PAUSE if before is None else min(_LAST_PAUSE, before.pause * 2)
        self._failing[account] = _Failing(text, pause, time.monotonic() + pause)
