"""What an account has besides words: its rules, who wrote to it, its deliveries, its lessons.

It lies with the words in the account's home, so that it goes with the mail.

One connection for one thread. Several programs and threads use the file at once, each for
milliseconds; who teaches or forgets holds `lock` meanwhile (entrypoint.junk.lessons).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from entrypoint.junk.state_file import BusyStateError as BusyStateError
from entrypoint.junk.state_file import StateError as StateError
from entrypoint.junk.state_file import StateFile

FOLDER = "junk"  # in the home; backup/layout.py has the names, too
STATE = "state.sqlite"

MessageClass = Literal["spam", "ham"]
SenderRule = Literal["allow", "block"]

# How much is stored of what comes from outside: a flood pushes out the oldest and fills no disk.
MOST_WRITTEN_TO = 10_000
MOST_AUTHORS = 20_000
MOST_DELIVERIES = 20_000
# A digest and a little each; a lesson older than so many others could be taken again.
MOST_LESSONS = 200_000
_EVER = (0, (1 << 63) - 1)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sender_rules (sender TEXT PRIMARY KEY, rule TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS written_to (address TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS authors (address TEXT PRIMARY KEY, at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS deliveries (
    mark TEXT PRIMARY KEY, at INTEGER NOT NULL, junk INTEGER NOT NULL,
    authenticated INTEGER NOT NULL, domain TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS lessons (
    digest BLOB NOT NULL UNIQUE, class TEXT NOT NULL, source TEXT NOT NULL, domain TEXT NOT NULL,
    at INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS lessons_by_source ON lessons (source, class, at, domain);
CREATE TABLE IF NOT EXISTS pending (
    digest BLOB NOT NULL, class TEXT NOT NULL, source TEXT NOT NULL, domain TEXT NOT NULL,
    at INTEGER NOT NULL, spam INTEGER NOT NULL, ham INTEGER NOT NULL);
"""


class Counts(NamedTuple):
    """Messages by class: lessons taken, or what bogofilter has counted."""

    spam: int = 0
    ham: int = 0

    @property
    def total(self) -> int:
        """Of both classes."""
        return self.spam + self.ham


NONE_LEARNED = Counts()


@dataclass(frozen=True)
class DeliveryNote:
    """What the server knew of a message when it was delivered."""

    at: int
    junk: bool  # the verdict
    authenticated: bool  # by DMARC or DKIM
    domain: str  # of the author


@dataclass(frozen=True)
class Lesson:
    """Of a message, known by its digest. source: what it was learned from, such as `moved`."""

    digest: bytes
    cls: MessageClass
    source: str
    domain: str
    at: int


@contextmanager
def open_state(home: Path) -> Iterator[AccountState]:
    """The state of the account whose home this is; a new one where there is none.

    A home is never made: it may have been removed with its account. Raises StateError.
    """
    state = _opened(home)
    try:
        yield state
    finally:
        state.close()


def open_existing(home: Path) -> AccountState | None:
    """The same, to be closed by the caller; None where nothing was ever written.

    Raises StateError.
    """
    path = home / FOLDER / STATE
    try:
        return _opened(home) if path.exists() else None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror}") from error


class AccountState(StateFile):
    """The file, opened. Every method raises StateError."""

    # -- senders ----------------------------------------------------------------------------------

    def sender_rule(self, author: str) -> SenderRule | None:
        """What to do with mail of this author."""
        found = self.deciding_rule(author)
        return None if found is None else found[1]

    def deciding_rule(self, author: str) -> tuple[str, SenderRule] | None:
        """The rule of this very address, else of its domain, else of the nearest domain above.

        author: an address or a domain. The rule comes with the address or domain that it is of.
        """
        author = author.lower()
        labels = author.rpartition("@")[2].split(".")
        for key in (author, *(".".join(labels[at:]) for at in range(len(labels)))):
            for (rule,) in self.rows("SELECT rule FROM sender_rules WHERE sender = ?", key):
                return key, rule
        return None

    def set_sender_rule(self, key: str, rule: SenderRule) -> None:
        """key: an address or a domain."""
        self.do("INSERT OR REPLACE INTO sender_rules VALUES (?, ?)", key.lower(), rule)

    def remove_sender_rule(self, key: str) -> bool:
        """Whether there was one."""
        return self.do("DELETE FROM sender_rules WHERE sender = ?", key.lower()) > 0

    def sender_rules(self) -> list[tuple[str, str]]:
        """Addresses and domains with their rules."""
        return self.rows("SELECT sender, rule FROM sender_rules ORDER BY sender")

    # -- whom the account knows -------------------------------------------------------------------

    def was_written_to(self, address: str) -> bool:
        """Whether the account has sent mail there with its own login."""
        return self.has("SELECT 1 FROM written_to WHERE address = ?", address.lower())

    def add_written_to(self, addresses: Collection[str], at: int) -> None:
        """It has."""
        with self.changing():
            for address in addresses:
                self.do("INSERT OR REPLACE INTO written_to VALUES (?, ?)", address.lower(), at)
            self.drop_oldest("written_to", MOST_WRITTEN_TO)

    def is_first_contact(self, author: str) -> bool:
        """Whether no mail of this author was ever noted."""
        return not self.has("SELECT 1 FROM authors WHERE address = ?", author.lower())

    def note_author(self, author: str, at: int) -> None:
        """Mail of this author was delivered."""
        with self.changing():
            self.do("INSERT OR REPLACE INTO authors VALUES (?, ?)", author.lower(), at)
            self.drop_oldest("authors", MOST_AUTHORS)

    def forget_author(self, author: str) -> None:
        """As if there had been none."""
        self.do("DELETE FROM authors WHERE address = ?", author.lower())

    # -- deliveries -------------------------------------------------------------------------------

    def note_delivery(
        self, mark: str, at: int, junk: bool, authenticated: bool, domain: str
    ) -> None:
        """mark: the HMAC of the message's X-Signpost-Delivered."""
        with self.changing():
            self.do(
                "INSERT OR REPLACE INTO deliveries VALUES (?, ?, ?, ?, ?)",
                *(mark, at, junk, authenticated, domain.lower()),
            )
            self.drop_oldest("deliveries", MOST_DELIVERIES)

    def delivery(self, mark: str) -> DeliveryNote | None:
        """What was noted of it, if it is not too long ago."""
        for at, junk, authenticated, domain in self.rows(
            "SELECT at, junk, authenticated, domain FROM deliveries WHERE mark = ?", mark
        ):
            return DeliveryNote(at, bool(junk), bool(authenticated), domain)
        return None

    # -- the threshold ----------------------------------------------------------------------------

    def threshold(self) -> float | None:
        """The account's own, if it has one."""
        value = self.number("threshold")
        return None if value is None else float(value)

    def set_threshold(self, value: float | None) -> None:
        """None: the default counts again."""
        self.set_number("threshold", value)

    # -- lessons ----------------------------------------------------------------------------------

    def counts(self) -> Counts:
        """Lessons that count now: one that was reversed counts for its last class alone."""
        found = dict(self.rows("SELECT name, value FROM numbers WHERE name IN ('spam', 'ham')"))
        return Counts(found.get("spam", 0), found.get("ham", 0))

    def lesson(self, digest: bytes) -> Lesson | None:
        """The one that counts of this message."""
        for row in self.rows(
            "SELECT digest, class, source, domain, at FROM lessons WHERE digest = ?", digest
        ):
            return Lesson(*row)
        return None

    def lessons_of(
        self,
        source: str,
        cls: MessageClass,
        domain: str | None = None,
        within: tuple[int, int] = _EVER,
    ) -> int:
        """How many there are from this source, of this domain, from one Unix time to another."""
        where, more = ("", ()) if domain is None else (" AND domain = ?", (domain,))
        rows = self.rows(
            f"SELECT count(*) FROM lessons WHERE source = ? AND class = ?"  # noqa: S608
            f" AND at BETWEEN ? AND ?{where}",
            *(source, cls, *within, *more),
        )
        return int(rows[0][0])

    def begin(self, lesson: Lesson, before: Counts) -> None:
        """bogofilter is about to be given the lesson. before: what it has counted until now."""
        self.do("PRAGMA synchronous = FULL")  # it is on the disk before bogofilter's own
        with self.changing():
            self.do("DELETE FROM pending")
            self.do(
                "INSERT INTO pending VALUES (?, ?, ?, ?, ?, ?, ?)",
                *(lesson.digest, lesson.cls, lesson.source, lesson.domain, lesson.at),
                *(before.spam, before.ham),
            )

    def pending(self) -> tuple[Lesson, Counts] | None:
        """What was begun last, if neither `taken` nor `not_taken` was said of it."""
        for *row, spam, ham in self.rows("SELECT * FROM pending"):
            return Lesson(*row), Counts(spam, ham)
        return None

    def taken(self, lesson: Lesson) -> None:
        """bogofilter has it, in the place of another class's if there was one."""
        with self.changing():
            if (old := self.lesson(lesson.digest)) is not None:
                self.do("DELETE FROM lessons WHERE digest = ?", lesson.digest)
                self._count(old.cls, -1)
            self.do(
                "INSERT INTO lessons VALUES (?, ?, ?, ?, ?)",
                *(lesson.digest, lesson.cls, lesson.source, lesson.domain, lesson.at),
            )
            self._count(lesson.cls, +1)
            self.do("DELETE FROM pending")
            self.drop_oldest("lessons", MOST_LESSONS)

    def not_taken(self) -> None:
        """What was begun did not happen."""
        self.do("DELETE FROM pending")

    def _count(self, cls: MessageClass, by: int) -> None:
        old = self.number(cls) or 0
        self.set_number(cls, max(0, old + by))


def _opened(home: Path) -> AccountState:
    # It is opened and closed at each delivery.
    return AccountState(home / FOLDER / STATE, _SCHEMA, keep_log=True)
