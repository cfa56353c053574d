"""Which Maildirs somebody else has changed: inotify, and the clock where its watches are used up.

Only `cur` is watched, of each folder that has mail: a client's flag, expunge or move shows there,
as Dovecot moves a file from `new` before anything is done to it. So what we deliver wakes nobody.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

from asyncinotify import Event, Inotify, Mask

from entrypoint.test_target.mailboxes.maildir import MailFile, is_text

log = logging.getLogger(__name__)

_MASK = Mask.CREATE | Mask.MOVED_TO | Mask.MOVED_FROM | Mask.DELETE | Mask.ONLYDIR
_MOST_PENDING = 100_000  # files; what is more is looked at by listing
_EVENTS_READ = 200  # at a time
_USED_UP = (errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ENOMEM)

# By name, where a file has come to, or None where it has gone since.
ChangedFiles = dict[str, MailFile | None]


class MaildirWatches:
    """changed: called when there is something to take."""

    def __init__(self, root: Path, changed: Callable[[], None]) -> None:
        self._root = root
        self._changed = changed
        self._pending: dict[str, ChangedFiles] = {}
        self._count = 0
        self._places: dict[int, tuple[str, str]] = {}  # watch → Maildir, directory
        self._unwatched: dict[tuple[str, str], int | None] = {}  # … → when `cur` was changed
        self.lost = False  # events, by an overflow
        self._inotify: Inotify | None = None
        try:
            self._inotify = Inotify(cache_size=_EVENTS_READ)
        except OSError as error:
            self._say_used_up(error)

    def close(self) -> None:
        """No more events."""
        if self._inotify is not None:
            self._inotify.close()

    async def run(self) -> None:
        """Take events until cancelled."""
        if self._inotify is not None:
            async for event in self._inotify:
                self._take(event)

    def watch(self, maildir: str, directories: Iterable[str]) -> None:
        """Folders of a Maildir, by their directories; one that is watched already stays so."""
        for directory in directories:
            self._watch(maildir, directory)

    def take(self) -> dict[str, ChangedFiles]:
        """What has changed since the last time, by Maildir."""
        taken, self._pending, self._count = self._pending, {}, 0
        return taken

    def take_lost(self) -> bool:
        """Whether there was more than could be remembered: anything may have changed."""
        lost, self.lost = self.lost, False
        return lost

    def look(self) -> set[str]:
        """Maildirs with changes, of those that cannot be watched. Any thread may call it."""
        changed = set()
        for place, before in list(self._unwatched.items()):
            mtime = self._mtime(*place)
            if mtime != before:
                self._unwatched[place] = mtime
                changed.add(place[0])
        return changed

    @property
    def watched(self) -> int:
        """How many folders are."""
        return len(self._places)

    @property
    def unwatched(self) -> int:
        """How many folders are looked at now and then."""
        return len(self._unwatched)

    def _watch(self, maildir: str, directory: str) -> None:
        if (maildir, directory) in self._unwatched:
            return
        try:
            if self._inotify is None:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            watch = self._inotify.add_watch(self._path(maildir, directory), _MASK)
        except OSError as error:
            if error.errno in _USED_UP:
                self._say_used_up(error)
                self._unwatched[maildir, directory] = self._mtime(maildir, directory)
            return  # it is gone: who finds out lists the Maildir
        # A folder that a client has renamed has the same watch.
        self._places[watch.wd] = maildir, directory

    def _take(self, event: Event) -> None:
        if Mask.Q_OVERFLOW in event.mask:
            self.lost = True
            self._changed()
            return
        watch = event.watch
        place = self._places.get(watch.wd) if watch is not None else None
        if watch is None or place is None:
            return
        if Mask.IGNORED in event.mask:
            del self._places[watch.wd]
        elif event.name is not None and is_text(str(event.name)):
            self._note(
                *place, str(event.name), came=bool(event.mask & (Mask.CREATE | Mask.MOVED_TO))
            )

    def _note(self, maildir: str, directory: str, name: str, *, came: bool) -> None:
        file = MailFile(f"{directory}/cur/{name}" if directory else f"cur/{name}")
        files = self._pending.setdefault(maildir, {})
        files[file.name] = file if came else None
        self._count += 1
        if self._count > _MOST_PENDING:
            self.take()
            self.lost = True
        self._changed()

    def _path(self, maildir: str, directory: str) -> Path:
        return self._root / maildir / "Maildir" / directory / "cur"

    def _mtime(self, maildir: str, directory: str) -> int | None:
        try:
            return self._path(maildir, directory).stat().st_mtime_ns
        except OSError:
            return None

    def _say_used_up(self, error: OSError) -> None:
        if not self._unwatched:
            log.warning(
                "the kernel watches no more mailboxes (%s): the others are looked at now and then."
                " Raise fs.inotify.max_user_watches on the host for more",
                error.strerror,
            )
