"""What the commands have in common: addresses as a person writes them, and how things are told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import click

from entrypoint.accounts import quota_or_none
from entrypoint.addresses_parse import foreign_address, own_address
from entrypoint.aliases import alias_address
from entrypoint.mailboxes.changes import RefusedError
from entrypoint.mailboxes.desk import Desk, NotLiveError, View
from entrypoint.mailboxes.model import Stored
from entrypoint.problems import BrokenRuleError, shown
from entrypoint.settings import Settings

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


def table(rows: Sequence[Sequence[str]]) -> None:
    """Rows of one width, the first of which are headings."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def _end(reasons: Sequence[str]) -> None:
    for reason in reasons:
        click.echo(f"error: {reason}", err=True)
    sys.exit(1)
