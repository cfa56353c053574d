"""A changed configuration goes live: smtpd's tables, Dovecot's users, the filters' files.

The order is such that mail never meets half of a change:

1. Passwords, Dovecot's users, and the filters' addresses without those that go away. Whoever is
   removed is refused by the filters (550) before smtpd no longer knows the address (524).
2. smtpd's tables, when Dovecot has seen who is new: LMTP would bounce their mail.
3. The filters' addresses with those that are new: smtpd knows them by now.

What stands in smtpd.conf itself cannot change without a restart; then that is said, and the rest
goes live all the same. It must not know when to look, nor how a file is watched.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pydantic import Field

from entrypoint.disks import explained
from entrypoint.json_model import JsonModel, read_json
from entrypoint.log_line import LogLine, Say
from entrypoint.maintenance.progress import Progress
from entrypoint.maintenance.sessions import SessionsToEnd
from entrypoint.paths import LOGINS, RUN
from entrypoint.processes import in_child, run_program
from entrypoint.render import RenderedFile, remove_unused_lists, write
from entrypoint.smtpctl import SMTPCTL
from entrypoint.text import counted

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
# Dovecot's: who lives here and with which quota, and how else their domains are written at a login.
_MAILBOXES = frozenset({"dovecot/users", "dovecot/spellings"})
_ADDRESSES = "addresses.json"
_SMTPCTL_SECONDS = 20.0
_WRITE_SECONDS = 60.0
# Then whoever waits hears of it. A session is given time to say BYE.
_DISK_SECONDS = 5.0
_SESSIONS_SECONDS = 5.0


class NotLiveYetError(Exception):
    """Part of a change could not go live for now. `reasons` are one line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class Changes:
    """files: what differs from what is live, by its name in RUN. tables: those that smtpd has to
    read again. without_removed: the filters' addresses while smtpd has not.
    """

    files: Mapping[str, RenderedFile]
    tables: tuple[str, ...] = ()
    without_removed: RenderedFile | None = None


def changes(files: Iterable[RenderedFile], run: Path = RUN) -> Changes:
    """Compare the files with those that are there. Raises OSError."""
    differing = {_name(file): file for file in files if _differs(file, run)}
    tables = tuple(table for table in _TABLES if f"tables/{table}" in differing)
    addresses = differing.get(_ADDRESSES)
    return Changes(differing, tables, addresses and _without_removed(addresses, run))


class _Addresses(JsonModel):
    """The file that both filters read (`filters.addresses`)."""

    delimiter: str
    domains: list[str]
    owners: dict[str, list[str]]
    forwards: list[str]
    senders: dict[str, list[str]] = Field(default_factory=dict)


def _without_removed(addresses: RenderedFile, run: Path) -> RenderedFile | None:
    """The new addresses as far as smtpd knows them already; None where that is no change."""
    try:
        old = read_json(_Addresses, (run / _ADDRESSES).read_text("utf-8"))
        new = read_json(_Addresses, addresses.content)
    except (OSError, ValueError):
        return None
    owners = {each: logins for each, logins in new.owners.items() if each in old.owners}
    both = _Addresses(
        delimiter=new.delimiter,
        domains=[name for name in new.domains if name in old.domains],
        owners=owners,
        # What smtpd still forwards, and what it will: neither may come with a sender that it cannot
        # rewrite.
        forwards=sorted({*old.forwards, *new.forwards} & owners.keys()),
        senders=new.senders,
    )
    text = json.dumps(both.model_dump(), indent=1) + "\n"
    return None if both == old else replace(addresses, content=text)


class MailServers(Protocol):
    """The programs that hear of a change; each way raises OSError or TimeoutError."""

    async def update_table(self, table: str) -> None:
        """Have smtpd read a table again: it keeps the old content where it cannot."""

    async def until_dovecot_looks(self) -> None:
        """Until Dovecot looks at its users again."""

    async def end_sessions(self) -> Mapping[str, int]:
        """End what was noted before (`sessions`); how many, by login."""

    def sessions_to_end(self) -> Collection[str]:
        """The logins that `end_sessions` is about."""


class RunningServers:
    """Those of this container."""

    def __init__(self) -> None:
        self._sessions = SessionsToEnd()

    async def update_table(self, table: str) -> None:
        """By smtpctl."""
        done = await run_program([*SMTPCTL, "update", "table", table], _SMTPCTL_SECONDS)
        if done.status:
            said = " ".join((done.output + done.errors).decode("utf-8", "backslashreplace").split())
            raise OSError(f"smtpd does not take the table {table}: {said}")

    async def until_dovecot_looks(self) -> None:
        """It looks at a passwd-file once in each second of the clock, and never twice."""
        await asyncio.sleep(1.0 - time.time() % 1.0 + 0.01)

    async def end_sessions(self) -> Mapping[str, int]:
        """By those who are noted in /run."""
        return await self._sessions.end()

    def sessions_to_end(self) -> Collection[str]:
        """Those who are noted in /run."""
        return self._sessions.pending()


_PASSWORDS, _USERS, _OLD_SESSIONS = "passwords", "Dovecot's users", "the end of open sessions"
_SMTPD, _FILTERS, _OTHERS = "smtpd's tables", "the filters' addresses", "other files"
_DELIVERY = "the delivery agent's accounts"
_PART = {
    LOGINS: _PASSWORDS,
    **dict.fromkeys(_MAILBOXES, _USERS),
    _ADDRESSES: _FILTERS,
    "mailboxes": _DELIVERY,
}


async def reload(
    new: Changes, servers: MailServers, progress: Progress, say: Say, run: Path = RUN
) -> None:
    """Have the changes live. say: hears what is for the log.

    Raises NotLiveYetError with everything that is not; the next call goes on from there. Whoever
    is cancelled or killed in between leaves the word, too.
    """
    if at_start := sorted(new.files.keys() & _AT_START):
        say(
            LogLine(
                "warning",
                f"restart the container to have all of the change: {', '.join(at_start)} would be "
                "different, and that is read at the start only; the rest is live",
            )
        )
    live = {name: file for name, file in new.files.items() if name not in _AT_START}
    later = {f"tables/{table}" for table in new.tables} | {_ADDRESSES}
    first = {name: file for name, file in live.items() if name not in later}
    progress.expect(*([_PASSWORDS] if LOGINS in first else []))
    progress.expect(*(_PART.get(name, _OTHERS) for name in first))
    progress.expect(*([_SMTPD] if new.tables else []), *([_FILTERS] if _ADDRESSES in live else []))
    progress.expect(*([_OLD_SESSIONS] if servers.sessions_to_end() else []))
    try:
        at_once = [*first.values(), *([new.without_removed] if new.without_removed else [])]
        await _write(at_once, new.tables, progress, run)
    except OSError as error:
        raise NotLiveYetError([_reason(error)]) from None
    for name in first.keys() - _MAILBOXES:
        progress.done(_PART.get(name, _OTHERS))
    # The new passwords count, whether smtpd takes its tables or not.
    ends = await asyncio.gather(
        _mail(new, bool(_MAILBOXES & first.keys()), live.get(_ADDRESSES), servers, progress, run),
        _sessions(servers, progress, say),
        return_exceptions=True,
    )
    if unexpected := [end for end in ends if end and not isinstance(end, NotLiveYetError)]:
        raise unexpected[0]
    if reasons := [text for end in ends if end for text in getattr(end, "reasons", ())]:
        raise NotLiveYetError(reasons)


async def _mail(
    new: Changes,
    users: bool,
    addresses: RenderedFile | None,
    servers: MailServers,
    progress: Progress,
    run: Path,
) -> None:
    """What is taken, and where it goes: Dovecot, then smtpd, then the filters."""
    try:
        if users:
            meanwhile = [_dovecot(servers, progress)]
            if new.tables:
                # So that it is noticed at once, and not after that second, where smtpd hangs.
                meanwhile.append(_update(_TABLES[-1], servers, progress))
            ends = await asyncio.gather(*meanwhile, return_exceptions=True)
            for end in ends:
                if end is not None:
                    raise end
        if new.tables:
            await _write([new.files[f"tables/{table}"] for table in new.tables], (), progress, run)
            for table in new.tables:
                await _update(table, servers, progress)
                _mark(table, run).unlink(missing_ok=True)
            remove_unused_lists(run)
            progress.done(_SMTPD)
        if addresses:
            await _write([addresses], (), progress, run)
            progress.done(_FILTERS)
    except OSError as error:
        late = f"smtpd has not answered within {_SMTPCTL_SECONDS:g} s"
        raise NotLiveYetError([_reason(error, late)]) from None


async def _dovecot(servers: MailServers, progress: Progress) -> None:
    await servers.until_dovecot_looks()
    progress.done(_USERS)


async def _update(table: str, servers: MailServers, progress: Progress) -> None:
    with progress.waiting("smtpd does not answer when it is to read its tables again"):
        await servers.update_table(table)


async def _sessions(servers: MailServers, progress: Progress, say: Say) -> None:
    if not servers.sessions_to_end():
        return
    try:
        with progress.waiting("Dovecot has not ended the open sessions yet", _SESSIONS_SECONDS):
            ended = await servers.end_sessions()
    except OSError as error:
        late = "Dovecot does not say in time whose sessions are open"
        raise NotLiveYetError([_reason(error, late)]) from None
    progress.done(_OLD_SESSIONS)
    for login, number in ended.items():
        ended_how = f"{counted(number, 'open session')} ended: a password counts no longer"
        say(LogLine("info", f"{login}: {ended_how}"))


async def _write(
    files: Sequence[RenderedFile], marked: Sequence[str], progress: Progress, run: Path
) -> None:
    """Write files, and before them that smtpd has not read these tables yet."""
    if files or marked:
        with progress.waiting("the disk is slow to take the files", _DISK_SECONDS):
            try:
                await in_child(partial(_written, files, marked, run), _WRITE_SECONDS)
            except TimeoutError:
                raise OSError("the disk does not take the files in time") from None


def _written(files: Sequence[RenderedFile], marked: Sequence[str], run: Path) -> None:
    for table in marked:
        _mark(table, run).touch()
    write(files, run)


def _reason(error: OSError, late: str = "") -> str:
    """late: what a TimeoutError means, which is an OSError, too."""
    if isinstance(error, TimeoutError):
        return late
    return explained(error)


def all_told(run: Path = RUN) -> None:
    """smtpd is about to start, and reads everything then."""
    for table in _TABLES:
        _mark(table, run).unlink(missing_ok=True)
    remove_unused_lists(run)


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
