"""What has been brought: a file in the account's home that only grows, a line for each step.

A line is on the disk before the step that it announces, and another after it, so that one which was
cut off is known. The file says nothing about messages but their numbers there and their digests.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from entrypoint.json_model import JsonModel
from entrypoint.mailbox_import.mailbox_here import ANYWHERE, Position

NAME = "imported"  # in the home; backup/layout.py has it, too
_VERSION = 1


class BusyError(Exception):
    """Another import of this account is at work."""


class DamagedError(Exception):
    """The file cannot be read: what was brought is not known. It says the cure, too."""


class _Line(JsonModel):
    version: int | None = None
    # What stands before it was read for a backup, whose mail was read afterwards.
    copied: bool = False
    # A folder there gets a number here; its lines come before what it has.
    folder: int
    source: str = ""
    name: str = ""
    uidvalidity: int = 0
    # Before messages are stored: where the folder here was.
    begin: tuple[int, int] | None = None
    # Afterwards: UID there, digest, Gmail's number.
    brought: tuple[tuple[int, str, int], ...] = ()
    # Digests of those among them that had been brought from elsewhere.
    moved: tuple[str, ...] = ()
    # What `begin` announced is among what was brought.
    done: bool = False


@dataclass(frozen=True)
class FolderKey:
    """A folder as it is known again: another UIDVALIDITY is another folder."""

    source: str
    name: bytes
    uidvalidity: int


@dataclass
class Brought:
    """What of a folder there is here. half: where the folder here was when a step was cut off."""

    number: int
    messages: dict[int, tuple[str, int]] = field(default_factory=dict)
    half: Position | None = None


class ImportRecord:
    """The file, opened and locked for as long as the import goes on."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.folders: dict[FolderKey, Brought] = {}
        self._numbers: dict[int, Brought] = {}
        self._moved: Counter[str] = Counter()
        self._copied = False
        self._load()

    def folder(self, key: FolderKey) -> Brought:
        """What is known of a folder; it is not written before something is brought from it."""
        return self.folders.get(key) or Brought(0)

    def begin(self, key: FolderKey, position: Position) -> None:
        """Messages are about to be stored."""
        folder = self._known(key)
        folder.half = position
        self._write(folder=folder.number, begin=(position.uidvalidity, position.uidnext))

    def brought(
        self,
        key: FolderKey,
        messages: Sequence[tuple[int, str, int]],
        *,
        moved: Sequence[str] = (),
        done: bool,
    ) -> None:
        """They are stored, or need not be. moved: digests of those that were spare.

        done: what `begin` announced has come to its end.
        """
        folder = self._known(key)
        folder.messages |= {uid: (digest, gmail) for uid, digest, gmail in messages}
        folder.half = None if done else folder.half
        self._moved.update(moved)
        self._write(folder=folder.number, brought=tuple(messages), moved=tuple(moved), done=done)

    def spare(
        self, present: Mapping[FolderKey, Collection[int]], unseen: Collection[tuple[str, bytes]]
    ) -> Counter[str]:
        """Digests of what was brought and is not where it was any more: moved, or its folder was.

        present: the UIDs that are there now. unseen: folders that were not looked into.
        """
        found: Counter[str] = Counter()
        for key, folder in self.folders.items():
            if (key.source, key.name) in unseen:
                continue
            there = present.get(key, ())
            found.update(digest for uid, (digest, _) in folder.messages.items() if uid not in there)
        return found - self._moved

    def digests(self, source: str) -> set[str]:
        """All that was brought from there."""
        return {
            digest
            for key, folder in self.folders.items()
            if key.source == source
            for digest, _ in folder.messages.values()
        }

    # -- the file ---------------------------------------------------------------------------

    def _known(self, key: FolderKey) -> Brought:
        if key not in self.folders:
            folder = self._add(key, len(self._numbers) + 1)
            self._write(
                folder=folder.number,
                source=key.source,
                name=key.name.decode("latin-1"),
                uidvalidity=key.uidvalidity,
            )
        return self.folders[key]

    def _add(self, key: FolderKey, number: int) -> Brought:
        half = ANYWHERE if self._copied else None
        self.folders[key] = self._numbers[number] = Brought(number, half=half)
        return self.folders[key]

    def _write(self, **content: object) -> None:
        line = json.dumps(content, separators=(",", ":")).encode() + b"\n"
        while line:
            line = line[os.write(self._descriptor, line) :]
        os.fsync(self._descriptor)

    def _load(self) -> None:
        with os.fdopen(os.dup(self._descriptor), "rb") as file:
            whole = 0
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break  # cut off, with what it announced
                try:
                    self._take(_Line.model_validate_json(line))
                except (ValidationError, KeyError):
                    raise DamagedError(
                        f"line {number} cannot be read; restore it from a backup. Without it every"
                        " message is brought anew, also what is here"
                    ) from None
                whole += len(line)
        os.ftruncate(self._descriptor, whole)
        os.lseek(self._descriptor, 0, os.SEEK_END)
        if whole == 0:
            self._write(version=_VERSION, folder=0)

    def _take(self, line: _Line) -> None:
        if line.folder == 0 and line.copied:
            self._copied = True
            for each in self.folders.values():
                each.half = ANYWHERE
            return
        if line.folder == 0:
            if line.version != _VERSION:
                raise DamagedError(
                    f"it is of another version ({line.version}); use the image that wrote it"
                )
            return
        if line.source:
            key = FolderKey(line.source, line.name.encode("latin-1"), line.uidvalidity)
            self._add(key, line.folder)
            return
        folder = self._numbers[line.folder]
        if line.begin or line.done:
            folder.half = Position(*line.begin) if line.begin else None
        folder.messages |= {uid: (digest, gmail) for uid, digest, gmail in line.brought}
        self._moved.update(line.moved)


@contextmanager
def record_in(home: Path) -> Iterator[ImportRecord]:
    """The record of an account. Raises BusyError, DamagedError and OSError."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(home / NAME, flags, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BusyError from None
        yield ImportRecord(descriptor)
    finally:
        os.close(descriptor)
