"""`signpost keys`: the DKIM keys, their rotation and what DNS says of them."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence

import click

from entrypoint.commands.account_changes import NotLiveError, account_files, refusals
from entrypoint.commands.domain_argument import one_of
from entrypoint.config import environ
from entrypoint.config.settings import KEY_TYPES
from entrypoint.dkim_keys.lifecycle import KeyRefusedError
from entrypoint.dkim_keys.model import DomainKeys, Key
from entrypoint.dkim_keys.state_file import key_as_json
from entrypoint.dkim_keys.store import KeyStore
from entrypoint.dkim_keys.ticker import KeyTicker
from entrypoint.dns_records import key_record
from entrypoint.text import aligned, day, printable


@click.group
def command() -> None:
    """Look at the DKIM keys and change them."""


@command.command("list")
@click.argument("domain", required=False)
@click.option("--json", "machine", is_flag=True, help="Machine-readable.")
def list_keys(domain: str | None, machine: bool) -> None:
    """List the keys of DOMAIN or of all domains: what each is doing, and what may be removed."""
    store = KeyStore(environ.load())
    domains = store.settings.signing_domains if domain is None else (_domain(store, domain),)
    state = store.load()
    if machine:
        click.echo(json.dumps(as_json(state, domains), indent=2))
        return
    for line in as_text(state, domains):
        click.echo(line)


@command.command()
@click.argument("domain")
@click.pass_context
def rotate(ctx: click.Context, domain: str) -> None:
    """Make the next keys of DOMAIN and print their records.

    The server signs with each once every name server of the zone has its record.
    """
    store = KeyStore(environ.load())
    name = _domain(store, domain)
    now = int(time.time())
    try:
        with store.locked():
            store.reconcile(now)
            waiting = store.rotate(name, now)
            keys = [store.read(name, key) for key in waiting]
    except KeyRefusedError as error:
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
    store = KeyStore(environ.load())
    name = _domain(store, domain)
    try:
        with store.locked():
            store.remove(name, selector, int(time.time()))
    except KeyRefusedError as error:
        _refuse(f"{name}: {error}")
    _apply(ctx)
    click.echo(f"removed; take {selector}._domainkey.{name} out of DNS if it is still there")


@command.command()
def check() -> None:
    """Ask the name servers now, and sign with what they serve. The server does so by itself.

    Says what is new, and what each key is doing. Exit status 1 where a key that signs is not in
    DNS.
    """
    settings = environ.load()
    said = asyncio.run(KeyTicker().tick(settings))
    for level, text in said:
        click.echo(f"{level}: {printable(text)}")
    state = KeyStore(settings).load()
    for line in as_text(state, settings.signing_domains):
        click.echo(line)
    if settings.demo:
        click.echo("this is a demo: DNS is not asked about its keys")
    if any(level == "error" for level, _ in said) or (
        not settings.demo and _unserved(state, settings.signing_domains)
    ):
        sys.exit(1)


def _unserved(state: Mapping[str, DomainKeys], domains: Sequence[str]) -> bool:
    return any(
        key.dns is not None and key.dns.answer not in ("served", "unknown")
        for domain in domains
        for key in state.get(domain, DomainKeys()).signing
    )


def _domain(store: KeyStore, text: str) -> str:
    name = one_of(text, store.settings.signing_domains)
    if name not in store.load():
        _refuse(f"{name}: there is no key yet; start the server once (`docker compose up`)")
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


_TYPE = max(map(len, KEY_TYPES))  # columns


def as_json(state: Mapping[str, DomainKeys], domains: Sequence[str]) -> list[dict[str, object]]:
    """Each key with its domain, in the order of the domains."""
    return [
        {"domain": domain, **key_as_json(key)}
        for domain in domains
        for key in state.get(domain, DomainKeys()).keys
    ]


def as_text(state: Mapping[str, DomainKeys], domains: Sequence[str]) -> Iterator[str]:
    """A line for each domain and each of its keys."""
    for domain in domains:
        yield domain
        keys = state.get(domain, DomainKeys()).keys
        if not keys:
            yield "  no key yet; start the server once (`docker compose up`)"
        width = max((len(key.selector) for key in keys), default=0)
        for key in keys:
            yield f"  {aligned((key.selector, key.type, _status(key)), (width, _TYPE, 0))}"


def _status(key: Key) -> str:
    heard = "" if key.dns is None else printable(key.dns.detail or key.dns.answer)
    match key.status:
        case "next":
            return f"next: waits for DNS{f' ({heard})' if heard else ''}"
        case "signing":
            answer = "unknown" if key.dns is None else key.dns.answer
            if answer == "unknown":
                why = f" ({heard})" if heard else ""
                dns = f"whether DNS serves it is not known{why}"
            else:
                dns = "DNS serves it" if answer == "served" else f"NOT IN DNS: {heard}"
            return f"signs since {day(key.since)}; {dns}"
        case "old":
            return f"old: its record has to stay until {day(key.until or 0)}"
    return "old: its record and the key may be removed"
