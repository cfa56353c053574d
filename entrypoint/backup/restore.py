"""An archive back into two empty volumes: read whole and checked, then read again and written.

Owners and modes are those of `layout`, whatever the archive says. The queue is held, and keys that
DNS has moved past stay in the archive (`moved_keys`). It must not know how a server starts.
"""

from __future__ import annotations

import ctypes
import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from entrypoint.backup import empty_volumes
from entrypoint.backup.archive import ArchiveReader, Manifest
from entrypoint.backup.layout import LINK, Place, Volumes, place_of, queued
from entrypoint.backup.room import NeededRoom
from entrypoint.backup.tar_stream import ArchiveError, MemberHead, Readable
from entrypoint.backup.volume_files import folder
from entrypoint.files import naming, numbers
from entrypoint.text import printable
from entrypoint.volume_format import FORMAT as VOLUMES
from entrypoint.volume_format import MARK, VolumeFormat

OwnerOf = Callable[[str], tuple[int, int]]
Open = Callable[[], AbstractContextManager[Readable]]
_KEYS = re.compile(r"data/(?:dkim/state\.json|(?:dkim|arc)/[^/]+/[^/]+\.pem)")
_MOST_KEYS = 64 << 20  # bytes of keys, which are read into memory
_LONGEST_ENVELOPE = 1 << 16
_LONGEST_LINK = 4096
_UIDS = "/dovecot-uidlist"
# Numbers that the next messages of a folder do not get: mail programs may know them from messages
# that have come since the backup. There are 4,294 times as many.
_UID_GAP = 1_000_000
_LONGEST_UID_HEADER = 1 << 16
_UID_HEADER = re.compile(rb"(3 (?:[A-Z]\S+ )*N)(\d{1,10})(?= |\n)")


@dataclass
class Contents:
    """What an archive has. members: of each kind. room: what they take. keys: the files of those
    that sign, and their state.
    """

    manifest: Manifest
    members: Counter[str] = field(default_factory=Counter)
    keys: dict[str, bytes] = field(default_factory=dict)
    room: NeededRoom = field(default_factory=NeededRoom)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return self.members["bytes"]


def checked(stream: Readable) -> Contents:
    """The contents of a whole archive, of which nothing is kept. Raises ArchiveError."""
    reader = ArchiveReader(stream)
    _refuse_newer(reader.manifest)
    found, kept = Contents(reader.manifest), 0
    for head, content in reader.members():
        found.members["bytes"] += head.size
        found.room.add(head)
        found.members[_what(head)] += 1
        if head.kind == "file" and _KEYS.fullmatch(head.name):
            kept += head.size
            if kept > _MOST_KEYS:
                raise ArchiveError(f"{printable(head.name)}: more keys than anybody has")
            found.keys[head.name] = _text(head, content, _MOST_KEYS)
        elif head.name.endswith(LINK):
            _target(head, content)
        elif _what(head) == "envelope":
            _refuse_command(_text(head, content, _LONGEST_ENVELOPE), head.name)
    return found


def _refuse_newer(manifest: Manifest) -> None:
    """This image would misread it, as it would the volumes."""
    if not 0 <= manifest.volumes <= VOLUMES:
        raise ArchiveError(
            f"its files have format {manifest.volumes}, and this version of Signpost knows up to "
            f"{VOLUMES}; restore it with version {printable(manifest.version)} or a newer one"
        )


def _refuse_command(envelope: bytes, name: str) -> None:
    """smtpd would run it, and none of ours has one."""
    if re.search(rb"^\s*mda-exec\s*:", envelope, re.MULTILINE | re.IGNORECASE):
        raise ArchiveError(f"{name}: an envelope with a command to run")


def _what(head: MemberHead) -> str:
    if head.kind == "folder":
        return "folder"
    if (ids := queued(head.name)) is not None:
        return "queue" if ids["file"] == "message" else "envelope"
    return "mail" if re.search(r"/Maildir/(?:\.[^/]+/)?(?:cur|new)/", head.name) else "other"


def owner_of(user: str) -> tuple[int, int]:
    """The user's number, and that of the group of that name."""
    return numbers(user, user)


@dataclass(frozen=True)
class Restore:
    """without: members that are not restored. instead: other contents for some."""

    volumes: Volumes
    owner_of: OwnerOf = owner_of
    without: Collection[str] = ()
    instead: dict[str, bytes] = field(default_factory=dict)

    def write(self, stream: Readable) -> None:
        """Into volumes that are claimed. Raises ArchiveError and OSError: then a start is refused
        there, and a restore may begin anew.
        """
        empty_volumes.begin(self.volumes)
        folders: dict[str, int] = {}
        reader = ArchiveReader(stream)
        self._format(reader.manifest)
        for head, content in reader.members():
            if head.name in self.without:
                continue
            self._parents(head.name, folders)
            if head.kind == "folder":
                self._folder(head.name, folders)
            else:
                self._file(head, content)
        # Innermost first; an owner may be the only one who may enter.
        for name in sorted(folders, key=lambda name: -name.count("/")):
            self._own_folder(name)
        for path in (self.volumes.data, self.volumes.spool):
            sync_disk(path)
        empty_volumes.finish(self.volumes)

    def _format(self, manifest: Manifest) -> None:
        """As the volumes had it: the first start has the same to do as it would have had there."""
        found = VolumeFormat(manifest.volumes, manifest.version, manifest.made[:10])
        for path in (self.volumes.data, self.volumes.spool):
            if found.number:
                whole = path / f".{MARK}"  # with half a mark no command runs, nor this one again
                with naming(path / MARK):
                    self._write(whole, [found.text()], "root", 0o644)
                    whole.replace(path / MARK)

    def _parents(self, name: str, folders: dict[str, int]) -> None:
        if queued(name) is not None:
            for path in (self.volumes.path(name).parents[1], self.volumes.path(name).parent):
                path.mkdir(mode=0o700, exist_ok=True)
            return
        parts = name.split("/")
        for depth in range(2, len(parts)):
            self._folder("/".join(parts[:depth]), folders)

    def _folder(self, name: str, folders: dict[str, int]) -> None:
        if name in folders:
            return
        place = place_of(name)
        if place is None or "folder" not in place.kinds:
            raise ArchiveError(f"{printable(name)}: this version knows no such folder")
        folders[name] = 1
        self.volumes.path(name).mkdir(mode=0o700)

    def _own_folder(self, name: str) -> None:
        place = _known(name)
        path = self.volumes.path(name)
        path.chmod(place.mode | (place.mode & 0o444) >> 2)
        os.chown(path, *self.owner_of(place.owner))

    def _file(self, head: MemberHead, content: Iterable[bytes]) -> None:
        place, path = _known(head.name), self.volumes.path(head.name)
        if head.name.endswith(LINK) and place.link is not None:
            link = path.with_name(path.name.removesuffix(LINK))
            link.symlink_to(_target(head, content))
            os.chown(link, *self.owner_of(place.owner), follow_symlinks=False)
            return
        if head.name in self.instead:
            content = [self.instead[head.name]]
        elif head.name.endswith(_UIDS):
            content = _with_a_gap(content)
        # A message's time is when it came.
        self._write(path, content, place.owner, place.mode, head.mtime)

    def _write(
        self, path: Path, content: Iterable[bytes], owner: str, mode: int, mtime: int | None = None
    ) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(path, flags, 0o600), "wb", 0) as stream:
            for piece in content:  # reading has errors of its own
                with naming(path):
                    _write_all(stream.fileno(), piece)
            with naming(path):
                os.fchmod(stream.fileno(), mode)
                os.fchown(stream.fileno(), *self.owner_of(owner))
                if mtime is not None:
                    os.utime(stream.fileno(), (mtime, mtime))


def sync_disk(path: Path) -> None:
    """All that was written to the disk of a folder is on it. Raises OSError.

    Not `os.sync`, which waits for the disks of others, too, and hears of no error.
    """
    with folder(str(path)) as descriptor:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(path))


def _known(name: str) -> Place:
    place = place_of(name)
    assert place is not None, name  # noqa: S101 -- ArchiveReader sees to it
    return place


def _write_all(descriptor: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]


def _target(head: MemberHead, content: Iterable[bytes]) -> str:
    """Where a link points to: nowhere but where one of its kind does. Raises ArchiveError."""
    place = _known(head.name)
    target = _text(head, content, _LONGEST_LINK).decode("utf-8", "surrogateescape")
    if place.link is not None and ("\0" in target or not place.link.fullmatch(target)):
        raise ArchiveError(f"{printable(head.name)}: no such link belongs there")
    return target


def _text(head: MemberHead, content: Iterable[bytes], longest: int) -> bytes:
    if head.size > longest:
        raise ArchiveError(f"{printable(head.name)}: it is too long")
    return b"".join(content)


def _with_a_gap(content: Iterable[bytes]) -> Iterator[bytes]:
    """The list with a higher number for the next message; the others keep theirs."""
    pieces = iter(content)
    first = b""
    # A pipe may end a piece anywhere, in the number, too.
    for piece in pieces:
        first += piece
        if b"\n" in first or len(first) > _LONGEST_UID_HEADER:
            break
    line, end, rest = first.partition(b"\n")
    changed = _UID_HEADER.match(line + end)
    if changed is not None and int(changed[2]) + _UID_GAP < 1 << 32:
        number = b"%d" % (int(changed[2]) + _UID_GAP)
        line = changed[1] + number + line[changed.end(2) :]
    yield line + end + rest
    yield from pieces
