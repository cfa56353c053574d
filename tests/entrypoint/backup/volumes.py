"""Volumes with one of each kind of file in them, and archives of them, for the tests."""

from __future__ import annotations

import io
import os
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from entrypoint.backup.archive import Manifest, Member, written
from entrypoint.backup.layout import Volumes
from entrypoint.backup.mail_files import MailFiles
from entrypoint.backup.notes import BackupNotes
from entrypoint.backup.queue_files import queue_members
from entrypoint.backup.restore import Restore, checked
from entrypoint.backup.state_files import state_members

MANIFEST = Manifest(
    format=1,
    volumes=1,
    version="0.1.0",
    made="2026-11-27T04:00:00Z",
    host="mail.example.org",
    mail=True,
)
HOME = "mail/example.org/alice"
MAILDIR = f"{HOME}/Maildir"
MESSAGE = "c1d8550e"
ENVELOPE = f"{MESSAGE}eaecbef5"
ENVELOPE_TEXT = b"version: 3\ntype: mda\nsender: a@example.net\nctime: 1795752815\n"
IMPORTED = b'{"folder":1,"source":"old","name":"INBOX","uidvalidity":7}\n{"folder":1,"beg'
UIDS = b"3 V1795752836 N4 G30b1fb13\n1 :1795752836.M1P1.host,S=5\n"

# By volume and name; a folder has no content.
FILES: dict[str, bytes | None] = {
    "data/secrets/srs": b"secret\n",
    "data/tls/self-signed.key.pem": b"key",
    "data/tls/acme/ca/archive/mail/privkey2.pem": b"key 2",
    "data/tls/acme/ca/renewal/mail.conf": b"[renewalparams]\n",
    "data/dkim/state.json": b"{}",
    "data/dkim/example.org/mail.pem": b"pem",
    "data/arc/mail.example.org/mail-arc.pem": b"arc",
    "data/accounts/accounts.json": b"{}",
    "data/accounts/logins/last-used.json": b"{}",
    f"data/{HOME}/sieve/my-rules.sieve": b"keep;",
    f"data/{HOME}/.dovecot.lda-dupes": b"dupes",
    f"data/{HOME}/imported": IMPORTED,
    f"data/{MAILDIR}/new/1795752836.M1P1.host,S=5": b"hello",
    f"data/{MAILDIR}/.Projects.2024/cur/1795752837.M2P1.host,S=5:2,Sab": b"world",
    f"data/{MAILDIR}/.&ANw-n&AO8-code/new": None,
    f"data/{MAILDIR}/dovecot-uidlist": UIDS,
    f"data/{MAILDIR}/.Projects.2024/dovecot-keywords": b"0 $Label1\n1 Work\n",
    f"data/{MAILDIR}/subscriptions": b"V\t2\n\nProjects\t2024\n",
    f"data/{MAILDIR}/dovecot-uidvalidity": b"6b090387",
    f"data/{MAILDIR}/dovecot-uidvalidity.6b090387": b"",
    f"spool/queue/c1/{MESSAGE}/message": b"Subject: queued\n\n",
    f"spool/queue/c1/{MESSAGE}/{ENVELOPE}": ENVELOPE_TEXT,
    "spool/filters/verifier/clients.json": b"{}",
    "spool/filters/signer/sent.json": b"{}",
}
DERIVED = (
    "data/VERSION",
    "data/MODE",
    "data/FORMAT",
    "data/journal/2026-11-27-00.jsonl",
    "data/dkim/.lock",
    "data/dkim/.state.json.77",
    f"data/{MAILDIR}/dovecot.index.cache",
    f"data/{MAILDIR}/.Projects.2024/dovecot.index.log",
    f"data/{MAILDIR}/tmp/being-written",
    f"data/{HOME}/.dovecot.svbin",
    f"data/{HOME}/dovecot.autoexpunge.lock",
    f"data/{HOME}/junk/lock",
    f"data/{HOME}/junk/seen.sqlite",
    f"data/{HOME}/junk/seen.sqlite-wal",
    "spool/incoming/aaaaaaaa/message",
    "spool/filters/logins/right-passwords.json",
    "spool/filters/signer/unsigned.json",
    "spool/MODE",
    "spool/offline/1795752836.1",
)
DATABASES = (
    "data/accounts/logins/blocked.sqlite",
    f"data/{HOME}/junk/state.sqlite",
    f"data/{HOME}/junk/wordlist.db",
)
LINKS = {
    f"data/{HOME}/.dovecot.sieve": "sieve/my-rules.sieve",
    "data/tls/acme/ca/live/mail/privkey.pem": "../../archive/mail/privkey2.pem",
}


def make(top: Path) -> Volumes:
    """Both volumes with everything."""
    volumes = Volumes(top / "data", top / "spool")
    for name, content in FILES.items():
        path = top / name
        if content is None:
            path.mkdir(parents=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        os.utime(path, (1795752836, 1795752836))
    for name in DERIVED:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"derived")
    for name, target in LINKS.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).symlink_to(target)
    for name in DATABASES:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(top / name)) as database:
            database.executescript("PRAGMA journal_mode = WAL; CREATE TABLE failed (at INTEGER);")
            with database:
                database.execute("INSERT INTO failed VALUES (7)")
    return volumes


def empty(top: Path) -> Volumes:
    """Two new volumes."""
    volumes = Volumes(top / "data", top / "spool")
    volumes.data.mkdir(parents=True)
    volumes.spool.mkdir()
    return volumes


def members(volumes: Volumes, notes: BackupNotes | None = None) -> Iterable[Member]:
    """As a backup takes them."""
    notes = BackupNotes() if notes is None else notes
    yield from state_members(volumes, notes)
    yield from queue_members(volumes, notes)
    yield from MailFiles(volumes, notes).members(4e9)


def archive(found: Iterable[Member]) -> bytes:
    """The archive of these members."""
    return b"".join(written(MANIFEST, found))


def back(data: bytes, volumes: Volumes) -> None:
    """Restore it, whoever runs the tests."""
    checked(io.BytesIO(data))
    Restore(volumes, owner_of=lambda _: (os.getuid(), os.getgid())).write(io.BytesIO(data))


def tree(top: Path) -> dict[str, bytes | str | None]:
    """Everything below: contents, targets of links, None for folders."""
    found: dict[str, bytes | str | None] = {}
    for path in sorted(top.rglob("*")):
        name = str(path.relative_to(top))
        if path.is_symlink():
            found[name] = str(path.readlink())
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found
