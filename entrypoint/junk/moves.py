"""What it means that a message is in a folder where it was not, or is marked as it was not.

Measured with Dovecot 2.4.1: MOVE and COPY are hard links that leave a message its name, inode and
time of writing, unless the folder knows the name already; so a message that was moved looks as if
it had been delivered, but for what was seen of it before, and for the time at which its file
changed last. APPEND makes a new file; with a date, that is when it says that it was written.
"""

from __future__ import annotations

from dataclasses import dataclass

from entrypoint.junk.account_state import MessageClass
from entrypoint.junk.folders import ANSWERED, MARKED_HAM, MARKED_SPAM, Times
from entrypoint.junk.special_folders import Kind

# What a lesson is learned from.
MOVED, FLAGGED, ANSWER = "moved", "flagged", "answered"
FILED, READ, TRAINED = "filed", "read", "trained"
# Marked as no junk where nobody had said that it was: a mail program may do that by itself.
MARKED = "marked"
# The mark as junk was taken off.
UNMARKED = "unmarked"
# It is older than what is known, and may be of another server.
BROUGHT = "brought"
# From the mark that a delivery puts into a message to the file's name. Scripts run in between.
_DELIVERED_WITHIN = 10.0  # seconds
# A file that nobody has moved or marked changed last when it was given its name; a script may have
# marked it then.
_UNTOUCHED = 0.5
# The clock may be behind what a disk of another machine says.
_SLACK = 2.0


@dataclass(frozen=True)
class Event:
    """Something that happened to a message. Without a class, its text has to be looked at."""

    cls: MessageClass | None
    source: str


@dataclass(frozen=True)
class SeenBefore:
    """What is known of a message that is new in a folder, from before."""

    elsewhere: bool = False  # in a folder that is not Junk, nor for what the person writes
    in_junk: bool = False
    marks: int = 0


@dataclass(frozen=True)
class Read:
    """What the text of a message says."""

    delivered: float | None = None  # Unix time, of the topmost mark of a delivery
    called_junk: bool = False  # by a field that has a delivery file it as junk
    filed_as_junk: bool = False  # by its delivery's note, and by no script elsewhere, too
    may_be_filed: bool = False  # by a script of its owner, or a folder's name in the address
    is_addressed: bool = False  # to this very folder
    was_in_junk: bool = False
    was_outside: bool = False
    lesson: MessageClass | None = None


@dataclass(frozen=True)
class Beginning:
    """Since when the account's mail is looked at, and what else brings or marks mail than hands."""

    at: float
    imported: float = 0.0  # until when an import has brought some
    has_script: bool = False

    def is_old(self, times: Times) -> bool:
        """Of before, or of another server: nobody has moved it here since.

        An import gives each message its date; so what has one from elsewhere is its.
        """
        return times.written < self.at - _SLACK or self.is_imported(times)

    def is_imported(self, times: Times) -> bool:
        """Brought by an import."""
        return times.named <= self.imported and abs(times.named - times.written) > _SLACK


_LOOK = Event(None, MOVED)


def arrived(
    kind: Kind, marks: int, known: SeenBefore, times: Times, beginning: Beginning
) -> Event | None:
    """A message is new in a folder. What was done with it counts more than how it is marked."""
    somewhere = known.elsewhere or known.in_junk
    if not somewhere and beginning.is_old(times):
        # What comes back from Junk may have the date that it had there.
        if kind is Kind.JUNK:
            # What was in Junk before has another name when it comes there again.
            return None if beginning.is_imported(times) else Event(None, BROUGHT)
        return _LOOK if kind in (Kind.INBOX, Kind.OTHER) else None
    if kind is Kind.JUNK:
        return Event("spam", MOVED) if known.elsewhere else _LOOK
    if known.in_junk and kind is not Kind.TRASH:
        return Event("ham", MOVED)
    by_script = (
        beginning.has_script and not somewhere and times.changed - times.written < _UNTOUCHED
    )
    if not by_script and (event := marked(kind, known.marks, marks)) is not None:
        return event
    # Some mail programs have a folder of another name for what they have marked as junk.
    if kind is Kind.OTHER and known.elsewhere and not _is_junk_by(marks):
        return Event("ham", FILED)
    return None if somewhere or kind in (Kind.TRASH, Kind.OWN) else _LOOK


def marked(kind: Kind, before: int, now: int) -> Event | None:
    """A message has other marks than before.

    Of two that contradict each other the newer counts, or the one that is left.
    """
    new = now & ~before
    both = MARKED_SPAM | MARKED_HAM
    verdict = now & both if before & both == both else new & both
    if verdict in (MARKED_SPAM, MARKED_HAM):
        return Event("spam" if verdict == MARKED_SPAM else "ham", FLAGGED)
    if new & ANSWERED and kind in (Kind.INBOX, Kind.OTHER) and not _is_junk_by(now):
        return Event("ham", ANSWER)
    return None


def unmarked(kind: Kind, before: int, now: int) -> Event | None:
    """The mark as junk was taken off where it was; in Junk that says nothing until it leaves it."""
    if before & ~now & MARKED_SPAM and kind not in (Kind.JUNK, Kind.TRASH):
        return Event("ham", UNMARKED)
    return None


def _is_junk_by(marks: int) -> bool:
    return marks & (MARKED_SPAM | MARKED_HAM) == MARKED_SPAM


def looked_at(kind: Kind, times: Times, read: Read, *, is_brought: bool = False) -> Event | None:
    """The same as `arrived`, of a message whose name was never seen before.

    is_brought: it is of another server, unless it is known here.
    """
    if kind is not Kind.JUNK:
        # Out of Junk before it was seen there: who waits for a message finds it at once. A delivery
        # that could not write to Junk leaves a file that nobody has touched.
        touched = times.changed - times.written >= _UNTOUCHED
        rescued = read.filed_as_junk and touched and read.lesson is None
        return Event("ham", MOVED) if read.was_in_junk or rescued else None
    if read.lesson is not None or read.was_in_junk:
        # It has another name, or was uploaded anew: it was outside only if that was learned.
        return Event("spam", MOVED) if read.lesson == "ham" else None
    if read.was_outside:
        return Event("spam", MOVED)
    if read.called_junk or read.is_addressed or is_brought:
        return None
    by_delivery = (
        read.may_be_filed
        and read.delivered is not None
        and abs(times.named - read.delivered) < _DELIVERED_WITHIN
        and times.changed - times.written < _UNTOUCHED
    )
    return None if by_delivery else Event("spam", MOVED)
