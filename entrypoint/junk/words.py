"""An account's words: bogofilter's database, and what it knows of a message's.

bogofilter counts in how many messages of each class a word was, and takes messages apart; how
the counts become a verdict is `score.py`'s. It runs as a child with a deadline, without any
configuration file, and gets an excerpt (`excerpt.py`), at a lesson the same as at a verdict.
Everything here waits for the child or the disk: callers have threads of their own.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from entrypoint.junk import pruning
from entrypoint.junk.account_state import FOLDER, NONE_LEARNED, Counts, MessageClass
from entrypoint.junk.excerpt import excerpt
from entrypoint.junk.state_file import CURE, why_unusable

BOGOFILTER = "bogofilter"
WORDLIST = "wordlist.db"  # bogofilter's own name for it
CLASSIFIED_WITHIN = 1.5  # seconds
LEARNED_WITHIN = 20.0
_LESSON_NICENESS = 10
_REAPED_WITHIN = 0.2  # after SIGKILL, unless the child waits for a disk
_BUSY = 1.0
_COUNTED_FROM = 8 * 1024 * 1024  # bytes; a smaller database has not too many words
_LOG_VERSION = 18  # of SQLite's header: 2 with a write-ahead log

_REGISTER = {
    ("spam", False): "-s",
    ("ham", False): "-n",
    ("spam", True): "-Ns",
    ("ham", True): "-Sn",
}
# A word, in how many messages, in what share of the ham and of the spam, its probability, used.
_LINE = re.compile(rb'  "(.*)" +([0-9]+) +([0-9.]+) +([0-9.]+) +([0-9.]+) [+-]')
_COUNTS = struct.Struct("=II")  # spam and ham, in front of each value of the database


class WordsError(Exception):
    """What is wrong with the database of an account, or with bogofilter."""


class KnownWord(NamedTuple):
    """A word of a message, and in how many messages that were learned it was."""

    text: str
    spam: int
    ham: int


class MessageWords(NamedTuple):
    """What is known of a message's words."""

    words: tuple[KnownWord, ...]
    learned: Counts


def classify(home: Path, message: bytes) -> MessageWords | None:
    """What is known of the message's words; None where nothing was ever learned.

    Raises WordsError.
    """
    learned = message_counts(home)
    # With one class alone no word says anything, and bogofilter 1.2.5 ends in a segmentation fault.
    if 0 not in learned:
        try:
            found = _bogofilter(
                home, ["-vvv"], excerpt(message), CLASSIFIED_WITHIN, statuses=(0, 1, 2)
            )
            return MessageWords(tuple(_words(found, learned)), learned)
        except WordsError:
            if 0 not in (learned := message_counts(home)):  # not forgotten meanwhile
                raise
    return MessageWords((), learned) if any(learned) else None


def learn(
    home: Path,
    message: bytes,
    cls: MessageClass,
    *,
    instead_of: bool = False,
    lock: int | None = None,
) -> None:
    """Add the message to its class. instead_of: it was learned as the other, and is no more.

    lock: a descriptor that bogofilter has open for as long as it runs, whatever becomes of us.
    Raises WordsError; then nothing was learned, or bogofilter was killed after it had: the counts
    say which.
    """
    with _errors(home):
        (home / FOLDER).mkdir(mode=0o700, exist_ok=True)
    inherited = () if lock is None else (lock,)
    _bogofilter(
        home, [_REGISTER[cls, instead_of]], excerpt(message), LEARNED_WITHIN, inherited=inherited
    )
    # The lesson was learned, whatever comes of this; the next one tries again.
    path = home / FOLDER / WORDLIST
    with contextlib.suppress(OSError, sqlite3.Error), closing(_opened(path)) as database:
        # With a log a verdict does not wait for a lesson: bogofilter would, for up to a second.
        database.execute("PRAGMA journal_mode = WAL")
        if path.stat().st_size > _COUNTED_FROM:
            pruning.prune(database, pruning.MOST_WORDS)


def message_counts(home: Path) -> Counts:
    """Messages that were learned; none where there is no database. Raises WordsError."""
    path = home / FOLDER / WORDLIST
    with _errors(home):
        # An empty file is what a kill leaves between its making and the first lesson.
        if not path.exists() or path.stat().st_size == 0:
            return NONE_LEARNED
        with closing(_opened(path)) as database:
            row = database.execute("SELECT value FROM bogofilter WHERE key = ?", (b".MSG_COUNT",))
            found = row.fetchone()
        return Counts(*_COUNTS.unpack_from(found[0])) if found else NONE_LEARNED


def check_not_lost(home: Path, learned: Counts, lessons: int) -> None:
    """Raises WordsError where there are no words, though there were lessons: none is taken twice,
    so nothing would bring the words back.
    """
    if lessons and learned == (0, 0):
        path = home / FOLDER / WORDLIST
        raise WordsError(f"{path}: has no words, though {lessons} messages were learned; {CURE}")


def empty(home: Path) -> bool | None:
    """Delete all words, and overwrite them; whether there were any. None: there is no database.

    It is not removed: verdicts have it open, and SQLite opens the files beside it by their names.
    To be called under the lock. Raises WordsError.
    """
    path = home / FOLDER / WORDLIST
    with _errors(home):
        if not path.exists():
            return None
        with closing(_opened(path)) as database:
            database.execute("PRAGMA secure_delete = ON")
            # The rest is what bogofilter writes into a new one only.
            found = database.execute(
                "DELETE FROM bogofilter WHERE substr(key, 1, 1) != ? OR key = ?",
                (b".", b".MSG_COUNT"),
            ).rowcount
            # Who reads at that moment keeps the file its size.
            with contextlib.suppress(sqlite3.OperationalError):
                database.execute("VACUUM")
                database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return found > 0


def drop_unfinished(home: Path) -> None:
    """Remove a database that was killed while it was made: it may lack what is written into a new
    one only. To be called under the lock, where there are no words. Raises OSError.
    """
    path = home / FOLDER / WORDLIST
    with contextlib.suppress(FileNotFoundError):
        with path.open("rb") as file:
            header = file.read(_LOG_VERSION + 1)
        if header[_LOG_VERSION:] == b"\2":  # it has a log, as after each lesson that ended
            return
    for more in ("", "-journal"):
        path.with_name(f"{WORDLIST}{more}").unlink(missing_ok=True)


def _opened(path: Path) -> sqlite3.Connection:
    # For writing: what a killed lesson left half done is rolled back by the next reader.
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_BUSY, isolation_level=None
    )


def _words(printed: bytes, learned: Counts) -> Iterator[KnownWord]:
    for line in printed.split(b"\n"):
        if match := _LINE.fullmatch(line):
            total, ham = int(match[2]), round(float(match[3]) * learned.ham)
            ham = min(ham, total)
            yield KnownWord(match[1].decode("utf-8", "replace"), total - ham, ham)


def _bogofilter(
    home: Path,
    options: Sequence[str],
    message: bytes,
    seconds: float,
    *,
    statuses: tuple[int, ...] = (0,),
    inherited: tuple[int, ...] = (),
) -> bytes:
    """What it printed. Raises WordsError, at the latest a moment after its seconds."""
    folder = home / FOLDER
    command = [BOGOFILTER, "-C", "-d", str(folder), *options]
    # Files, not pipes: if we are killed in the middle, it learns no half message; and each line
    # that it prints would wake us.
    with (
        _errors(home),
        os.fdopen(os.memfd_create("message"), "w+b") as text,
        os.fdopen(os.memfd_create("printed"), "w+b") as printed,
    ):
        text.write(message)
        text.seek(0)
        child = subprocess.Popen(  # noqa: S603 -- the options are ours
            command,
            stdin=text,
            stdout=printed,
            stderr=subprocess.PIPE,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
            umask=0o077,
            pass_fds=inherited,
        )
        if inherited:  # a lesson: nobody waits for it
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, child.pid, _LESSON_NICENESS)
        try:
            _, errors = child.communicate(timeout=seconds)
        except BaseException:
            child.kill()
            with contextlib.suppress(OSError, ValueError):
                child.stderr.close()  # type: ignore[union-attr]  # it is a pipe
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(_REAPED_WITHIN)
            raise
        printed.seek(0)
        output = printed.read()
    if child.returncode not in statuses:
        said = " ".join(errors.decode("utf-8", "replace").split())
        raise WordsError(f"{folder / WORDLIST}: bogofilter ended with {child.returncode}: {said}")
    return output


@contextmanager
def _errors(home: Path) -> Iterator[None]:
    where = home / FOLDER / WORDLIST
    try:
        yield
    except subprocess.TimeoutExpired as error:
        raise WordsError(f"{where}: bogofilter had not ended after {error.timeout:g} s") from None
    except sqlite3.OperationalError as error:  # a full disk, a lock
        raise WordsError(f"{where}: {error}{why_unusable(where)}") from None
    except (sqlite3.Error, struct.error) as error:
        raise WordsError(f"{where}: {error}; {CURE}") from None
    except OSError as error:
        raise WordsError(f"{where}: {error}") from None
