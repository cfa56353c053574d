"""DOMAINS, ACCOUNTS, ALIASES, SEND_AS and POSTMASTER_ADDRESS, checked by each other.

It must not know how the mail travels.
"""

from __future__ import annotations

from collections.abc import Collection

from pydantic import SecretStr

from entrypoint.config.accounts import ReadAccounts, read_accounts
from entrypoint.config.aliases import check_loops, check_targets, read_aliases, read_postmaster
from entrypoint.config.domain_names import domain_name
from entrypoint.config.entries import words
from entrypoint.config.reading import Reading
from entrypoint.config.routes import Routes
from entrypoint.config.senders import read_senders
from entrypoint.config.settings import ROLE_LOCAL_PARTS, Account, Alias

DEMO_DOMAIN = "signpost.test"
DEMO_ACCOUNT = Account(address=f"postmaster@{DEMO_DOMAIN}", secret=SecretStr(""), hashed=False)


def read_mail_domains(
    reading: Reading, delimiter: str | None, kept: Collection[str] | None
) -> dict[str, object]:
    """The fields of domains, accounts, aliases and postmaster; each mistake is noted.

    `delimiter` is None where it is not known, having a mistake of its own. `kept` are the addresses
    that commands have stored; None where they are not known: then no alias is said to reach nobody.
    Where neither DOMAINS nor ACCOUNTS is set, they are the demo's.
    """
    if not reading.is_set("domains"):
        return _demo(reading)
    raw = reading.raw("domains")
    domains = reading.each("domains", words(raw.text) if raw else [], domain_name)
    accounts = _accounts(reading, domains, delimiter)
    given = reading.raw("aliases")
    aliases: dict[str, Alias] = {}
    before = len(reading.problems.lines)
    if given is not None:
        aliases = read_aliases(
            given.name, given.text, domains, accounts.addresses, reading.problems
        )
    known = (
        domains is not None
        and delimiter is not None
        and accounts.complete
        and (given is not None or not reading.is_set("aliases"))
        and len(reading.problems.lines) == before
    )
    routes = None
    if known and domains is not None and delimiter is not None:
        table = {alias.address: alias.targets for alias in aliases.values()}
        # What commands have stored counts as it is: accounts/merge checks it, and ends no start.
        # An alias of one of them that names it among its targets is an account's.
        own = {address for address, targets in table.items() if address in targets}
        there = accounts.addresses | (own if kept is None else set(kept) - (table.keys() - own))
        routes = Routes(domains, there, table, delimiter)
    postmaster = accounts.accounts[0].address if accounts.accounts else ""
    if (asked := reading.raw("postmaster_address")) is not None:
        known_routes = None if kept is None else routes
        postmaster = read_postmaster(asked.name, asked.text.strip(), known_routes, reading.problems)
    if routes is not None:
        routes_with_roles = _with_roles(routes, postmaster)
        if kept is not None:
            check_targets(aliases, routes_with_roles, reading.problems)
        where = given.name if given else "POSTMASTER_ADDRESS"
        check_loops(where, aliases, routes_with_roles, reading.problems)
    senders = reading.raw("send_as")
    return {
        "demo": False,
        "domains": domains or (),
        "accounts": accounts.accounts,
        "aliases": tuple(aliases.values()),
        "send_as": ()
        if senders is None
        else read_senders(senders.name, senders.text, domains, reading.problems),
        "postmaster_address": postmaster,
    }


def _demo(reading: Reading) -> dict[str, object]:
    for field in ("accounts", "aliases", "send_as", "postmaster_address"):
        if reading.is_set(field):
            reading.note(
                field, "set without DOMAINS", "set DOMAINS to your domains, or leave this out"
            )
    return {
        "demo": True,
        "domains": (DEMO_DOMAIN,),
        "accounts": (DEMO_ACCOUNT,),
        "postmaster_address": DEMO_ACCOUNT.address,
    }


def _accounts(
    reading: Reading, domains: tuple[str, ...] | None, delimiter: str | None
) -> ReadAccounts:
    given = reading.raw("accounts")
    if given is None:
        if not reading.is_set("accounts"):
            reading.note(
                "accounts",
                "not set, and DOMAINS is",
                "set ACCOUNTS, one address:password a line, or unset DOMAINS for the demo",
            )
        return ReadAccounts((), frozenset(), complete=False)
    read = read_accounts(given.name, given.text, domains, delimiter, reading.problems)
    if not read.addresses and read.complete:
        reading.note("accounts", "no account in it", "write one address:password a line")
        return ReadAccounts((), frozenset(), complete=False)
    return read


def _with_roles(routes: Routes, postmaster: str) -> Routes:
    """The routes with those of postmaster@ and abuse@ (see implied_aliases)."""
    roles = (
        f"{local}@{domain}"
        for domain in routes.domains
        if domain not in routes.alias_domains
        for local in ROLE_LOCAL_PARTS
    )
    implied = {
        role: (postmaster,)
        for role in roles
        if role not in routes.accounts and role not in routes.aliases and role != postmaster
    }
    return Routes(routes.domains, routes.accounts, {**routes.aliases, **implied}, routes.delimiter)
