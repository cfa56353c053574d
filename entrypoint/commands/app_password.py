"""`signpost app-password`: further passwords of an account, each for one device or program."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from entrypoint.accounts import changes
from entrypoint.accounts.changes import Change
from entrypoint.accounts.store import last_use_text, last_uses
from entrypoint.accounts.stored import Stored, StoredPassword
from entrypoint.commands import account_changes
from entrypoint.commands.account_changes import (
    account_files,
    change,
    read_merged,
    refusals,
)
from entrypoint.config.passwords import generate_password, hash_generated
from entrypoint.config.settings import Settings
from entrypoint.text import second, table


@click.group
def command() -> None:
    """Further passwords of an account, each for one device or program.

    Any of them logs in, for SMTP and IMAP alike. Each can be revoked by itself, and that counts at
    once. They go with the accounts of ACCOUNTS, too.
    """


@command.command()
@click.argument("address", type=account_changes.address)
@click.argument("name")
@click.pass_context
def add(ctx: click.Context, address: str, name: str) -> None:
    """Make a password called NAME and print it; it is never shown again."""
    plain = generate_password()
    password = StoredPassword(name, hash_generated(plain), second(time.time()))

    def alter(settings: Settings, stored: Stored) -> Change:
        return changes.add_app_password(settings, stored, address, password)

    done = f"{address} can log in with this app password, {name}, from now on"
    change(ctx, account_files(ctx).read_to_change(), alter, done, plain)


@command.command("list")
@click.argument("address", type=account_changes.address)
@click.option("--json", "machine", is_flag=True, help="Machine-readable.")
@click.pass_context
def list_passwords(ctx: click.Context, address: str, machine: bool) -> None:
    """List the app passwords of ADDRESS: when each was made, and last used."""
    accounts, whole = read_merged(ctx)
    found = {account.address: account for account in whole.accounts}
    with refusals():
        if address not in found and address not in accounts.stored.app_passwords:
            raise changes.ChangeRefusedError(
                [f"{address}: no such account; signpost account list shows those there are"]
            )
    uses = last_uses(account_files(ctx).store).get(address, {})
    rows: list[dict[str, Any]] = [
        {"name": each.name, "created": each.created, "last_used": uses.get(each.name)}
        for each in accounts.stored.app_passwords.get(address, ())
    ]
    if machine:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [
        (each["name"], each["created"][:10], last_use_text(each["last_used"])) for each in rows
    ]
    for line in table([("NAME", "CREATED", "LAST USED"), *cells]):
        click.echo(line)


@command.command()
@click.argument("address", type=account_changes.address)
@click.argument("name")
@click.pass_context
def revoke(ctx: click.Context, address: str, name: str) -> None:
    """Make the password called NAME worthless at once."""

    def alter(settings: Settings, stored: Stored) -> Change:
        return changes.revoke_app_password(stored, address, name)

    accounts = account_files(ctx).read_to_change()
    change(ctx, accounts, alter, f"the app password {name} of {address} is revoked")
