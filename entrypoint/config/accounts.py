"""ACCOUNTS: `address:secret` or `address:secret:quota=SIZE` entries → Account values.

Everything here may be a secret, a mistyped address too: an error names the place of an entry, and
the address only where it cannot be a piece of a password.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from pydantic import SecretStr

from entrypoint.config.addresses import own_address
from entrypoint.config.entries import Entry, entries
from entrypoint.config.passwords import begins_like_hash, is_hash
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.settings import Account
from entrypoint.config.values import quota

_BY_LINE = "put one account a line: a password with a comma needs that"
_OUTSIDE = "an account outside DOMAINS"
_QUOTA = ":quota="


@dataclass(frozen=True)
class ReadAccounts:
    """The accounts that are right, and the addresses that are taken, wrong passwords' too.

    `complete` is False where an entry's address could not be read.
    """

    accounts: tuple[Account, ...]
    addresses: frozenset[str]
    complete: bool


def read_accounts(
    where: str,
    text: str,
    domains: Collection[str] | None,
    delimiter: str | None,
    problems: Problems,
) -> ReadAccounts:
    """Read the entries and note each mistake.

    `domains` and `delimiter` are None where they are not known, having mistakes of their own.
    """
    accounts: list[Account] = []
    addresses: set[str] = set()
    complete = True
    for entry in _without_argon2_pieces(entries(text)):
        place = f"{where}: {entry.place}"
        written, colon, secret = entry.text.partition(":")
        cure = "write it like alice@example.org:password"
        cure = cure if entry.certain else f"{cure}; {_BY_LINE}"
        if not colon:
            problems.add(place, "no colon between an address and a password", cure)
            complete = False
            continue
        try:
            address = own_address(written.strip())
        except BrokenRuleError as error:
            problems.add(place, error.rule, error.cure if entry.certain else cure)
            complete = False
            continue
        visible = (
            address if entry.certain or address.rpartition("@")[2] in (domains or ()) else None
        )
        if address in addresses:
            problems.add(place, "duplicate account", "take one of the two", visible)
            continue
        addresses.add(address)
        for rule in account_rules(address, domains, delimiter):
            hidden = rule.rule == _OUTSIDE and not visible
            cure = f"{rule.cure}; {_BY_LINE}" if hidden else rule.cure
            problems.add(place, rule.rule, cure, visible)
        secret, size = _without_quota(secret)
        if begins_like_hash(secret.strip()):
            secret = secret.strip()
        try:
            limit = None if size is None else quota_or_none(size)
            hashed = is_hash(secret)
        except BrokenRuleError as error:
            problems.broken(place, error, visible)
            continue
        accounts.append(
            Account(address=address, secret=SecretStr(secret), hashed=hashed, quota=limit)
        )
    return ReadAccounts(tuple(accounts), frozenset(addresses), complete)


def account_rules(
    address: str, domains: Collection[str] | None, delimiter: str | None
) -> Iterator[BrokenRuleError]:
    """The rules that the address of an account breaks; None is not known, and breaks none."""
    local, _, domain = address.partition("@")
    if domains is not None and domain not in domains:
        yield BrokenRuleError(_OUTSIDE, "add its domain to DOMAINS, or correct it")
    if delimiter is not None and delimiter in local:
        yield BrokenRuleError(
            f"the local part holds the delimiter {delimiter}, so mail would go to another",
            "choose another address, or another RECIPIENT_DELIMITER",
        )


def quota_or_none(text: str) -> int:
    """A quota in bytes, or `none`: 0, no limit."""
    if text.lower() == "none":
        return 0
    try:
        return quota(text)
    except BrokenRuleError as error:
        cure = "write quota=5G or quota=none; give a password that ends like this by its hash"
        raise BrokenRuleError(f"the quota is {error.rule}", cure) from None


def _without_quota(secret: str) -> tuple[str, str | None]:
    """A password may hold colons: the quota is the last field, and begins with `quota=`."""
    before, mark, size = f":{secret}".rpartition(_QUOTA)
    return (before[1:], size.strip()) if mark and ":" not in size else (secret, None)


def _without_argon2_pieces(found: list[Entry]) -> list[Entry]:
    """An Argon2 hash holds commas: one error for the hash is enough, its pieces are passed over."""
    kept: list[Entry] = []
    for entry in found:
        piece = not entry.certain and kept and ":" not in entry.text
        if not (piece and kept[-1].text.partition(":")[2].startswith("$argon2")):
            kept.append(entry)
    return kept
