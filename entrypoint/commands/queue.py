"""`signpost queue`: smtpd's queue, listed and acted on by `smtpctl`."""

from __future__ import annotations

import asyncio
import re
import sys
import time
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import click

from entrypoint import smtpctl
from entrypoint.backup.held import held_line
from entrypoint.text import counted, hours, printable, printable_lines

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
    if (held := held_line()) is not None:
        click.echo(held)


@command.command()
@click.argument("identifier")
@click.option("--raw", is_flag=True, help="The message alone, byte by byte, for a file.")
def show(identifier: str, raw: bool) -> None:
    r"""Print the envelope or the message of an id.

    What would not print is escaped (\x1b), to a pipe, too: whoever wrote the message shall not
    write to a terminal. `--raw` does not escape, and refuses to write to one.
    """
    _checked(identifier)
    if raw:
        if sys.stdout.isatty():
            raise click.UsageError("--raw is for a file or a program, not for a terminal")
        message = _answer(smtpctl.output("show", "message", identifier), identifier)
        sys.stdout.buffer.write(message)
        return
    if len(identifier) == 16:
        click.echo(_show("envelope", identifier))
    click.echo(_show("message", identifier))


@command.command()
@click.argument("identifier", default="all")
def flush(identifier: str) -> None:
    """Try again at once: an envelope or a message by its id, or everything."""
    _act("schedule", identifier, "scheduled")


@command.command()
@click.argument("identifier")
def remove(identifier: str) -> None:
    """Remove an envelope or a message by its id, or `all`."""
    _act("remove", identifier, "removed")


def _act(action: str, identifier: str, done: str) -> None:
    """Have smtpd act on what waits, and say on how much of it; exit 1 where an id is unknown."""
    if identifier != "all":
        identifier = _checked(identifier)
    printed = _answer(smtpctl.run(action, identifier))
    number = re.match(r"(\d+) envelope", printed)
    count = int(number[1]) if number else 0
    if count:
        click.echo(f"{counted(count, 'envelope')} {done}")
    elif identifier == "all":
        # What is being tried at this moment is in the queue, too.
        click.echo("nothing in the queue waits for another attempt")
    else:
        _fail(_unknown(identifier))


def _show(what: str, identifier: str) -> str:
    return printable_lines(_answer(smtpctl.run("show", what, identifier), identifier))


def _checked(identifier: str) -> str:
    """An id as smtpd writes it: 8 digits of a message, 16 of an envelope."""
    if not re.fullmatch(r"[0-9a-fA-F]{8}|[0-9a-fA-F]{16}", identifier):
        raise click.BadParameter(
            f"{identifier!r} is no id of the queue: it has 8 or 16 hexadecimal digits; "
            "`signpost queue list` shows those there are"
        )
    return identifier


def _answer(answer: Coroutine[Any, Any, T], identifier: str = "") -> T:
    """identifier: what is to be shown; smtpctl opens its file."""
    try:
        return asyncio.run(answer)
    except smtpctl.SmtpctlError as error:
        if identifier and "No such file" in str(error):
            _fail(_unknown(identifier))
        reason = smtpctl.in_words(error)
        cure = "; `docker compose up` starts it" if reason == smtpctl.NOT_RUNNING else ""
        _fail(f"{reason}{cure}")


def _unknown(identifier: str) -> str:
    return f"nothing waits with the id {identifier}; `signpost queue list` shows what does"


def _fail(reason: str) -> NoReturn:
    click.echo(f"error: {printable(reason)}", err=True)
    sys.exit(1)
