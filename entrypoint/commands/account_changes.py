"""How commands change accounts, aliases and app passwords: written under the lock, then applied.

A command reads the environment once, and validates the whole once. The maintenance process applies
what is written and says how that ended; where no server runs, that is said. It must not know what
is changed.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import click

from entrypoint.accounts.changes import Change, ChangeRefusedError, checked
from entrypoint.accounts.merge import merged
from entrypoint.accounts.store import AccountStore
from entrypoint.accounts.stored import Stored
from entrypoint.config import environ, values
from entrypoint.config.addresses import own_address
from entrypoint.config.aliases import alias_address, alias_target
from entrypoint.config.ineffective import ineffective_settings
from entrypoint.config.problems import BrokenRuleError, ConfigurationError, shown
from entrypoint.config.settings import Settings
from entrypoint.disks import explained
from entrypoint.maintenance.control_socket import SOCKET, Outcome, Request, ask
from entrypoint.maintenance.environment import read_environment
from entrypoint.paths import RUN
from entrypoint.text import printable

Alter = Callable[[Settings, Stored], Change]


@dataclass(frozen=True)
class Accounts:
    """settings: what the environment says. stored: what the commands have written."""

    settings: Settings
    stored: Stored


@dataclass(frozen=True)
class AccountFiles:
    """store: what the commands write. run: where a running server has its files."""

    store: AccountStore = field(default_factory=AccountStore)
    run: Path = RUN

    @property
    def server_runs(self) -> bool:
        """Does the server run here, and not in another container or not at all?"""
        return (self.run / "environment.json").exists()

    def read(self) -> Accounts:
        """Everything as it is. Raises ConfigurationError."""
        return Accounts(self._settings(None), self.store.load())

    def read_to_change(self, adding: Collection[str] = ()) -> Accounts:
        """The same, judged whole. adding: addresses that are about to be; they can be the cure."""
        stored = self.store.load()
        return Accounts(self._settings(stored.addresses | set(adding)), stored)

    def _settings(self, addresses: Collection[str] | None) -> Settings:
        """What the environment says; with the addresses that are stored it is judged whole."""
        try:
            variables = read_environment(self.run) if self.server_runs else None
            return environ.load(variables, kept=addresses)
        except OSError as error:
            raise ConfigurationError([explained(error)]) from None
        except ValueError as error:
            raise ConfigurationError([str(error)]) from None

    def write(self, settings: Settings, alter: Alter) -> tuple[Settings, list[str]]:
        """Make a change under the lock; the whole after it, and what of it is passed over.

        Raises what `alter` raises, ConfigurationError, or RefusedError, also where it cannot be
        written; nothing is changed then.
        """
        try:
            with self.store.locked():
                change = alter(settings, self.store.load())
                whole, unfit = checked(settings, change)
                self.store.save(change.after)
        except OSError as error:
            raise ChangeRefusedError([f"{explained(error)}; nothing is changed"]) from None
        return whole, unfit

    def apply(self, request: Request) -> Outcome:
        """Have the running server apply what is written."""
        return ask(request, self.run / SOCKET.name)


class NotLiveError(Exception):
    """The change is written, and the server does not have it yet."""

    def __init__(self, reasons: Sequence[str]) -> None:
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


def _quota(text: str) -> int:
    if text.lower() == "none":
        return 0
    try:
        return values.quota(text)
    except BrokenRuleError as error:
        raise BrokenRuleError(f"the quota is {error.rule}", "write it like 5G, or none") from None


address = _written(own_address)
alias = _written(alias_address)
target = _written(alias_target)
quota = _written(_quota)


def change(
    ctx: click.Context,
    accounts: Accounts,
    alter: Alter,
    done: str,
    generated: str | None = None,
) -> None:
    """Make a change, have it live and say so; exit 1 where it cannot be.

    generated: a password, which is printed once it is written, live or not.
    """
    files = account_files(ctx)
    with refusals():
        whole, unfit = files.write(accounts.settings, alter)
        if generated is not None:
            click.echo(generated)
        if files.server_runs:
            outcome = files.apply("apply")
        else:
            outcome = Outcome(lines=tuple(_without_server(whole, unfit)))
        for level, text in outcome.lines:
            click.echo(f"{level}: {printable(text)}", err=True)
        if not outcome.ok:
            raise NotLiveError(outcome.reasons)
    click.echo(done, err=True)


def _without_server(whole: Settings, unfit: Sequence[str]) -> Iterator[tuple[str, str]]:
    for problem in unfit:
        yield "warning", f"passed over: {problem}"
    for text in ineffective_settings(whole):
        yield "warning", text
    yield (
        "warning",
        "no server runs in this container: one that shares /data has it within "
        "seconds, else it counts from the next start",
    )


def read_merged(ctx: click.Context) -> tuple[Accounts, Settings]:
    """Everything there is, and merged; what is passed over is said."""
    accounts = account_files(ctx).read()
    whole, unfit = merged(accounts.settings, accounts.stored)
    for problem in unfit:
        click.echo(f"warning: passed over: {problem}", err=True)
    return accounts, whole


def account_files(ctx: click.Context) -> AccountFiles:
    """A test's own place, or the usual one."""
    return ctx.ensure_object(AccountFiles)


@contextmanager
def refusals() -> Iterator[None]:
    """Say why something is not done, and exit with 1."""
    try:
        yield
    except ChangeRefusedError as error:
        _end(error.reasons)
    except NotLiveError as error:
        _end([*error.reasons, "it is written, and not live yet; the server tries again by itself"])


def _end(reasons: Sequence[str]) -> None:
    for reason in reasons:
        click.echo(f"error: {printable(reason)}", err=True)
    sys.exit(1)
