"""`signpost queue`: smtpd's queue, listed and acted on by `smtpctl`."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import click

from entrypoint import smtpctl
from entrypoint.text import hours, printable, printable_lines

T = TypeVar("T")


@click.group
def command() -> None:
    """Look at the queue and act on it."""


@command.command("list")
def list_envelopes() -> None:
    """List every envelope that waits: id, age, state, sender, recipient, last error."""
    envelopes = _answer(smtpctl.show_queue())
    if not envelopes:
        click.echo("the queue is empty")
    for each in envelopes:
        line = (
            f"{each.evpid} {hours(time.time() - each.created)} {each.state} "
            f"<{each.sender}> -> <{each.recipient}> {each.reason}"
        )
        click.echo(printable(line))


@command.command()
@click.argument("identifier")
@click.option("--raw", is_flag=True, help="The message alone, byte by byte, for a file.")
def show(identifier: str, raw: bool) -> None:
    r"""Print the envelope or the message of an id.

    What would not print is escaped (\x1b), to a pipe, too: whoever wrote the message shall not
    write to a terminal. `--raw` does not escape, and refuses to write to one.
    """
    if raw:
        if sys.stdout.isatty():
            raise click.UsageError("--raw is for a file or a program, not for a terminal")
        message = _answer(smtpctl.output("show", "message", _checked(identifier)))
        sys.stdout.buffer.write(message)
        return
    click.echo(_smtpctl("show", "envelope" if len(identifier) == 16 else "message", identifier))
    if len(identifier) == 16:
        click.echo(_smtpctl("show", "message", identifier))


@command.command()
@click.argument("identifier", default="all")
def flush(identifier: str) -> None:
    """Try again at once: one id, or everything."""
    click.echo(_smtpctl("schedule", identifier), nl=False)


@command.command()
@click.argument("identifier")
def remove(identifier: str) -> None:
    """Remove an envelope or a message by its id, or `all`."""
    click.echo(_smtpctl("remove", identifier), nl=False)


def _smtpctl(*arguments: str) -> str:
    return printable_lines(_answer(smtpctl.run(*map(_checked, arguments))))


def _checked(argument: str) -> str:
    if not argument.isalnum():
        raise click.BadParameter(f"{argument!r} is no id of the queue")
    return argument


def _answer(answer: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(answer)
    except smtpctl.SmtpctlError as error:
        click.echo(error, err=True)
        sys.exit(1)
