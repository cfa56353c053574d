"""An account as a person types it behind a command: one that exists, and no alias of one."""

from __future__ import annotations

import sys

import click

from entrypoint.commands.account_changes import read_merged
from entrypoint.config.settings import Settings
from entrypoint.text import listed


def settings_with(ctx: click.Context, address: str) -> Settings:
    """All settings and accounts, with this account among them; ends the command otherwise."""
    _, whole = read_merged(ctx)
    if any(each.address == address for each in whole.accounts):
        return whole
    click.echo(f"error: {address}: {_reason(address, whole)}", err=True)
    sys.exit(2)


def _reason(address: str, whole: Settings) -> str:
    for alias in whole.aliases:
        if alias.address == address:
            return f"an alias, of {listed(alias.targets)}; name an account"
    local, _, domain = address.rpartition("@")
    plain = f"{local.partition(whole.recipient_delimiter)[0]}@{domain}"
    if any(each.address == plain for each in whole.accounts):
        return f"a sub-address; the account is {plain}"
    cure = (
        f"`signpost account list` shows those there are, `signpost account add {address}` adds it"
    )
    return f"no such account; {cure}"
