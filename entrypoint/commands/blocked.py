"""`signpost blocked`: who is shut out for failed logins; asks `filters.logins`."""

from __future__ import annotations

import json
import sys
from typing import NoReturn

import click

from entrypoint import login_guard
from entrypoint.disks import explained
from entrypoint.text import printable
from filters.login_name import login_name

_SECONDS = 5.0


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Who is shut out for failed logins, and for how long."""
    if context.invoked_subcommand is None:
        context.invoke(list_blocks)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def list_blocks(as_json: bool = False) -> None:
    """List every block: the network, the login, how long it lasts and how often it was blocked."""
    blocks = _ask("list")
    if not isinstance(blocks, list):
        _fail("the checker of logins gave no list; `signpost health` says more")
    if not blocks and not as_json:
        click.echo("nobody is blocked")
    for network, login, seconds, level in blocks:
        if as_json:
            found = {"network": network, "login": login or None, "seconds": seconds, "time": level}
            click.echo(json.dumps(found))
        else:
            who = printable(login) if login else "every login"
            click.echo(f"{network}  {who}  {_written(seconds)} left  (time {level})")


@command.command()
@click.argument("what")
def lift(what: str) -> None:
    """Let in again: a NETWORK or address, an account, or `all`. Its failures are forgotten."""
    lifted = _ask("lift", login_name(what))
    if not lifted:
        _fail(f"{what}: nothing was counted there; `signpost blocked list` shows who is blocked")
    click.echo(f"{what}: let in again")


def _ask(*question: str) -> object:
    try:
        return login_guard.ask(*question, seconds=_SECONDS)
    except (FileNotFoundError, ConnectionRefusedError):
        _fail("the server does not run in this container; start it with `docker compose up`")
    except TimeoutError:
        _fail(
            f"the checker of logins does not answer within {_SECONDS:g} s; "
            "`signpost health` says more"
        )
    except OSError as error:
        _fail(f"the checker of logins cannot be asked: {explained(error)}")
    except ValueError:
        _fail("the checker of logins gave no answer; `signpost health` says more")


def _fail(message: str) -> NoReturn:
    click.echo(f"error: {printable(message)}", err=True)
    sys.exit(1)


def _written(seconds: int) -> str:
    minutes = max(1, -(-seconds // 60))
    return f"{minutes // 60}h{minutes % 60:02}m" if minutes >= 60 else f"{minutes}m"
