"""What has happened in a mailbox since the last look: from listings to what waits to be learned.

All folders that changed are listed, then what is new in each is compared with what was seen before
anywhere, then all of it is noted at once. So a message that is on its way between two folders is
known, and whoever is killed in between has done nothing. Of large folders a few are looked at at a
time: other accounts wait meanwhile.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from entrypoint.junk.folders import Folder, Listed, OpenMaildir
from entrypoint.junk.moves import Beginning, Event, arrived, marked, unmarked
from entrypoint.junk.seen_messages import ASKED, MOST_JUNK, OLD, SeenFolder, SeenMessages
from entrypoint.junk.special_folders import Kind, kind_of

_BEGINNING = "beginning"  # when the first look was complete
# Messages, after which no other folder is listed: each takes memory, and 60 µs if it is new.
_AT_ONCE = 50_000
_RESTLESS = "restless "  # before the stamp of a folder that is to be listed again


class Noted(NamedTuple):
    """refused: messages for which there is no room to wait. more: folders are left to be listed."""

    refused: int
    more: bool


@dataclass
class _Difference:
    """A folder now, and what of it is not as it was. number: as `SeenMessages` has the folder.

    size: all of its messages.
    """

    folder: Folder
    kind: Kind
    size: int
    number: int = 0
    new: dict[int, Listed] = field(default_factory=dict)
    marked: dict[int, tuple[int, Listed]] = field(default_factory=dict)  # with the marks before
    gone: list[int] = field(default_factory=list)


def note_changes(
    seen: SeenMessages,
    mail: OpenMaildir,
    folders: Collection[Folder],
    now: float,
    *,
    imported: float = 0.0,
    has_script: bool = False,
    restless: Collection[str] = (),
) -> Noted:
    """Compare folders with what was seen: all that changed, or of large ones what changed first.

    A mailbox that was never seen teaches nothing. imported: until when an import has brought mail.
    has_script: a delivery may mark mail. restless: folders that are to be listed again.
    Raises StateError, OSError and TooManyError.
    """
    before = _renamed(seen, seen.folders(), folders)
    first = seen.number(_BEGINNING) is None
    changed = [
        folder
        for folder in folders
        if folder.name not in before or before[folder.name].stamp != folder.stamp
    ]
    # Those that were listed as they are come last, and need not be waited for.
    again = {
        folder.name
        for folder in changed
        if folder.name in before and before[folder.name].stamp == _RESTLESS + folder.stamp
    }
    changed.sort(key=lambda each: (each.name in again, each.changed))
    differences = _differences(seen, mail, changed, before)
    more = any(folder.name not in again for folder in changed[len(differences) :])
    beginning = Beginning(_begun(seen, now), imported, has_script)
    with seen.changing():
        for each in differences:
            stamp = _RESTLESS if each.folder.name in restless else ""
            each.number = seen.listed(
                each.folder.name, each.folder.inode, stamp + each.folder.stamp
            )
        refused = 0
        if not first:
            # All of them before any row changes: a message may be new in two folders.
            found = (_events(seen, mail, each, beginning) for each in differences)
            refused = seen.wait(chain.from_iterable(found))
        for each in differences:
            _put(seen, mail, each, int(now), OLD if first else 0)
        for gone in before.keys() - {folder.name for folder in folders}:
            seen.removed(before[gone], int(now))
        seen.drop_gone(int(now))
        if first and not more:
            seen.set_number(_BEGINNING, now)
    return Noted(refused, more)


def _begun(seen: SeenMessages, now: float) -> float:
    """When the first look was; now for that itself, and where the clock was set back since."""
    since = float(seen.number(_BEGINNING) or now)
    if since > now:
        seen.set_number(_BEGINNING, now)
    return min(since, now)


def _renamed(
    seen: SeenMessages, before: dict[str, SeenFolder], folders: Collection[Folder]
) -> dict[str, SeenFolder]:
    """The folders as they were, under the names that they have now."""
    before = {name: each for name, each in before.items() if not name.startswith("/")}
    now = {folder.name: folder for folder in folders}
    left = {
        each.inode: each
        for name, each in before.items()
        if name not in now or now[name].inode != each.inode
    }
    for each in folders:
        folder: Folder | None = each
        # A name that is known stays its folder's: on another disk all have other inodes.
        while folder is not None and folder.name not in before and folder.inode in left:
            old = left.pop(folder.inode)
            seen.renamed(old, folder.name)
            before[folder.name] = before.pop(old.name)
            folder = now.get(old.name)  # which another one may have taken meanwhile
    return before


def _differences(
    seen: SeenMessages, mail: OpenMaildir, changed: Iterable[Folder], before: dict[str, SeenFolder]
) -> list[_Difference]:
    """Of as many folders as are listed at once, from the first."""
    found, room = list[_Difference](), _AT_ONCE
    for folder in changed:
        if room <= 0:
            break
        found.append(_difference(seen, mail, folder, before.get(folder.name)))
        room -= found[-1].size
    return found


def _difference(
    seen: SeenMessages, mail: OpenMaildir, folder: Folder, before: SeenFolder | None
) -> _Difference:
    known = {} if before is None else seen.messages(before.id)
    entries = mail.entries(folder.name)
    found = _Difference(folder, kind_of(folder.name), len(entries))
    for key, entry in entries.items():
        marks = known.pop(key, None)
        if marks is None:
            found.new[key] = entry
        elif (marks & ~(OLD | ASKED)) != entry.marks:
            found.marked[key] = marks, entry
    found.gone = list(known)
    return found


def _events(
    seen: SeenMessages, mail: OpenMaildir, each: _Difference, beginning: Beginning
) -> Iterator[tuple[int, int, str, Event]]:
    name = each.folder.name
    for key, entry in each.new.items():
        if (times := mail.times(name, entry)) is None:
            continue
        known = seen.known(key, entry.inode, times.written_ns, each.number)
        if (event := arrived(each.kind, entry.marks, known, times, beginning)) is not None:
            yield key, each.number, entry.path, event
    for key, (before, entry) in each.marked.items():
        event = marked(each.kind, before, entry.marks) or unmarked(each.kind, before, entry.marks)
        if event is not None:
            yield key, each.number, entry.path, event


def _put(seen: SeenMessages, mail: OpenMaildir, each: _Difference, now: int, more: int) -> None:
    """Note it. more: marks that all new messages get besides."""
    rows = [(key, entry.marks | more) for key, entry in each.new.items()]
    rows += [(key, entry.marks) for key, (_, entry) in each.marked.items()]
    seen.put(each.number, rows, now)
    seen.take_out(each.number, each.gone, now)
    if each.kind is Kind.JUNK and each.new:
        # The newest by their names, which begin with the time.
        newest = sorted(each.new.items(), key=lambda item: item[1].path[4:])[-MOST_JUNK:]
        in_junk = (
            (key, entry.inode, times.written_ns, entry.path)
            for key, entry in newest
            if (times := mail.times(each.folder.name, entry)) is not None
        )
        seen.put_junk(each.number, in_junk, now)
