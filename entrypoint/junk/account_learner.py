"""One account: looks at its mailbox at rest, and learns from what its reader did with it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path
from typing import NamedTuple

from entrypoint.junk.account_state import FOLDER, StateError, open_state
from entrypoint.junk.digest import delivery_digest
from entrypoint.junk.due_lesson import WaitingMessage, due_lesson
from entrypoint.junk.folders import INBOX, Folder, Listed, OpenMaildir, TooManyError, maildir
from entrypoint.junk.ham_rules import READ_FOR, learned_until, room
from entrypoint.junk.lessons import teach
from entrypoint.junk.mailbox_changes import note_changes
from entrypoint.junk.moves import READ, Event
from entrypoint.junk.seen_messages import NOTES, SeenMessages, Waiting
from entrypoint.junk.special_folders import Kind, kind_of
from entrypoint.junk.state_file import DamagedStateError
from entrypoint.paths import SIEVE_SCRIPT

log = logging.getLogger(__name__)

QUIET = 2.0  # seconds without a change: then no message is on its way between folders
RESTLESS_AT_MOST = 40.0  # and no longer than that
READ_EVERY = 3600.0
_IMPORTED = "imported"  # mailbox_import/record.py has it, too
_AT_ONCE = 200  # messages that are taken from what waits at a time
_DIGESTS = 50  # of Junk's, in a turn
_MOST_TRIES = 5
_PATIENCE = 0.5  # seconds, where old mail is trained with meanwhile: other accounts wait, too


class AccountLearner:
    """What is remembered of an account from one turn to the next, all of it only to save work."""

    def __init__(self, account: str, home: Path, *, quiet: float = QUIET) -> None:
        self.account, self._home, self._quiet = account, home, quiet
        self._as_seen: tuple[int, list[str]] | None = None
        self._restless_since: float | None = None
        self._next_read = 0.0
        self._waits = False  # something is left to be learned
        # Of the last turn:
        self.learned = {"spam": 0, "ham": 0}
        self.was_changed = False
        self.looked_for = 0.0  # seconds, at what has changed

    def turn(self, until: float, is_account: Callable[[], bool]) -> bool:
        """Look, and learn until then, on the monotonic clock; whether there is more to do.

        is_account: asked before each message; the mail of one that is removed is not touched.
        Raises StateError, WordsError, OSError and TooManyError.
        """

        def may_go_on() -> bool:
            return time.monotonic() < until and is_account()

        self.learned = {"spam": 0, "ham": 0}
        self.was_changed, self.looked_for = False, 0.0
        with maildir(self._home) as mail:
            if mail is None:
                return False
            folders = mail.folders()
            clock = time.monotonic()
            as_seen = self._notes(), [folder.stamp for folder in folders]
            if as_seen == self._as_seen and clock < self._next_read:
                return False
            restless = self._restless(folders, clock) if as_seen != self._as_seen else []
            too_early = restless and clock < (self._restless_since or clock) + RESTLESS_AT_MOST
            if too_early and not self._waits:
                return False
            self.was_changed = True
            try:
                with SeenMessages(self._home) as seen:
                    if too_early:  # where mail comes all the time, looks are rare
                        self._waits = self._learn(seen, mail, may_go_on)
                        return self._waits
                    self._restless_since = self._as_seen = None
                    self._waits = True
                    more = self._work(seen, mail, folders, restless, may_go_on)
            except DamagedStateError as error:
                if error.path != self._home / FOLDER / NOTES:
                    raise
                self._begin_afresh(error)
                return True
            self._waits = more
            # Without notes, for it was forgotten meanwhile, the next look is the first one.
            if not more and not restless and (notes := self._notes()):
                self._as_seen = notes, as_seen[1]
            return more

    def _work(
        self,
        seen: SeenMessages,
        mail: OpenMaildir,
        folders: Collection[Folder],
        restless: Collection[str],
        may_go_on: Callable[[], bool],
    ) -> bool:
        begin = time.monotonic()
        noted = note_changes(
            *(seen, mail, folders, time.time()),
            imported=self._imported(),
            has_script=self._has_script(),
            restless=restless,
        )
        self.looked_for = time.monotonic() - begin
        if noted.refused:
            log.warning(
                "%s: %d messages at once are too many to learn", self.account, noted.refused
            )
        if time.monotonic() >= self._next_read:
            self._ask_about_read(seen, mail)
            self._next_read = time.monotonic() + READ_EVERY
        return self._learn(seen, mail, may_go_on) or noted.more

    # -- when to look -----------------------------------------------------------------------------

    def _notes(self) -> int:
        """Which file the notes are in; another one after `forget`, or where a home is a new one."""
        try:
            return (self._home / FOLDER / NOTES).stat().st_ino
        except OSError:
            return 0

    def _restless(self, folders: Collection[Folder], clock: float) -> list[str]:
        """Folders that changed just now, or later than now by a clock that was set back."""
        since = time.time() - self._quiet
        found = [folder.name for folder in folders if folder.changed > since]
        if not found:
            self._restless_since = None
        elif self._restless_since is None:
            self._restless_since = clock
        return found

    def _imported(self) -> float:
        """Until when an import has brought mail; its record grows with each batch."""
        try:
            return (self._home / _IMPORTED).stat().st_mtime + QUIET
        except OSError:
            return 0.0

    def _begin_afresh(self, error: DamagedStateError) -> None:
        log.error("%s: %s: the learner's notes are begun afresh", self.account, error)
        for more in ("", "-wal", "-shm"):
            (self._home / FOLDER / f"{NOTES}{more}").unlink(missing_ok=True)

    # -- what to learn ----------------------------------------------------------------------------

    def _ask_about_read(self, seen: SeenMessages, mail: OpenMaildir) -> None:
        """Have mail looked at that was read, and left in INBOX for days."""
        inbox = seen.folders().get(INBOX)
        if inbox is None:
            return
        with open_state(self._home) as state:
            most = room(learned_until(state, "", time.time()))
        seen.seen_by(int(time.time()))
        keys = seen.read_until(inbox.id, int(time.time() - READ_FOR), most)
        if not keys:
            return
        entries = mail.entries(INBOX)
        with seen.changing():
            seen.asked(inbox.id, keys)
            seen.wait(
                (key, inbox.id, entries[key].path, Event("ham", READ))
                for key in keys
                if key in entries
            )

    def _learn(self, seen: SeenMessages, mail: OpenMaildir, may_go_on: Callable[[], bool]) -> bool:
        """Whether there was no time for all."""
        finder = _Finder(mail)
        if self._learn_waiting(seen, finder, may_go_on):
            return True
        for key, name, path in seen.without_digest(_DIGESTS):
            if not may_go_on():
                return True
            found = finder.read(key, [name], path)
            seen.set_digest(key, b"" if found is None else delivery_digest(found.text))
        return bool(seen.without_digest(1))

    def _learn_waiting(
        self, seen: SeenMessages, finder: _Finder, may_go_on: Callable[[], bool]
    ) -> bool:
        """Whether there was no time for all. Where nothing can be learned, what it failed with."""
        failed: dict[int, Exception] = {}
        more = False
        while items := [each for each in seen.waiting(_AT_ONCE) if each.id not in failed]:
            for item in items:
                if more := not may_go_on():
                    break
                try:
                    self._one(seen, finder, item)
                except (StateError, TooManyError, OSError):
                    raise
                except Exception as error:  # by what is in the message, perhaps
                    failed[item.id] = error
                    seen.tried(item)  # the next time it comes behind the others
                    if any(self.learned.values()):
                        self._give_up(seen, item, error)
                    elif len(failed) > 1:
                        break
            else:
                continue
            break
        if failed and not any(self.learned.values()):
            raise next(iter(failed.values()))
        return more

    def _give_up(self, seen: SeenMessages, item: Waiting, error: Exception) -> None:
        """Others can be learned: after some tries it is this message that cannot."""
        if item.tries >= _MOST_TRIES:
            log.warning("%s: a message is not learned: %s", self.account, error)
            seen.done(item)

    def _one(self, seen: SeenMessages, finder: _Finder, item: Waiting) -> None:
        """Learn it, or find that nothing is to be learned. Raises WordsError and StateError."""
        found = finder.read(item.key, [item.folder, *seen.places(item.key)], item.path)
        if found is not None:
            number = delivery_digest(found.text)
            times = finder.mail.times(found.folder, found.listed)
            message = WaitingMessage(item, found.text, number, times)
            with open_state(self._home) as state:
                event, domain = due_lesson(
                    *(message, seen, state), account=self.account, has_script=self._has_script()
                )
            if event.cls is not None and teach(
                *(self._home, found.text, event.cls, event.source),
                domain=domain,
                patience=_PATIENCE,
            ):
                self.learned[event.cls] += 1
            if kind_of(found.folder) is Kind.JUNK:
                seen.set_digest(item.key, number)
        seen.done(item)

    def _has_script(self) -> bool:
        """Whether a delivery may have put it into a folder by the owner's script."""
        return os.path.lexists(self._home / SIEVE_SCRIPT)


class _Found(NamedTuple):
    folder: str
    listed: Listed
    text: bytes


class _Finder:
    """Messages by their keys: a file has another name as soon as its flags are others."""

    def __init__(self, mail: OpenMaildir) -> None:
        self.mail = mail
        self._entries: dict[str, dict[int, Listed]] = {}

    def read(self, key: int, folders: Collection[str], path: str) -> _Found | None:
        """Where it is, and its text; None for what is no message, or is gone. Raises OSError."""
        first = next(iter(folders))
        if (text := self.mail.read(first, entry := Listed(path, 0, 0))) is not None:
            return _Found(first, entry, text)
        for name in dict.fromkeys(folders):
            if name not in self._entries:
                self._entries[name] = self.mail.entries(name)
            listed = self._entries[name].get(key)
            if listed and (text := self.mail.read(name, listed)) is not None:
                return _Found(name, listed, text)
        return None
