"""Tells a person by mail that their Sieve script fails, which Dovecot writes into a file only.

What a script asks for and cannot be done (too many actions, a folder that is not there, an address
that is none) shows when a message comes: Dovecot keeps that message in INBOX, and writes why into
`.dovecot.sieve.log` in the account's home; so does `sieve-send`. The mail is put into INBOX as a
file: it passes no script. Once for a script, and again after a week while it goes on.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Sequence
from email.utils import formatdate
from functools import partial
from pathlib import Path

from entrypoint.config.settings import Settings
from entrypoint.disks import VMAIL, takes_nothing
from entrypoint.files import acting_as
from entrypoint.log_line import LogLine
from entrypoint.paths import MAIL, SIEVE_SCRIPT, account_home
from entrypoint.processes import in_child
from entrypoint.text import printable

EVERY = 5.0  # seconds
_SECONDS = 60.0
_AGAIN_AFTER = 7 * 86_400  # seconds
# In the account's home: Dovecot's log (`sieve_user_log_path`), and what was said of it.
_LOG, _TOLD = ".dovecot.sieve.log", ".sieve-notice"
_MOST = 4096  # bytes of the log
_MOST_LINES = 20
# What Dovecot begins the file with, each time that it opens it.
_OPENED = "sieve: info: started log at "

_TEXT = """\
From: Mail server <MAILER-DAEMON@{hostname}>
To: <{address}>
Subject: Your Sieve script fails
Date: {date}
Message-ID: <sieve.{moment:.6f}.{local_id}@{hostname}>
Auto-Submitted: auto-generated
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Something that your filter rules (the Sieve script) ask for could not be done:

{errors}

No mail is lost: what could not be filed or redirected is in your inbox.

This is said once, until the script is changed, and again after a week if it goes on.
"""


class SieveNoticesTicker:
    """A duty of maintenance."""

    async def tick(self, settings: Settings) -> list[LogLine]:
        """Look at each account's log; the lines for our own. Raises TimeoutError."""
        if not settings.enable_imap:
            return []
        addresses = [account.address for account in settings.accounts]
        return await in_child(partial(_look, addresses, settings.mail_hostname), _SECONDS)


def _look(addresses: Sequence[str], hostname: str) -> list[LogLine]:
    with acting_as(VMAIL):
        return tell_all(addresses, hostname)


def tell_all(
    addresses: Sequence[str], hostname: str, mail: Path = MAIL, now: float | None = None
) -> list[LogLine]:
    """Write to those whose script fails; a line for each. now: Unix time."""
    now = time.time() if now is None else now
    lines = []
    for address in addresses:
        home = account_home(address, mail)
        try:
            errors = _news(home, now)
            if errors:
                _write(home, address, hostname, errors, now)
                text = f"{address}: wrote that the Sieve script fails: {errors[-1]}"
                lines.append(LogLine("info", text))
        except FileNotFoundError:
            continue
        except OSError as error:
            # There is no room: later. Or it is not vmail's, which others say.
            if not takes_nothing(error) and not isinstance(error, PermissionError):
                lines.append(LogLine("warning", f"{address}: no notice to its owner: {error}"))
                _remember(home, now)
    return lines


def _news(home: Path, now: float) -> list[str]:
    """What is to be told, the latest last. Raises OSError."""
    log = os.lstat(home / _LOG)
    with contextlib.suppress(FileNotFoundError):
        link, script = (home / SIEVE_SCRIPT).lstat(), (home / SIEVE_SCRIPT).stat()
        if log.st_mtime < max(link.st_mtime, script.st_mtime):
            return []  # of a script that is no more
    with contextlib.suppress(FileNotFoundError):
        told = os.lstat(home / _TOLD)
        if told.st_mtime >= log.st_mtime:
            return []
        same = (home / _TOLD).read_bytes() == _script(home)
        if same and now - told.st_mtime < _AGAIN_AFTER:
            return []
    with os.fdopen(os.open(home / _LOG, os.O_RDONLY | os.O_NOFOLLOW), "rb") as stream:
        stream.seek(max(0, log.st_size - _MOST))
        content = stream.read(_MOST).decode("utf-8", "replace")
    # Of the last run: the script may be another since.
    _, opened, last = content.rpartition(_OPENED)
    lines = [printable(line) for line in last.split("\n")[1 if opened else 0 :] if line.strip()]
    return lines[-_MOST_LINES:]


def _script(home: Path) -> bytes:
    """What is another for another script."""
    try:
        status = (home / SIEVE_SCRIPT).stat()
    except FileNotFoundError:
        return b""
    return f"{status.st_ino} {status.st_mtime_ns}".encode()


def _write(home: Path, address: str, hostname: str, errors: Sequence[str], now: float) -> None:
    name = f"{now:.6f}.sieve-notice.{hostname}"
    text = _TEXT.format(
        hostname=hostname,
        address=address,
        date=formatdate(now),
        moment=now,
        local_id=os.urandom(6).hex(),
        errors="\n".join(f"    {line}" for line in errors),
    )
    temporary = home / "Maildir/tmp" / name
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as to:
            to.write(text.encode())
            to.flush()
            os.fsync(to.fileno())
        _remember(home, now)
        temporary.rename(home / "Maildir/new" / name)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _remember(home: Path, now: float) -> None:
    path = home / _TOLD
    path.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with os.fdopen(os.open(path, flags, 0o600), "wb") as stream:
        stream.write(_script(home))
    os.utime(path, (now, now))
