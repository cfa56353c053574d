"""A certificate from an ACME server: asked for when the plan says so, by certbot.

It must not know how the certificate goes live: that is as for any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from pydantic import TypeAdapter

from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.files import write_file
from entrypoint.json_model import JsonModel, read_json
from entrypoint.log_line import LogLine
from entrypoint.mounts import is_mount_point
from entrypoint.processes import in_child
from entrypoint.resolv_conf import preloaded
from entrypoint.text import day, listed, minute
from entrypoint.tls.acme_plan import (
    MOST_NAMES,
    Attempt,
    Held,
    Outcome,
    next_order,
    next_try,
    recent,
)
from entrypoint.tls.certbot import Certbot, Result
from entrypoint.tls.pair import Pair, Paths, check_fit
from entrypoint.tls.pointing_here import NamesPointingHere
from entrypoint.tls.sources import acme_folder, issued_paths
from filters.log_throttle import Throttle
from filters.watched_file import Stamp, file_stamp

_NAME = "attempts.json"


class _Attempt(JsonModel):
    at: float
    outcome: Outcome
    not_before: float
    # Earlier versions did not write these down.
    names: tuple[str, ...] = ()
    blamed: tuple[str, ...] = ()


_ATTEMPTS = TypeAdapter(tuple[_Attempt, ...])


def read_attempts(folder: Path) -> tuple[Attempt, ...]:
    """Oldest first; none if there is no such file. Raises OSError, or ValueError for another."""
    try:
        found = read_json(_ATTEMPTS, (folder / _NAME).read_text("ascii"))
    except FileNotFoundError:
        return ()
    attempts = [
        Attempt(each.at, each.outcome, each.not_before, each.names, each.blamed) for each in found
    ]
    return tuple(sorted(attempts, key=lambda each: each.at))


def write_attempts(folder: Path, attempts: Sequence[Attempt]) -> None:
    """Replace the file. Raises OSError."""
    content = json.dumps([asdict(each) for each in attempts], indent=1) + "\n"
    write_file(folder / _NAME, content.encode(), "root", "root", 0o600)


def _begin(folder: Path, attempts: Sequence[Attempt]) -> None:
    for path in (folder.parent, folder):
        path.mkdir(mode=0o700, exist_ok=True)
        path.chmod(0o700)
    write_attempts(folder, attempts)


def _read_held(paths: Paths, host: str, now: float) -> Held | None:
    try:
        fit = check_fit(Pair.read(paths), host, now)
    except BrokenRuleError:
        return None
    return Held(fit.begins, fit.ends, fit.names)


_DISK_SECONDS = 60.0
# What certbot and a hook find; nothing of the configuration is among it.
_ENVIRON = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}


class Run(Protocol):
    """A client that was started."""

    def poll(self) -> Result | None:
        """How it ended; None while it runs."""


Start = Callable[[Settings, Path, Sequence[str]], Run]


def _start(settings: Settings, folder: Path, names: Sequence[str]) -> Run:
    environ = _ENVIRON | {"TZ": settings.tz, "LANG": "C.UTF-8"} | preloaded()
    return Certbot(settings, folder, names, environ)


class Acme:
    """Keeps the client's run, and what was said last."""

    def __init__(
        self,
        data: Path,
        start: Start = _start,
        lasts: Callable[[Path], bool] = is_mount_point,
        names: NamesPointingHere | None = None,
    ) -> None:
        """lasts: does a folder outlast the container?"""
        self._data, self._start, self._lasts = data, start, lasts
        self._names = names or NamesPointingHere()
        self._run: Run | None = None
        self._restarted = True
        self._troubles = Throttle[str]()
        self._found, self._crowd = Throttle[Held](), Throttle[str]()
        self._checked: tuple[tuple[Stamp | None, ...], Held | None] | None = None

    @property
    def busy(self) -> bool:
        """Is a client at work, so that its files may change?"""
        return self._run is not None

    async def tick(self, settings: Settings, now: float) -> list[LogLine]:
        """Begin a run, or see how it ended; the lines for the log. Nothing is raised."""
        try:
            lines = await self._tick(settings, now)
        except TimeoutError:
            return self._once("its files cannot be read and written in time")
        except OSError as error:
            return self._once(explained(error))
        except ValueError as error:
            file = acme_folder(settings, self._data) / "attempts.json"
            return self._once(f"{file}: it cannot be read ({error}); remove it")
        return lines

    async def _tick(self, settings: Settings, now: float) -> list[LogLine]:
        folder = acme_folder(settings, self._data)
        if not self._lasts(self._data):
            # Each new container would ask for a new certificate, and the server's limits are few.
            return self._once(
                f"no certificate is asked for: {self._data} is no volume, so it would be lost with "
                "the container; mount one"
            )
        attempts = recent(read_attempts(folder), now)
        if self._run is not None:
            result = self._run.poll()
            return [] if result is None else await self._ended(settings, attempts, result, now)
        held = await self._held(settings, now)
        further = self._names.known(settings, held, now) if held else ()
        if further is None:
            return []
        order = next_order(
            settings.mail_hostname, further, held, attempts, now, restarted=self._restarted
        )
        lines = self._count(further)
        if held is not None and self._found.news([held]):
            lines += [valid(held, order.at)] if now < order.at else []
        if now < order.at:
            return lines
        # Written down first: what is cut off counts.
        begun = [*attempts, Attempt(now, "begun", names=order.names)]
        await in_child(partial(_begin, folder, begun), _DISK_SECONDS)
        self._run, self._restarted = self._start(settings, folder, order.names), False
        return [*lines, asked(settings.acme_server, order.names, held)]

    async def _ended(
        self, settings: Settings, attempts: tuple[Attempt, ...], result: Result, now: float
    ) -> list[LogLine]:
        self._run = None
        host = settings.mail_hostname
        begun = attempts[-1] if attempts else Attempt(now, "begun", names=(host,))
        last = replace(
            begun,
            outcome="failed" if result.problem else "issued",
            not_before=result.not_before,
            blamed=result.blamed,
        )
        attempts = (*attempts[:-1], last)
        folder = acme_folder(settings, self._data)
        await in_child(partial(write_attempts, folder, attempts), _DISK_SECONDS)
        if result.stranger:
            # certbot would go on with it for ever; without one it makes another.
            (folder / "accounts").rename(folder / f"accounts.unknown-{int(now)}")
        if not result.problem:
            self._troubles.news(())
            return [issued(settings.acme_server, last.names)]
        if not last.against(host):
            return [left_out(result, attempts)]
        held = await self._held(settings, now)
        order = next_order(host, last.names[1:], held, attempts, now)
        return [failed(settings.acme_server, result, max(order.at, now))]

    async def _held(self, settings: Settings, now: float) -> Held | None:
        """The certificate that is there, if it can be served."""
        paths = issued_paths(settings, self._data)
        stamps = file_stamp(paths.certificate), file_stamp(paths.key)
        if self._checked is not None and self._checked[0] == stamps:
            return self._checked[1]
        held = await in_child(
            partial(_read_held, paths, settings.mail_hostname, now), _DISK_SECONDS
        )
        self._checked = stamps, held
        return held

    def _count(self, further: Sequence[str]) -> list[LogLine]:
        """Once: more names than a certificate can have."""
        crowd = ["crowd"] if len(further) >= MOST_NAMES else []
        return [too_many(len(further)) for _ in self._crowd.news(crowd)]

    def _once(self, trouble: str) -> list[LogLine]:
        return [LogLine("error", f"ACME: {text}") for text in self._troubles.news([trouble])]


_MOST_LISTED = 6


def asked(server: str, names: Sequence[str], held: Held | None) -> LogLine:
    """A run has begun."""
    what = "a certificate is" if held is None else "the next certificate is"
    further = f" for {first_names(names)}" if len(names) > 1 else ""
    return LogLine("info", f"{what} asked for at {server}{further}")


def issued(server: str, names: Sequence[str]) -> LogLine:
    """A run has ended well."""
    return LogLine("info", f"{server} has issued a certificate for {first_names(names)}")


def failed(server: str, result: Result, due: float) -> LogLine:
    """A run has failed for the host's own name, or for all. due: when the next one begins."""
    return LogLine(
        "error",
        f"no certificate from {server}: {result.problem}; "
        f"next try {minute(due)} UTC, or when the container is restarted",
    )


def left_out(result: Result, attempts: Sequence[Attempt]) -> LogLine:
    """A run has failed for further names alone: the host's goes on without them."""
    due = max(next_try(name, attempts) for name in result.blamed)
    return LogLine(
        "warning",
        f"{first_names(result.blamed)} cannot be in the certificate yet: {result.problem}; "
        f"next try {minute(due)} UTC, or when the container is restarted",
    )


def valid(held: Held, due: float) -> LogLine:
    """What there is, and when the next one is asked for."""
    return LogLine(
        "info",
        f"the ACME server's certificate is valid until {day(held.ends)}; the next one "
        f"is asked for on {minute(due)} UTC",
    )


def too_many(count: int) -> LogLine:
    """More further names point here than a certificate can have."""
    most = MOST_NAMES - 1
    return LogLine(
        "warning",
        f"{count} names beside MAIL_HOSTNAME point here, and a certificate has room for {most}: "
        "the last ones of DOMAINS are left out",
    )


def first_names(names: Sequence[str]) -> str:
    """`a, b and c`; of many names the first ones."""
    shown, more = list(names[:_MOST_LISTED]), len(names) - _MOST_LISTED
    if more > 0:
        shown.append(f"{more} more")
    return listed(shown)
