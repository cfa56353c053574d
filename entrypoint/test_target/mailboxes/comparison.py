"""A Maildir against the copies that are known to be in it: what its clients have done."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from entrypoint.test_target.mailboxes.maildir import FileIdentity, Maildir, MailFile
from entrypoint.test_target.mailboxes.watches import ChangedFiles
from entrypoint.test_target.store.copies import Copy

# A file that is renamed while a directory is listed may be missing from the list. So what is
# missing is looked for once more.
_SETTLED = 0.05  # seconds


@dataclass
class Differences:
    """came: files that are new, or have another name, flags included. went: names (without flags)
    that are no more. directories: of the folders, where all were looked at.
    """

    came: list[tuple[MailFile, FileIdentity]] = field(default_factory=list)
    went: list[str] = field(default_factory=list)
    directories: list[str] = field(default_factory=list)


def look_at(maildir: Maildir, files: ChangedFiles) -> Differences:
    """Some files, of which inotify says where they came to."""
    found = Differences()
    for name, file in files.items():
        identity = maildir.identity(file) if file is not None else None
        if file is None or identity is None:
            found.went.append(name)
        else:
            found.came.append((file, identity))
    return found


def look_at_all(maildir: Maildir, known: set[str]) -> Differences:
    """known: paths. Of a Maildir that is not there nothing can be said."""
    found = Differences()
    if not maildir.has_folder(""):
        return found
    paths = set(maildir.paths())
    missing = known - paths
    if missing:
        time.sleep(_SETTLED)
        paths = set(maildir.paths())
        missing = known - paths
    for path in paths - known:
        file = MailFile(path)
        identity = maildir.identity(file)
        if identity is not None:  # else it has been renamed since, and inotify says so
            found.came.append((file, identity))
    if missing:
        there = {MailFile(path).name for path in paths - known}
        found.went = [name for path in missing if (name := MailFile(path).name) not in there]
    found.directories = [name for name in maildir.folders() if maildir.has_folder(name)]
    return found


def moved_copies(
    came: Iterable[tuple[MailFile, FileIdentity]], known: Mapping[str, Copy]
) -> list[Copy]:
    """Copies that are elsewhere, or flagged otherwise, as they are now."""
    return [
        replace(known[file.name], path=file.path, seen=file.seen)
        for file, _ in came
        if file.name in known and known[file.name].path != file.path
    ]


def linked_copies(
    maildir: str, others: Sequence[MailFile], originals: Sequence[Copy | None]
) -> list[Copy]:
    """What a client has copied or moved to another folder is a hard link, under another name."""
    return [
        replace(original, maildir=maildir, name=file.name, path=file.path, seen=file.seen)
        for file, original in zip(others, originals, strict=True)
        if original is not None
    ]
