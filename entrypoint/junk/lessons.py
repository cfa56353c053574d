"""One message learned once, bogofilter's words and the account's note of it; or all forgotten.

A row that says what bogofilter had counted before is written first. Whoever comes after a kill
compares it with what it counts now: bogofilter changes words and count in one transaction. It
inherits the lock, so that nobody compares while one that was left behind is at work.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from entrypoint.files import has_lock, is_at
from entrypoint.junk import words
from entrypoint.junk.account_state import (
    FOLDER,
    NONE_LEARNED,
    STATE,
    AccountState,
    BusyStateError,
    Counts,
    Lesson,
    MessageClass,
    StateError,
    open_existing,
    open_state,
)
from entrypoint.junk.delivery_fields import delivery_of
from entrypoint.junk.digest import digest, without_own_fields
from entrypoint.junk.evidence import marks_of

LOCK = "lock"
# Who trains with old mail gives the lock back after each message, for a millisecond.
LOCKED_WITHIN = 10.0  # seconds
# Then the lock is opened anew: with its home it may have been removed, and be there again.
_OPENED_FOR = 0.02


class LockedError(StateError):
    """Another program learns or forgets for the account."""


@contextmanager
def locked(home: Path, seconds: float = LOCKED_WITHIN) -> Iterator[int]:
    """Nobody else learns or forgets for this account meanwhile; the lock's descriptor.

    Raises StateError, and LockedError where another is at work all the time.
    """
    end = time.monotonic() + seconds
    path = home / FOLDER / LOCK
    while True:
        try:
            path.parent.mkdir(mode=0o700, exist_ok=True)  # a home is never made
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise StateError(f"{path}: {error.strerror}") from error
        try:
            left = end - time.monotonic()
            if has_lock(descriptor, min(_OPENED_FOR, left)) and is_at(path, descriptor):
                break
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > end:
            raise LockedError(f"{path}: another program has been learning for {seconds:g} seconds")
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def teach(
    home: Path,
    message: bytes,
    cls: MessageClass,
    source: str,
    *,
    domain: str = "",
    now: float | None = None,
    patience: float = LOCKED_WITHIN,
) -> bool:
    """Learn a message, or that it is of the other class; whether that was news.

    source: what it is learned from (moves.py). domain: of the author, as far as limits for it
    count. patience: seconds for the lock. Raises StateError (LockedError for the lock) and
    WordsError; then the same again learns it, or finds that it was learned.
    """
    at = int(time.time() if now is None else now)
    lesson = Lesson(digest(message), cls, source, domain, at)
    with locked(home, patience) as lock, open_state(home) as state:
        recover(home, state)
        counted = words.message_counts(home)
        words.check_not_lost(home, counted, state.counts().total)
        before = state.lesson(lesson.digest)
        if before is not None and before.cls == cls:
            return False
        state.begin(lesson, counted)
        # What the server wrote on top would be words, too; a verdict comes before it does.
        text = without_own_fields(message)
        # Where this fails, bogofilter may have learned all the same, or may yet: one that waits for
        # a disk outlives its kill. Whoever has the lock after it can tell.
        words.learn(home, text, cls, instead_of=before is not None, lock=lock)
        # Of a message without words it has counted nothing.
        taken = recover(home, state)
        if taken and cls == "spam":
            _forget_author(state, message)
        return taken


def _forget_author(state: AccountState, message: bytes) -> None:
    """Who writes spam is no known author. Where nobody vouched for him, he was perhaps forged."""
    note = delivery_of(state, message)
    if note is not None and note.authenticated:
        marks = marks_of(message)
        if marks.domain == note.domain:
            state.forget_author(marks.author)


def recover(home: Path, state: AccountState) -> bool:
    """Settle what was begun and did not end; whether bogofilter has it.

    To be called under the lock. Raises StateError and WordsError.
    """
    if (begun := state.pending()) is None:
        return False
    lesson, before = begun
    old = state.lesson(lesson.digest)
    counted = words.message_counts(home)
    if counted == _after(before, lesson.cls, reversal=old is not None):
        state.taken(lesson)
        return True
    if counted == before == NONE_LEARNED:
        words.drop_unfinished(home)
    state.not_taken()
    return False


def _after(before: Counts, cls: MessageClass, *, reversal: bool) -> Counts:
    other = -1 if reversal else 0
    spam, ham = (1, other) if cls == "spam" else (other, 1)
    return Counts(max(0, before.spam + spam), max(0, before.ham + ham))


def forget(home: Path) -> bool:
    """Remove all that was learned, databases that are broken, too; whether there was anything.

    Raises OSError, and StateError where a lesson does not end or others write all the time.
    """
    folder = home / FOLDER
    if not folder.is_dir():
        return False
    with locked(home):
        # The lessons before the words: who looks meanwhile does not take these for lost.
        emptied = {STATE: _emptied_state(home), words.WORDLIST: _emptied_words(home)}
        found = any(emptied.values())
        stays = {LOCK} | {
            f"{name}{more}"
            for name, done in emptied.items()
            if done is not None
            for more in ("", "-wal", "-shm")
        }
        for path in sorted(folder.iterdir()):
            if path.name in stays:
                continue
            found = True
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    path.unlink()
    return found


def _emptied_state(home: Path) -> bool | None:
    """Whether the state said anything; None where it is none, or cannot be emptied.

    It is not removed: deliveries have it open, and SQLite opens the files beside it by their names.
    In one program two databases with one index end in SIGBUS, or take each other's log for theirs.
    """
    try:
        if (state := open_existing(home)) is None:
            return None
        with contextlib.closing(state):
            return state.empty()
    except BusyStateError:
        raise
    except StateError:
        return None


def _emptied_words(home: Path) -> bool | None:
    """The same of the words."""
    try:
        return words.empty(home)
    except words.WordsError:
        return None
