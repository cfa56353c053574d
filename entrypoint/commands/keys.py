"""`signpost keys`: the DKIM keys, their rotation and what DNS says of them."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import click

from entrypoint.commands.account_changes import NotLiveError, account_files, refusals
from entrypoint.commands.domain_argument import one_of
from entrypoint.config import environ
from entrypoint.dkim_keys import listing
from entrypoint.dkim_keys.lifecycle import RefusedError
from entrypoint.dkim_keys.store import Store
from entrypoint.dkim_keys.ticker import Ticker
from entrypoint.dns_records import key_record
from entrypoint.text import printable


@click.group
def command() -> None:
    """Look at the DKIM keys and change them."""


@command.command("list")
@click.argument("domain", required=False)
@click.option("--json", "machine", is_flag=True, help="Machine-readable.")
def list_keys(domain: str | None, machine: bool) -> None:
    """List the keys of DOMAIN or of all domains: what each is doing, and what may be removed."""
    store = Store(environ.load())
    domains = store.settings.signing_domains if domain is None else (_domain(store, domain),)
    state = store.load()
    if machine:
        click.echo(json.dumps(listing.as_json(state, domains), indent=2))
        return
    for line in listing.as_text(state, domains):
        click.echo(line)


@command.command()
@click.argument("domain")
@click.pass_context
def rotate(ctx: click.Context, domain: str) -> None:
    """Make the next keys of DOMAIN and print their records.

    The server signs with each once every name server of the zone has its record.
    """
    store = Store(environ.load())
    name = _domain(store, domain)
    now = int(time.time())
    try:
        with store.locked():
            store.reconcile(now)
            waiting = store.rotate(name, now)
            keys = [store.read(name, key) for key in waiting]
    except RefusedError as error:
        _refuse(f"{name}: {error}")
    for key in keys:
        record = key_record(key, "publish this; signing moves to it when every name server has it")
        click.echo(f"; {record.purpose}\n{record.zone_line()}")
    _apply(ctx)


@command.command()
@click.argument("domain")
@click.argument("selector")
@click.pass_context
def remove(ctx: click.Context, domain: str, selector: str) -> None:
    """Remove a key of DOMAIN that is no longer needed; never one that signs."""
    store = Store(environ.load())
    name = _domain(store, domain)
    try:
        with store.locked():
            store.remove(name, selector, int(time.time()))
    except RefusedError as error:
        _refuse(f"{name}: {error}")
    _apply(ctx)
    click.echo(f"removed; take {selector}._domainkey.{name} out of DNS if it is still there")


@command.command()
def check() -> None:
    """Ask the name servers now, and sign with what they serve. The server does so by itself."""
    said = asyncio.run(Ticker().tick(environ.load()))
    for level, text in said:
        click.echo(f"{level}: {printable(text)}")
    if any(level == "error" for level, _ in said):
        sys.exit(1)


def _domain(store: Store, text: str) -> str:
    name = one_of(text, store.settings.signing_domains)
    if name not in store.load():
        _refuse(f"{name}: there is no key yet; run `signpost start` first")
    return name


def _apply(ctx: click.Context) -> None:
    """Have the running server follow what is written; nothing where none runs here."""
    files = account_files(ctx)
    if files.server_runs:
        outcome = files.apply("keys")
        for level, text in outcome.lines:
            click.echo(f"{level}: {printable(text)}", err=True)
        if not outcome.ok:
            with refusals():
                raise NotLiveError(outcome.reasons)


def _refuse(reason: str) -> None:
    click.echo(f"error: {reason}", err=True)
    sys.exit(1)
