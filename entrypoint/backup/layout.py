"""Which files the two volumes hold: what of them a backup has, and whose each one is.

A member of an archive is named as the file is, with `data/` for /data and `spool/` for the queue's
volume. What no line here knows is not restored. Pure: it must not touch a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from entrypoint.backup.held import HELD
from entrypoint.paths import DATA, SPOOL

Kind = Literal["file", "folder"]
MANIFEST, DIGESTS, END = "signpost-backup.json", "digests/", "signpost-backup-end.json"
# A symbolic link is a file of this name with the target in it: an archive has no links.
LINK = ".link"


@dataclass(frozen=True)
class Place:
    """owner: its user, and the group of that name. mode: for a file that of root's eyes alone.

    link: the targets that a link may have here. mail: it is mail, or is of no use without.
    database: of SQLite.
    """

    kinds: tuple[Kind, ...]
    owner: str
    mode: int
    mail: bool = False
    link: re.Pattern[str] | None = None
    database: bool = False


@dataclass(frozen=True)
class Volumes:
    """Where the two volumes are."""

    data: Path = DATA
    spool: Path = SPOOL

    def path(self, member: str) -> Path:
        """Where a member is restored; the queue's are held."""
        volume, _, rest = member.partition("/")
        if volume == "spool" and (held := _QUEUED.fullmatch(member)):
            return self.spool / HELD / held["message"] / held["file"]
        return (self.data if volume == "data" else self.spool) / rest


# Names of domains and accounts: nothing that is hidden.
_NAME = r"[^/.][^/]*"
_HOME = rf"data/mail/{_NAME}/{_NAME}"
_MAILDIR = rf"{_HOME}/Maildir(?:/\.{_NAME})?"
_ACME = r"data/tls/acme/[^/]+"
_PEM = r"(?:cert|chain|fullchain|privkey)"
# smtpd's queue: a message of an id, with envelopes whose ids begin with that.
_QUEUED = re.compile(
    r"spool/queue/(?P<bucket>[0-9a-f]{2})/(?P<message>(?P=bucket)[0-9a-f]{6})"
    r"/(?P<file>message|(?P=message)[0-9a-f]{8})"
)


def _folder(pattern: str, owner: str, mode: int, *, mail: bool = False) -> tuple[str, Place]:
    return pattern, Place(("folder",), owner, mode, mail)


def _file(
    pattern: str, owner: str, mode: int = 0o600, *, mail: bool = False, database: bool = False
) -> tuple[str, Place]:
    return pattern, Place(("file",), owner, mode, mail, database=database)


def _link(pattern: str, owner: str, targets: str) -> tuple[str, Place]:
    link = re.compile(targets, re.DOTALL)
    return pattern + re.escape(LINK), Place(("file",), owner, 0o600, link=link)


_PLACES = (
    _folder(r"data/secrets", "root", 0o700),
    _file(rf"data/secrets/{_NAME}", "root"),
    _folder(r"data/tls(?:/acme)?", "root", 0o700),
    _file(r"data/tls/[^/.][^/]*\.pem", "root"),
    _folder(_ACME, "root", 0o700),
    _file(rf"{_ACME}/attempts\.json", "root"),
    _link(
        rf"{_ACME}/live/{_NAME}/{_PEM}\.pem", "root", rf"\.\./\.\./archive/{_NAME}/{_PEM}\d+\.pem"
    ),
    # certbot's own: accounts, keys, every certificate that it has had.
    (
        rf"{_ACME}/(?:accounts|archive|csr|keys|live|renewal)(?:/.+)?",
        Place(("folder", "file"), "root", 0o600),
    ),
    _folder(r"data/dkim", "root", 0o755),
    _file(r"data/dkim/state\.json", "root", 0o644),
    _folder(rf"data/dkim/{_NAME}", "signer", 0o700),
    _file(rf"data/dkim/{_NAME}/{_NAME}\.pem", "signer"),
    _folder(r"data/arc", "root", 0o755),
    _folder(rf"data/arc/{_NAME}", "verifier", 0o700),
    _file(rf"data/arc/{_NAME}/{_NAME}\.pem", "verifier"),
    _folder(r"data/accounts", "root", 0o755),
    _file(r"data/accounts/accounts\.json", "root"),
    _folder(r"data/accounts/logins", "logins", 0o700),
    _file(r"data/accounts/logins/last-used\.json", "logins"),
    _file(r"data/accounts/logins/blocked\.sqlite", "logins", database=True),
    _folder(rf"data/mail(?:/{_NAME}){{0,2}}", "vmail", 0o700),
    _folder(rf"{_HOME}/sieve", "vmail", 0o700),
    # Scripts have the names that their authors gave them, with a dot at the beginning, too.
    _file(rf"{_HOME}/sieve/[^/]+\.sieve", "vmail"),
    _file(rf"{_HOME}/\.dovecot\.sieve(?:\.log(?:\.0)?)?", "vmail"),
    _link(rf"{_HOME}/\.dovecot\.sieve", "vmail", r"sieve/[^/]+\.sieve"),
    # What `signpost import` has brought, so that it brings nothing twice.
    _file(rf"{_HOME}/imported", "vmail", mail=True),
    # To whom `vacation` has written.
    _file(rf"{_HOME}/\.dovecot\.lda-dupes", "vmail", mail=True),
    # What its junk filter has learned: words of its mail, and from which messages.
    _folder(rf"{_HOME}/junk", "vmail", 0o700, mail=True),
    _file(rf"{_HOME}/junk/(?:state\.sqlite|wordlist\.db)", "vmail", mail=True, database=True),
    _folder(_MAILDIR, "vmail", 0o700, mail=True),
    _folder(rf"{_MAILDIR}/(?:cur|new|tmp)", "vmail", 0o700, mail=True),
    _file(rf"{_MAILDIR}/(?:cur|new)/{_NAME}", "vmail", mail=True),
    # The numbers of messages, the names of keywords.
    _file(rf"{_MAILDIR}/(?:dovecot-uidlist|dovecot-keywords|maildirfolder)", "vmail", mail=True),
    _file(
        rf"{_HOME}/Maildir/(?:subscriptions|dovecot-uidvalidity(?:\.[0-9a-f]{{8}})?)",
        *("vmail", 0o600),
        mail=True,
    ),
    _folder(r"spool/filters", "root", 0o711),
    _folder(r"spool/filters/verifier", "verifier", 0o700),
    _file(r"spool/filters/verifier/clients\.json", "verifier"),
    _file(r"spool/filters/verifier/greylist\.sqlite", "verifier", database=True),
    _folder(r"spool/filters/signer", "signer", 0o700),
    # How much each account, and each account's script, has sent.
    _file(r"spool/filters/signer/sent(?:-by-scripts)?\.json", "signer"),
    # smtpd gets them from root when they are released.
    _file(_QUEUED.pattern, "root", mail=True),
)
_COMPILED = tuple((re.compile(pattern, re.DOTALL), place) for pattern, place in _PLACES)

# What is made anew from the rest: indexes and caches, compiled scripts, locks, what is being
# written. The digests of passwords that were right (filters/logins) are not for one archive with
# their hashes; the journal is a log of its machine, of days that somebody chose.
_DERIVED = re.compile(
    r"(?:data|spool)/(?:VERSION|FORMAT|MODE|RESTORE|lost\+found)"
    r"|data/journal(?:/.*)?"
    # No folder of mail, whose names begin with a dot as well.
    r"|data/(?!mail/)(?:[^/]+/)*\.(?:lock|[^/]+\.\d+)"
    r"|(?:data/accounts/logins/blocked|spool/filters/verifier/greylist)\.sqlite(?:-wal|-shm|\.damaged)"
    r"|data/accounts/logins/\.[^/]+"
    # What a client is still sending, and what smtpd removes.
    r"|spool/(?:incoming|temporary|purge|offline)(?:/.*)?"
    r"|spool/filters/(?:logins(?:/.*)?|signer/unsigned\.json|(?:signer|verifier)/\.[^/]+)"
    r"|spool/\.[^/]+\.\d+"
    rf"|{_ACME}/(?:log|work|renewal-hooks|\.certbot\.lock)(?:/.*)?"
    r"|data/mail/\.signpost-room"
    rf"|{_HOME}/(?:\.dovecot\.(?:svbin|lda-dupes\.lock.*|[^/]+\.lock)|\.sieve-.*|\.temp\..*)"
    # Dovecot's, while it removes old junk.
    rf"|{_HOME}/dovecot\.autoexpunge\.lock"
    # Which messages lay where when they were looked at last; and what SQLite has beside a database.
    rf"|{_HOME}/junk/(?:lock|seen\.sqlite.*|(?:state\.sqlite|wordlist\.db)-(?:wal|shm|journal))"
    rf"|{_HOME}/sieve/(?:tmp|\..*|[^/]+\.svbin)(?:/.*)?"
    # Folders that Dovecot is removing.
    rf"|{_HOME}/Maildir/\.\..+"
    rf"|{_MAILDIR}/(?:tmp/.*|dovecot[^/]*|maildirsize|subscriptions\.[^/]+|\.temp\..*)",
    re.DOTALL,
)
_LONGEST, _LONGEST_PART = 4000, 255  # bytes


def place_of(member: str) -> Place | None:
    """What a member is; None for what is none."""
    if not _is_plain(member):
        return None
    return next((place for pattern, place in _COMPILED if pattern.fullmatch(member)), None)


def is_derived(member: str) -> bool:
    """Is it made anew, so that no backup needs it?"""
    return _DERIVED.fullmatch(member) is not None and place_of(member) is None


def queued(member: str) -> re.Match[str] | None:
    """The ids of a file of the queue."""
    return _QUEUED.fullmatch(member)


def _is_plain(member: str) -> bool:
    """Does the name stay below its top, and can a disk have it?"""
    encoded = member.encode("utf-8", "surrogateescape")
    parts = encoded.split(b"/")
    return (
        len(encoded) <= _LONGEST
        and b"\0" not in encoded
        and all(part not in (b"", b".", b"..") and len(part) <= _LONGEST_PART for part in parts)
    )
