"""`signpost account`: the accounts, and those that commands add.

A password is typed on a terminal or stands on standard input, never on the command line.
"""

from __future__ import annotations

import errno
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import click

from entrypoint.accounts import changes
from entrypoint.accounts.store import last_use_text, last_uses
from entrypoint.commands import account_changes
from entrypoint.commands.account_changes import (
    account_files,
    change,
    read_merged,
    refusals,
)
from entrypoint.commands.confirmation import confirm
from entrypoint.commands.password_prompt import asked_hash
from entrypoint.config.passwords import generate_password, hash_password
from entrypoint.config.settings import Account
from entrypoint.disks import VMAIL
from entrypoint.files import acting_as
from entrypoint.paths import MAIL, account_home
from entrypoint.text import table

_TRIES = 10
_OTHERWISE = ", or use --generate"
_GENERATE = click.option("--generate", is_flag=True, help="Make a password, and print it.")


@click.group
def command() -> None:
    """Look at the accounts; add, change and remove some.

    Changes count at once. Accounts of ACCOUNTS are changed there. A password is asked for on the
    terminal, or read from standard input: its first line.
    """


@command.command("list")
@click.option("--json", "machine", is_flag=True, help="Machine-readable.")
@click.pass_context
def list_accounts(ctx: click.Context, machine: bool) -> None:
    """List all accounts: where each is set, its quota, its app passwords, its last login."""
    accounts, whole = read_merged(ctx)
    uses = last_uses(account_files(ctx).store)
    ours = {account.address for account in accounts.settings.accounts}
    rows: list[dict[str, Any]] = [
        {
            "address": account.address,
            "kept": "ACCOUNTS" if account.address in ours else "here",
            "quota": _quota(account, accounts.settings.default_quota),
            "app_passwords": len(account.app_passwords),
            "last_login": max(uses.get(account.address, {}).values(), default=None),
        }
        for account in whole.accounts
    ]
    if machine:
        click.echo(json.dumps(rows, indent=2))
        return
    heads = ("ADDRESS", "SET IN", "QUOTA", "APP PASSWORDS", "LAST LOGIN")
    cells = [
        (
            row["address"],
            row["kept"],
            _size(row["quota"]),
            str(row["app_passwords"]),
            last_use_text(row["last_login"]),
        )
        for row in rows
    ]
    for line in table([heads, *cells]):
        click.echo(line)


@command.command()
@click.argument("address", type=account_changes.address)
@click.option(
    "--quota", type=account_changes.quota, help="Such as 5G, or none; else DEFAULT_QUOTA counts."
)
@_GENERATE
@click.pass_context
def add(ctx: click.Context, address: str, quota: int | None, generate: bool) -> None:
    """Add an account and set its password."""
    accounts = account_files(ctx).read_to_change([address])
    with refusals():
        # Whoever is refused is not asked for a password first.
        changes.check_new_account(accounts.settings, accounts.stored, address)
        plain, hashed = generated_hash() if generate else (None, asked_hash(_OTHERWISE))
    change(
        ctx,
        accounts,
        lambda settings, stored: changes.add_account(settings, stored, address, hashed, quota),
        f"{address} is added",
        plain,
    )


@command.command()
@click.argument("address", type=account_changes.address)
@_GENERATE
@click.pass_context
def passwd(ctx: click.Context, address: str, generate: bool) -> None:
    """Set another password. App passwords stay."""
    accounts = account_files(ctx).read_to_change()
    with refusals():
        changes.check_account(accounts.settings, accounts.stored, address)
        plain, hashed = generated_hash() if generate else (None, asked_hash(_OTHERWISE))
    change(
        ctx,
        accounts,
        lambda settings, stored: changes.set_password(settings, stored, address, hashed),
        f"{address} has another password",
        plain,
    )


@command.command()
@click.argument("address", type=account_changes.address)
@click.argument("size")
@click.pass_context
def quota(ctx: click.Context, address: str, size: str) -> None:
    """Set another quota: a SIZE such as 5G, `none`, or `default` for DEFAULT_QUOTA's."""
    limit = None if size.lower() == "default" else account_changes.quota(size)
    change(
        ctx,
        account_files(ctx).read_to_change(),
        lambda settings, stored: changes.set_quota(settings, stored, address, limit),
        f"{address} has another quota: {size}",
    )


@command.command()
@click.argument("address", type=account_changes.address)
@click.option("--delete-mail", is_flag=True, help="Delete all its mail, too.")
@click.option("--yes", is_flag=True, help="Delete mail without asking.")
@click.pass_context
def remove(ctx: click.Context, address: str, delete_mail: bool, yes: bool) -> None:
    """Remove an account and its app passwords. Its mail stays unless --delete-mail is given."""
    # /data/accounts lies beside /data/mail.
    home = account_home(address, account_files(ctx).store.folder.parent / MAIL.name)
    if delete_mail and not yes:
        confirm(f"Delete all mail of {address}?", "--delete-mail")
    kept = "" if delete_mail else f"; its mail is kept in {home}"
    change(
        ctx,
        account_files(ctx).read_to_change(),
        lambda settings, stored: changes.remove_account(settings, stored, address),
        f"{address} is removed{kept}",
    )
    if delete_mail:
        try:
            with acting_as(VMAIL):
                _remove_tree(home)
        except OSError as error:
            click.echo(f"error: {error.filename}: {error.strerror}", err=True)
            sys.exit(1)
        click.echo("its mail is deleted", err=True)


def _remove_tree(folder: Path) -> None:
    """Remove it, though a delivery or a lesson that has begun may still write there.

    Raises OSError.
    """
    for left in reversed(range(_TRIES)):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if not folder.exists():
                return
            if not left or error.errno not in (errno.ENOENT, errno.ENOTEMPTY):
                raise
        else:
            return


def _quota(account: Account, default: int | None) -> int | None:
    return (default if account.quota is None else account.quota) or None


def _size(number: int | None) -> str:
    if number is None:
        return "none"
    for unit, factor in (("T", 1024**4), ("G", 1024**3), ("M", 1024**2), ("K", 1024)):
        if number % factor == 0:
            return f"{number // factor}{unit}"
    return str(number)


def generated_hash() -> tuple[str, str]:
    """A new password and its hash."""
    plain = generate_password()
    return plain, hash_password(plain)
