"""`signpost hash`: the hash of a password, to write into ACCOUNTS in its place."""

from __future__ import annotations

import click

from entrypoint.commands.account_changes import refusals
from entrypoint.commands.password_prompt import asked_hash


@click.command
def command() -> None:
    """Ask for a password and print its hash, for ACCOUNTS.

    The password is asked for on the terminal, or read from standard input: its first line. Needs
    no configuration and no server.
    """
    with refusals():
        hashed = asked_hash()
    click.echo(hashed)
    click.echo("in .env put it between single quotes; in compose.yaml write each $ as $$", err=True)
