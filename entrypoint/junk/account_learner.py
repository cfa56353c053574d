"""One account: looks at its mailbox at rest, and learns from what its reader did with it."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Collection
from pathlib import Path

from entrypoint.junk.account_state import (
    FOLDER,
    AccountState,
    MessageClass,
    StateError,
    open_state,
)
from entrypoint.junk.digest import delivery_digest, digest, header_field
from entrypoint.junk.folders import (
    INBOX,
    Folder,
    Listed,
    OpenMaildir,
    Times,
    TooManyError,
    maildir,
)
from entrypoint.junk.ham_rules import READ_FOR, allowed, learned_until, room
from entrypoint.junk.lessons import delivery_of, teach
from entrypoint.junk.mailbox_changes import note_changes
from entrypoint.junk.moves import BROUGHT, READ, Event, Read, looked_at
from entrypoint.junk.seen_messages import NOTES, SeenMessages, Waiting
from entrypoint.junk.special_folders import Kind, kind_of
from entrypoint.junk.state_file import DamagedStateError

log = logging.getLogger(__name__)

QUIET = 2.0  # seconds without a change: then no message is on its way between folders
PATIENT = 40.0  # and no longer than that
READ_EVERY = 3600.0
_SCRIPT = ".dovecot.sieve"  # the active one; templates/dovecot.conf.j2 has it, too
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

        is_account: asked before each lesson; the mail of one that is removed is not touched.
        Raises StateError, WordsError, OSError and TooManyError.
        """
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
            if restless and clock < (self._restless_since or clock) + PATIENT:
                return self._waits and self._learn_on(mail, until, is_account)
            self._restless_since = None
            self._as_seen = None
            self.was_changed = self._waits = True
            try:
                with SeenMessages(self._home) as seen:
                    more = self._work(seen, mail, folders, restless, until, is_account)
            except DamagedStateError as error:
                if str(self._home / FOLDER / NOTES) not in str(error):
                    raise
                self._begin_afresh(error)
                return True
            self._waits = more
            # Without notes, for it was forgotten meanwhile, the next look is the first one.
            if not more and not restless and (notes := self._notes()):
                self._as_seen = notes, as_seen[1]
            return more

    def _learn_on(self, mail: OpenMaildir, until: float, is_account: Callable[[], bool]) -> bool:
        """Learn what waits, without a look: where mail comes all the time, looks are rare."""
        self.was_changed = True
        with SeenMessages(self._home) as seen:
            self._waits = self._learn(seen, mail, until, is_account)
        return self._waits

    def _work(
        self,
        seen: SeenMessages,
        mail: OpenMaildir,
        folders: Collection[Folder],
        restless: Collection[str],
        until: float,
        is_account: Callable[[], bool],
    ) -> bool:
        begin = time.monotonic()
        refused = note_changes(
            *(seen, mail, folders, time.time()),
            imported=self._imported(),
            has_script=self._has_script(),
            restless=restless,
        )
        self.looked_for = time.monotonic() - begin
        if refused:
            log.warning("%s: %d messages at once are too many to learn", self.account, refused)
        if time.monotonic() >= self._next_read:
            self._ask_about_read(seen, mail)
            self._next_read = time.monotonic() + READ_EVERY
        return self._learn(seen, mail, until, is_account)

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

    def _learn(
        self, seen: SeenMessages, mail: OpenMaildir, until: float, is_account: Callable[[], bool]
    ) -> bool:
        finder = _Finder(mail)
        if self._learn_waiting(seen, finder, until, is_account):
            return True
        for key, name, path in seen.without_digest(_DIGESTS):
            if time.monotonic() >= until:
                return True
            message = finder.read(key, [name], path)
            seen.set_digest(key, b"" if message is None else delivery_digest(message[1]))
        return bool(seen.without_digest(1))

    def _learn_waiting(
        self, seen: SeenMessages, finder: _Finder, until: float, is_account: Callable[[], bool]
    ) -> bool:
        """Whether there was no time for all. Where nothing can be learned, what it failed with."""
        failed: dict[int, Exception] = {}
        more = False
        while items := [each for each in seen.waiting(_AT_ONCE) if each.id not in failed]:
            for item in items:
                if more := time.monotonic() >= until or not is_account():
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
            (name, entry), message = found
            number = delivery_digest(message)
            times = finder.mail.times(name, entry)
            with open_state(self._home) as state:
                event, domain = self._decided(seen, state, item, message, number, times)
            if event.cls is not None and teach(
                *(self._home, message, event.cls, event.source),
                domain=domain,
                patience=_PATIENCE,
            ):
                self.learned[event.cls] += 1
            if kind_of(name) is Kind.JUNK:
                seen.set_digest(item.key, number)
        seen.done(item)

    def _decided(
        self,
        seen: SeenMessages,
        state: AccountState,
        item: Waiting,
        message: bytes,
        number: bytes,
        times: Times | None,
    ) -> tuple[Event, str]:
        """What is to be learned, without a class for nothing; and the domain that it counts for."""
        kind, event = kind_of(item.folder), item.event
        since = seen.in_junk_since(number, item.key)
        lesson = state.lesson(digest(message))
        learned = None if lesson is None else lesson.cls
        note = delivery_of(state, message)
        has_script = self._has_script()
        filed_as_junk = note is not None and (note.junk or _marked_spam(message)) and not has_script
        if event.cls is None and times is not None:
            read = _read(
                message,
                filed_as_junk=filed_as_junk,
                may_be_filed=has_script or self._may_be_tagged(message),
                was_in_junk=since is not None and since < times.named,
                was_outside=seen.was_outside(number, item.key),
                lesson=learned,
            )
            event = looked_at(kind, times, read, is_brought=event.source == BROUGHT) or event
            if kind is not Kind.JUNK:
                seen.put_outside(number, item.key)
        corrected = since is not None or filed_as_junk or kind is Kind.JUNK
        return allowed(state, event, note, learned, corrected=corrected)

    def _may_be_tagged(self, message: bytes) -> bool:
        """Whether its delivery may have been to a sub-address, which names a folder."""
        to = (header_field(message, b"Delivered-To") or b"").decode("utf-8", "replace").lower()
        return to != self.account

    def _has_script(self) -> bool:
        """Whether a delivery may have put it into a folder by the owner's script."""
        return os.path.lexists(self._home / _SCRIPT)


class _Finder:
    """Messages by their keys: a file has another name as soon as its flags are others."""

    def __init__(self, mail: OpenMaildir) -> None:
        self.mail = mail
        self._entries: dict[str, dict[int, Listed]] = {}

    def read(
        self, key: int, folders: Collection[str], path: str
    ) -> tuple[tuple[str, Listed], bytes] | None:
        """Where it is, and its text; None for what is no message, or is gone. Raises OSError."""
        first = next(iter(folders))
        if (message := self.mail.read(first, entry := Listed(path, 0, 0))) is not None:
            return (first, entry), message
        for name in dict.fromkeys(folders):
            if name not in self._entries:
                self._entries[name] = self.mail.entries(name)
            found = self._entries[name].get(key)
            if found and (message := self.mail.read(name, found)) is not None:
                return (name, found), message
        return None


def _read(
    message: bytes,
    *,
    filed_as_junk: bool,
    may_be_filed: bool,
    was_in_junk: bool,
    was_outside: bool,
    lesson: MessageClass | None,
) -> Read:
    mark = (header_field(message, b"X-Signpost-Delivered") or b"").split()
    try:
        delivered = float(int(mark[0], 16)) if mark else None
    except (ValueError, OverflowError):  # of a message that was uploaded, a stranger may write it
        delivered = None
    verdict = (header_field(message, b"X-Signpost-Junk") or b"").lower()
    called_junk = verdict.startswith(b"yes") or _marked_spam(message)
    return Read(
        *(delivered, called_junk, filed_as_junk, may_be_filed),
        *(was_in_junk, was_outside, lesson),
    )


def _marked_spam(message: bytes) -> bool:
    """By the field that the filters of what comes in write, and no sender."""
    return (header_field(message, b"X-Spam") or b"").lower() == b"yes"
