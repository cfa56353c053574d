"""A changed configuration goes live while smtpd runs: its tables and the filters' files.

What stands in smtpd.conf itself cannot change without a restart; then that is said, and the rest
goes live all the same. It must not know when to look, nor how a file is watched.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from entrypoint.paths import RUN
from entrypoint.render import RenderedFile, write

# The tables that smtpd reads again when it is told to. A domain comes after those who live in it.
_TABLES = ("virtuals", "domains")
# What is read at the start only.
_AT_START = frozenset(
    {
        "smtpd.conf",
        "supervisord.conf",
        "dovecot/dovecot.conf",
        "ports",
        "mailname",
        "tables/relaysecrets",
    }
)
# Dovecot's: who lives here, and with which quota.
_MAILBOXES = "dovecot/users"
_PATIENCE = 20.0  # seconds

Log = Callable[[str, str], None]


def reload(
    files: Sequence[RenderedFile],
    log: Log,
    run: Path = RUN,
    update: Callable[[str], None] | None = None,
    until_seen: Callable[[], None] | None = None,
) -> bool:
    """Write what has changed and tell smtpd; whether anything went live.

    log takes a level and a line. update tells smtpd of a table. until_seen returns when Dovecot
    looks at its list again. Raises OSError where a file cannot be written, or smtpd does not take a
    table: it keeps the old content then, and is told again the next time.
    """
    changed = {_name(file): file for file in files if _differs(file, run)}
    if kept := sorted(changed.keys() & _AT_START):
        log(
            "warning",
            f"restart the container to have all of the change: {', '.join(kept)} would be "
            "different, and that is read at the start only; the rest is live",
        )
    live = {name: file for name, file in changed.items() if name not in _AT_START}
    pending = [table for table in _TABLES if f"tables/{table}" in changed]
    # Before the table is written: whoever is killed in between leaves the word.
    for table in pending:
        _mark(table, run).touch()
    # Who is new is known to Dovecot before anybody takes mail for them or says that all is done.
    if mailboxes := live.pop(_MAILBOXES, None):
        write([mailboxes], run)
        (until_seen or _next_second)()
    write(live.values(), run)
    for table in pending:
        (update or _update)(table)
        _mark(table, run).unlink()
    return bool(live or mailboxes)


def all_told(run: Path = RUN) -> None:
    """smtpd is about to start, and reads everything then."""
    for table in _TABLES:
        _mark(table, run).unlink(missing_ok=True)


def _name(file: RenderedFile) -> str:
    return str(file.path.relative_to(RUN))


def _mark(table: str, run: Path) -> Path:
    """There as long as smtpd has not taken what stands in the table."""
    return run / f"{table}.untold"


def _differs(file: RenderedFile, run: Path) -> bool:
    if _mark(file.path.name, run).exists():
        return True
    try:
        return (run / _name(file)).read_text("utf-8") != file.content
    except FileNotFoundError:
        return True


def _next_second() -> None:
    """Dovecot looks at a passwd-file once in each second of the clock, and never twice."""
    time.sleep(1.0 - time.time() % 1.0 + 0.01)


def _update(table: str) -> None:
    # smtpctl is set-gid, which a container may be denied: the group is taken directly.
    command = ["setpriv", "--regid", "opensmtpq", "--clear-groups", "smtpctl", "update", "table"]
    done = subprocess.run(  # noqa: S603 -- a fixed command
        [*command, table],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        said = " ".join((done.stdout + done.stderr).split())
        raise OSError(f"smtpd does not take the new table {table}: {said}")
