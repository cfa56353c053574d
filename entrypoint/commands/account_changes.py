"""Where the commands change what is kept: under the lock, and at once live where the server runs.

It must not know what is changed, nor how a person is told.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click

from entrypoint.accounts.changes import RefusedError
from entrypoint.accounts.merge import merged
from entrypoint.accounts.store import Store
from entrypoint.accounts.stored import Stored
from entrypoint.config import environ
from entrypoint.config.accounts import quota_or_none
from entrypoint.config.addresses import foreign_address, own_address
from entrypoint.config.aliases import alias_address
from entrypoint.config.ineffective import oddities
from entrypoint.config.problems import BrokenRuleError, ConfigurationError, shown
from entrypoint.config.settings import Settings
from entrypoint.maintenance.apply import go_live, told
from entrypoint.maintenance.environment import kept
from entrypoint.maintenance.reload import Log
from entrypoint.paths import RUN


@dataclass(frozen=True)
class View:
    """settings: what the environment says. whole: with what is kept. unfit: what is passed over."""

    settings: Settings
    stored: Stored
    whole: Settings
    unfit: tuple[str, ...]


@dataclass(frozen=True)
class Desk:
    """store: what is kept. run: where a running server has its files."""

    store: Store = field(default_factory=Store)
    run: Path = RUN

    @property
    def runs(self) -> bool:
        """Does the server run here, and not in another container or not at all?"""
        return (self.run / "environment.json").exists()

    def look(self) -> View:
        """Everything as it is. Raises ConfigurationError."""
        settings = self._settings(None)
        stored = self.store.load()
        whole, unfit = merged(settings, stored)
        return View(settings, stored, whole, tuple(unfit))

    def change(self, alter: Callable[[Settings, Stored], Stored], log: Log) -> None:
        """Change what is kept, and have it live. log takes a level and a line.

        Raises ConfigurationError, RefusedError where it cannot be written, or what `alter` raises;
        nothing is changed then. NotLiveError where it is kept and not live.
        """
        try:
            with self.store.locked():
                after = alter(self._settings(None), self.store.load())
                # Judged with what is kept from now on: a new account can be the cure.
                settings = self._settings(after.addresses)
                self.store.save(after)
                if not self.runs:
                    for text in oddities(merged(settings, after)[0]):
                        log("warning", text)
                    log(
                        "warning",
                        "no server runs in this container: one that shares /data has it within "
                        "seconds, else it counts from the next start",
                    )
                    return
                try:
                    go_live(settings, log)
                except ConfigurationError as error:
                    raise NotLiveError(error.errors) from None
        except OSError as error:
            raise RefusedError([f"{told(error)}; nothing is changed"]) from None

    def _settings(self, addresses: Collection[str] | None) -> Settings:
        """What the environment says; with the addresses that are kept it is judged whole."""
        try:
            return environ.load(kept(self.run) if self.runs else None, kept=addresses)
        except (OSError, ValueError) as error:
            raise ConfigurationError([str(error)]) from None


class NotLiveError(Exception):
    """The change is kept, and the server does not have it yet."""

    def __init__(self, reasons: list[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


Value = TypeVar("Value")


def _written(parse: Callable[[str], Value]) -> Callable[[str], Value]:
    """A value as a person writes it on the command line."""

    def value(text: str) -> Value:
        try:
            return parse(text)
        except BrokenRuleError as error:
            raise click.BadParameter(f"{shown(text)}: {error.rule}; {error.cure}") from None

    return value


address = _written(own_address)
alias = _written(alias_address)
target = _written(foreign_address)
quota = _written(quota_or_none)


def change(
    ctx: click.Context,
    alter: Callable[[Settings, Stored], Stored],
    done: str,
    generated: str | None = None,
) -> None:
    """Change what is kept, and say that it is done; exit 1 where it cannot be.

    generated: a password that is printed once it is kept, live or not, and not before.
    """
    with refusals():
        try:
            desk(ctx).change(alter, lambda level, text: click.echo(f"{level}: {text}", err=True))
        except NotLiveError:
            _print(generated)
            raise
    _print(generated)
    click.echo(done, err=True)


def _print(generated: str | None) -> None:
    if generated is not None:
        click.echo(generated)


def look(ctx: click.Context) -> View:
    """Everything there is; what is passed over is told."""
    view = desk(ctx).look()
    for problem in view.unfit:
        click.echo(f"warning: passed over: {problem}", err=True)
    return view


def desk(ctx: click.Context) -> Desk:
    """Where it is kept: a test's own place, or the usual one."""
    return ctx.ensure_object(Desk)


@contextmanager
def refusals() -> Iterator[None]:
    """Tell why something is not done, and exit with 1."""
    try:
        yield
    except RefusedError as error:
        _end(error.reasons)
    except NotLiveError as error:
        _end([*error.reasons, "it is kept, and not live yet; the server tries again by itself"])


def _end(reasons: Sequence[str]) -> None:
    for reason in reasons:
        click.echo(f"error: {reason}", err=True)
    sys.exit(1)
