"""`signpost alias`: the aliases, and those that commands add."""

from __future__ import annotations

import json
from typing import Any

import click

from entrypoint.accounts import changes
from entrypoint.commands import account_changes
from entrypoint.commands.account_changes import account_files, change, read_merged
from entrypoint.text import table


@click.group
def command() -> None:
    """Look at the aliases; add and remove some.

    Changes count at once. Aliases of ALIASES are changed there.
    """


@command.command("list")
@click.option("--json", "machine", is_flag=True, help="Machine-readable.")
@click.pass_context
def list_aliases(ctx: click.Context, machine: bool) -> None:
    """List all aliases, those of the roles (postmaster@, abuse@) among them."""
    accounts, whole = read_merged(ctx)
    ours = {alias.address: "ALIASES" for alias in accounts.settings.aliases}
    ours |= {alias.address: "implied" for alias in whole.implied_aliases}
    rows: list[dict[str, Any]] = [
        {
            "address": alias.address,
            "kept": ours.get(alias.address, "here"),
            "targets": list(alias.targets),
        }
        for alias in whole.all_aliases
    ]
    if machine:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [(row["address"], row["kept"], ", ".join(row["targets"])) for row in rows]
    for line in table([("ADDRESS", "SET IN", "TARGETS"), *cells]):
        click.echo(line)


@command.command()
@click.argument("address", type=account_changes.alias)
@click.argument(
    "targets", type=account_changes.target, nargs=-1, required=True, metavar="TARGET..."
)
@click.pass_context
def add(ctx: click.Context, address: str, targets: tuple[str, ...]) -> None:
    """Send mail for ADDRESS to each TARGET, and to those that it has.

    `@domain` takes what nobody else in that domain does. With `@other` as its TARGET it is an alias
    domain: each address of the other domain is one here, too. An account that is among its own
    targets has its mail, and the others get copies.
    """
    distinct = tuple(dict.fromkeys(targets))
    change(
        ctx,
        account_files(ctx).read_to_change([address]),
        lambda settings, stored: changes.add_alias(settings, stored, address, distinct),
        f"{address} points to {', '.join(distinct)}",
    )


@command.command()
@click.argument("address", type=account_changes.alias)
@click.argument("targets", type=account_changes.target, nargs=-1, metavar="[TARGET]...")
@click.pass_context
def remove(ctx: click.Context, address: str, targets: tuple[str, ...]) -> None:
    """Remove an alias, or only some of its targets."""
    change(
        ctx,
        account_files(ctx).read_to_change(),
        lambda settings, stored: changes.remove_alias(settings, stored, address, targets),
        f"{address} no longer points to {', '.join(targets)}"
        if targets
        else f"{address} is removed",
    )
