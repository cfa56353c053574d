"""Volumes of an earlier version, as `record` has left them: what is in them, and how they are put
under a server of today.

What ends by itself, such as a block or how long a message may wait, is restored as if it had been
recorded just now.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.container.harness.imap import mailbox
from tests.container.harness.signpost import Signpost

VOLUMES = ("data", "var/spool/smtpd")
FOLDER = Path(__file__).parent
# (command, the names of what differs from one moment to the next)
_LISTS = {
    "accounts": ("account list --json", ("last_login",)),
    "aliases": ("alias list --json", ()),
    "keys": ("keys list {domain} --json", ("dns", "unserved")),
    "app passwords": ("app-password list alice@{domain} --json", ("last_used",)),
}
# Where Unix times stand: tables and columns of the databases, and fields of smtpd's envelopes.
_ENVELOPE = re.compile(r"(?m)^(ctime|last-try|last-bounce): ([1-9][0-9]*)$")
_COLUMNS: dict[str, dict[str, tuple[str, ...]]] = {
    "greylist.sqlite": {"seen": ("first",), "allowed": ("last",)},
    "blocked.sqlite": {"failed": ("at", "until"), "trusted": ("at",)},
}


@dataclass(frozen=True)
class Recording:
    """One recording."""

    name: str

    @property
    def expected(self) -> dict[str, Any]:
        """Its environment, and what a server of today has to find."""
        found: dict[str, Any] = json.loads((FOLDER / f"{self.name}.json").read_text())
        return found

    def file(self, path: str) -> bytes:
        """One file, as it was recorded."""
        packed = lzma.decompress((FOLDER / f"{self.name}.tar.xz").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(packed)) as files:
            content = files.extractfile(path.lstrip("/"))
            assert content is not None, path
            return content.read()

    def archive(self, renumber: Callable[[int], int] = lambda number: number) -> bytes:
        """A tar of the volumes, as if recorded now. renumber: another number for each owner."""
        later = int(time.time()) - int(self.expected["recorded"])
        packed = lzma.decompress((FOLDER / f"{self.name}.tar.xz").read_bytes())
        moved = io.BytesIO()
        with (
            tarfile.open(fileobj=io.BytesIO(packed)) as read,
            tarfile.open(fileobj=moved, mode="w", format=tarfile.PAX_FORMAT) as written,
        ):
            for member in read:
                member.uid, member.gid = renumber(member.uid), renumber(member.gid)
                file = read.extractfile(member) if member.isfile() else None
                if file is None:
                    written.addfile(member)
                    continue
                content = _moved(member.name, file.read(), later)
                member.size = len(content)
                written.addfile(member, io.BytesIO(content))
        return moved.getvalue()


def _moved(path: str, content: bytes, later: int) -> bytes:
    """The file with its times so many seconds later."""
    name = path.rpartition("/")[2]
    if "/queue/" in path and name != "message":
        text = content.decode("ascii")
        return _ENVELOPE.sub(lambda at: f"{at[1]}: {int(at[2]) + later}", text).encode("ascii")
    if name == "sent.json":
        spent = json.loads(content)
        return json.dumps({who: [level, at + later] for who, (level, at) in spent.items()}).encode()
    if name in _COLUMNS:
        return _database(content, _COLUMNS[name], later)
    return content


def _database(content: bytes, columns: dict[str, tuple[str, ...]], later: int) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state.sqlite"
        path.write_bytes(content)
        with closing(sqlite3.connect(path)) as database, database:
            for table, names in columns.items():
                for name in names:
                    database.execute(
                        f"UPDATE {table} SET {name} = {name} + ? WHERE {name}", [later]
                    )
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes()


def listed(signpost: Signpost, domain: str) -> dict[str, Any]:
    """What the commands list, and the DKIM records, without what changes by itself."""
    found: dict[str, Any] = {"records": signpost.exec("signpost", "dns", domain).splitlines()}
    for name, (command, changing) in _LISTS.items():
        printed = json.loads(signpost.exec("signpost", *command.format(domain=domain).split()))
        found[name] = [
            {key: value for key, value in each.items() if key not in changing} for each in printed
        ]
    return found


def messages(host: str, login: tuple[str, str]) -> dict[str, Any]:
    """Every message of an account: folder → its UIDVALIDITY; UID, flags and Message-ID of each."""
    found: dict[str, Any] = {}
    with mailbox(host, login) as box:
        for folder in sorted(box.folders()):
            count = box.session.select(f'"{folder}"', readonly=True)[1][0]
            validity = box.session.response("UIDVALIDITY")[1][0]
            assert count is not None
            assert validity is not None
            found[folder] = {
                "validity": int(validity),
                "messages": list(_messages(box.session)) if int(count) else [],
            }
    return found


def _messages(session: Any) -> Iterator[list[Any]]:
    fields = "(UID FLAGS BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)])"
    for part in session.fetch("1:*", fields)[1]:
        if isinstance(part, tuple):
            uid, flags = re.search(rb"UID ([0-9]+) FLAGS \(([^)]*)\)", part[0]).groups()  # type: ignore[union-attr]
            kept = sorted(set(flags.decode().split()) - {"\\Recent"})
            yield [int(uid), kept, part[1].decode().partition(":")[2].strip()]
