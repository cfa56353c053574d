"""The keeper's loop, a step at a time: files that change are read again, duties are done in time.

Nothing that goes wrong ends it: what is live stays live, and the trouble is told once. It must not
know what is read, nor what a duty does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from entrypoint.config.problems import ConfigurationError
from entrypoint.config.settings import Account, Settings
from entrypoint.maintenance.reload import Log
from filters.watched_file import Stamp, file_stamp

Value = TypeVar("Value")


def differences(old: Settings, new: Settings) -> Iterator[str]:
    """Domains, accounts and aliases: nothing else changes while the server runs."""
    for name, before, after in _changed(
        dict.fromkeys(old.domains, 1), dict.fromkeys(new.domains, 1)
    ):
        if before is None and after is not None:
            yield f"domain {name} added; publish its records: signpost dns {name}"
        else:
            yield f"domain {name} removed"
    for name, was, now in _changed(
        {each.address: each for each in old.accounts}, {each.address: each for each in new.accounts}
    ):
        if was is None or now is None:
            yield f"account {name} {'added' if was is None else 'removed'}"
        else:
            yield from (f"account {name}: {what}" for what in _account(was, now))
    for name, source, goal in _changed(
        {each.address: each.targets for each in old.all_aliases},
        {each.address: each.targets for each in new.all_aliases},
    ):
        if goal is None:
            yield f"alias {name} removed"
        else:
            yield f"alias {name} {'added' if source is None else 'changed'}: {', '.join(goal)}"


def _account(old: Account, new: Account) -> Iterator[str]:
    if old.secret != new.secret:
        yield "another password"
    if old.quota != new.quota:
        yield "another quota"
    for name, was, now in _changed(
        {each.name: each.hash for each in old.app_passwords},
        {each.name: each.hash for each in new.app_passwords},
    ):
        what = "revoked" if now is None else "added" if was is None else "replaced"
        yield f"app password {name} {what}"


def _changed(
    old: Mapping[str, Value], new: Mapping[str, Value]
) -> Iterator[tuple[str, Value | None, Value | None]]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)


# A file may be half written when its change is seen: it has to rest so long.
SETTLES = 1.0  # seconds
RETRIES = 60.0


@dataclass(frozen=True)
class Duty:
    """What is done every so many seconds; it gets the settings and returns level and text."""

    name: str
    every: float
    tick: Callable[[Settings], Sequence[tuple[str, str]]]


class Keeper:
    """refresh: reads everything and has it live, and may log what is not as it should be."""

    def __init__(
        self,
        watched: Sequence[Path],
        refresh: Callable[[Log], Settings],
        duties: Sequence[Duty],
        log: Log,
    ) -> None:
        self._watched, self._refresh, self._log = watched, refresh, log
        self._stamps: list[Stamp | None] = []
        self._refresh_at: float | None = None
        self._settings: Settings | None = None
        self._next = dict.fromkeys(duties, 0.0)
        self._told: dict[str, set[tuple[str, str]]] = {}

    def step(self, now: float) -> None:
        """Look once. now: a clock's seconds that only go on."""
        # Before anything is read: what changes meanwhile is seen by the next step.
        stamps = [file_stamp(path) for path in self._watched]
        if stamps != self._stamps:
            self._refresh_at = now + SETTLES if self._stamps else now
            self._stamps = stamps
        if self._refresh_at is not None and now >= self._refresh_at:
            fine = self._read_again()
            self._refresh_at = None if fine else now + RETRIES
        for duty, due in self._next.items():
            if self._settings is not None and now >= due:
                self._do(duty, self._settings)
                self._next[duty] = now + duty.every

    def _read_again(self) -> bool:
        lines: list[tuple[str, str]] = []
        before = self._settings
        try:
            self._settings = self._refresh(lambda level, text: lines.append((level, text)))
        except ConfigurationError as error:
            lines += [("error", f"the change is not live: {text}") for text in error.errors]
            fine = False
        except Exception as error:
            lines.append(("error", f"the change is not live: {type(error).__name__}: {error}"))
            fine = False
        else:
            fine = True
        if before is not None and self._settings is not None:
            for text in differences(before, self._settings):
                self._log("info", text)
        # The start has told what is merely odd.
        self._tell_new("files", lines, quiet=before is None and fine)
        return fine

    def _do(self, duty: Duty, settings: Settings) -> None:
        try:
            for level, text in duty.tick(settings):
                self._log(level, text)
            trouble = []
        except Exception as error:
            trouble = [("error", f"{duty.name}: {type(error).__name__}: {error}")]
        self._tell_new(duty.name, trouble, quiet=False)

    def _tell_new(self, subject: str, lines: Sequence[tuple[str, str]], *, quiet: bool) -> None:
        """Log what was not told the last time, too."""
        told = self._told.get(subject, set())
        for level, text in lines:
            if (level, text) not in told and not quiet:
                self._log(level, text)
        self._told[subject] = set(lines)
