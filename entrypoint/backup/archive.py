"""An archive: a manifest, the members, their digests among them, and an end that covers it all.

    signpost-backup.json       format, version, when, of which host
    data/..., spool/...        files and folders
    digests/000001             of the files since the last such member, as `sha256sum --check` reads
    signpost-backup-end.json   how many members, and the digest of every byte before it

It is written and read from front to end, with memory for a thousand names and a number a member.
It must not know volumes.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import StringIO
from itertools import pairwise

from pydantic import Field

from entrypoint.backup import tar_stream
from entrypoint.backup.layout import DIGESTS, END, MANIFEST, place_of
from entrypoint.backup.tar_stream import ArchiveError, MemberHead, Readable
from entrypoint.json_model import JsonModel, read_json
from entrypoint.text import printable

FORMAT = 1
_DIGESTED = 1000  # files
_LONGEST = 16 << 20  # bytes of digests, and of the other members that are read at once
_ESCAPES = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})


class _Format(JsonModel):
    """What every format has to have at its beginning."""

    format: int
    version: str


class Manifest(_Format):
    """format: the archive's own. volumes: that of the files in it (`volume_format`), which rises
    without the other. made: when, as files have it. host: whose; "" where the configuration did not
    say. mail: is it with mailboxes and queue?
    """

    volumes: int
    version: str = Field(pattern=r"^\S{1,80}$")
    made: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\S{1,80}$")
    host: str
    mail: bool


class _End(JsonModel):
    members: int
    sha256: str


@dataclass(frozen=True)
class Member:
    """content: as many bytes as the head says."""

    head: MemberHead
    content: Iterable[bytes] = ()


def member(name: str, content: bytes, mtime: int = 0) -> Member:
    """A small file."""
    return Member(MemberHead(name, "file", len(content), mtime), (content,))


def written(manifest: Manifest, members: Iterable[Member]) -> Iterator[bytes]:
    """The archive, in pieces. What reading the members raises passes through."""
    text = json.dumps(manifest.model_dump(), indent=1) + "\n"
    whole, size, count, batch = hashlib.sha256(), 0, 0, 0
    digests: list[str] = []

    def pieces(each: Member, digest: hashlib._Hash | None) -> Iterator[bytes]:
        nonlocal size
        length = 0
        yield tar_stream.header(each.head)
        for piece in each.content:
            length += len(piece)
            if digest is not None:
                digest.update(piece)
            yield piece
        assert length == each.head.size, each.head  # noqa: S101 -- whoever reads files sees to it
        yield tar_stream.padding(length)

    def counted(each: Member, *, file: bool = True) -> Iterator[bytes]:
        nonlocal size, count
        digest = hashlib.sha256() if file and each.head.kind == "file" else None
        for piece in pieces(each, digest):
            whole.update(piece)
            size += len(piece)
            yield piece
        count += 1
        if digest is not None:
            digests.append(_digest_line(each.head.name, digest.hexdigest()))

    def taken() -> Iterator[bytes]:
        nonlocal batch
        batch += 1
        name = f"{DIGESTS}{batch:06}"
        text = "".join(digests).encode("utf-8", "surrogateescape")
        digests.clear()
        yield from counted(member(name, text), file=False)

    yield from counted(member(MANIFEST, text.encode()))
    for each in members:
        yield from counted(each)
        if len(digests) >= _DIGESTED:
            yield from taken()
    if digests:
        yield from taken()
    end = json.dumps({"members": count, "sha256": whole.hexdigest()}) + "\n"
    for piece in pieces(member(END, end.encode()), None):
        size += len(piece)
        yield piece
    yield tar_stream.ending(size)


def _digest_line(name: str, digest: str) -> str:
    r"""As sha256sum writes it: with a `\` in front where the name has an escape."""
    escaped = name.translate(_ESCAPES)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


@dataclass
class _Progress:
    """What has been read so far."""

    count: int = 0
    batch: int = 0
    digests: list[str] = field(default_factory=list)
    names: array[int] = field(default_factory=lambda: array("q"))


class ArchiveReader:
    """Reads an archive and checks all of it: what `members` has yielded to the end is as it was
    written. Everything else raises ArchiveError.
    """

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self._whole = hashlib.sha256()
        self._seen = _Progress()
        first = self._next()
        if first is None or first.name != MANIFEST:
            raise ArchiveError("it is no backup of Signpost")
        text = self._text(first)
        try:
            found = read_json(_Format, text)
            if found.format != FORMAT:
                raise ArchiveError(
                    f"it has format {found.format}, and this version of Signpost reads {FORMAT}; "
                    f"restore it with version {printable(found.version)}"
                )
            self.manifest = read_json(Manifest, text)
        except ValueError as error:
            raise ArchiveError(f"{MANIFEST}: {error}") from None

    def members(self) -> Iterator[tuple[MemberHead, Iterator[bytes]]]:
        """Each file and folder with its content, which is read past if it is not taken."""
        while (head := self._next()) is not None:
            if head.name.startswith(DIGESTS):
                self._compare(head)
                continue
            if head.name == END:
                self._finish(head)
                return
            self._check(head)
            pieces = self._content(head)
            yield head, pieces
            for _ in pieces:
                pass
        raise ArchiveError("its end is missing; it was cut off")

    def _next(self) -> MemberHead | None:
        found = tar_stream.read_head(self._stream)
        if found is None:
            return None
        head, raw = found
        if head.name != END:
            self._whole.update(raw)
            self._seen.count += 1
        return head

    def _content(self, head: MemberHead) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for piece in tar_stream.content(self._stream, head.size):
            digest.update(piece)
            if head.name != END:
                self._whole.update(piece)
            yield piece
        if head.name == END:
            return
        self._whole.update(tar_stream.padding(head.size))
        if head.kind == "file" and not head.name.startswith(DIGESTS):
            self._seen.digests.append(_digest_line(head.name, digest.hexdigest()))
            if len(self._seen.digests) > _DIGESTED:
                raise ArchiveError(f"{printable(head.name)}: no digest")

    def _check(self, head: MemberHead) -> None:
        place = place_of(head.name)
        if place is None or head.kind not in place.kinds:
            raise ArchiveError(f"{printable(head.name)}: this version knows no such {head.kind}")
        self._seen.names.append(hash(head.name))

    def _compare(self, head: MemberHead) -> None:
        """The digests of the files before, with those that they have."""
        self._seen.batch += 1
        seen, self._seen.digests = self._seen.digests, []
        text = self._text(head).decode("utf-8", "surrogateescape")
        if head.name != f"{DIGESTS}{self._seen.batch:06}":
            raise ArchiveError(f"{printable(head.name)}: not the digests that come next")
        if text == "".join(seen):
            return
        # By line feeds alone: a name may hold what else ends a line of text.
        listed = StringIO(text, newline="\n")
        for line, expected in zip(seen, listed, strict=False):
            if line != expected:
                raise ArchiveError(
                    f"{printable(line.strip()[66:])}: damaged, its digest is another"
                )
        raise ArchiveError(f"{head.name}: digests of other files")

    def _finish(self, head: MemberHead) -> None:
        try:
            end = read_json(_End, self._text(head))
        except ValueError as error:
            raise ArchiveError(f"{END}: {error}") from None
        if self._seen.digests or end.members != self._seen.count:
            raise ArchiveError(
                f"{END}: {end.members} members, and there are {self._seen.count}; or no digests"
            )
        if end.sha256 != self._whole.hexdigest():
            raise ArchiveError(f"{END}: the digest of the whole is another")
        names = sorted(self._seen.names)
        if any(one == other for one, other in pairwise(names)):
            raise ArchiveError("two members have one name")
        if tar_stream.read_head(self._stream) is not None:
            raise ArchiveError(f"something stands behind {END}")
        while data := self._stream.read(1 << 16):
            if any(data):
                raise ArchiveError("something stands behind the archive")

    def _text(self, head: MemberHead) -> bytes:
        if head.kind != "file" or head.size > _LONGEST:
            raise ArchiveError(f"{printable(head.name)}: it is too long")
        return b"".join(self._content(head))
