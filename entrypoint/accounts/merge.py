"""What commands have stored, merged with the environment's accounts and aliases, which win.

The rules are those of ACCOUNTS and ALIASES. What breaks one is ignored and logged: a change of
the environment must not keep the server from starting. Nor must an alias of the environment whose
target is stored and ignored. It must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from pydantic import SecretStr

from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.accounts import account_rules
from entrypoint.config.addresses import own_address
from entrypoint.config.aliases import (
    alias_address,
    alias_rules,
    alias_target,
    check_loops,
    check_targets,
    takes_mail,
)
from entrypoint.config.passwords import well_formed
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.routes import Routes, routes_of
from entrypoint.config.settings import Account, Alias, AppPassword, Settings
from filters.credentials import MOST_PASSWORDS


def with_aliases(settings: Settings, aliases: Mapping[str, Alias], problems: Problems) -> Settings:
    """The settings with the aliases, without those that reach nobody or form a loop.

    The environment's may have stored addresses as targets, so they are checked again. One that is
    taken out may leave another without a target, so this is repeated until nothing changes.
    """
    written, left = {alias.address: alias for alias in settings.aliases}, dict(aliases)
    postmaster = settings.postmaster_address
    while True:
        whole = settings.model_copy(
            update={
                "aliases": (*written.values(), *left.values()),
                "postmaster_address": postmaster,
            }
        )
        routes = routes_of(whole)
        places = {f"ALIASES: {address}": alias for address, alias in written.items()}
        check_targets(places | left, routes, problems)
        check_loops("ALIASES", left, routes, problems)
        # The environment has no loop by itself.
        broken = {next((entry for entry in loop if entry in left), "") for loop in routes.loops()}
        after = (
            _with_recipients(written, routes),
            {
                key: alias
                for key, alias in _with_recipients(left, routes).items()
                if key not in broken
            },
            _postmaster(whole, routes, problems),
        )
        if after == (written, left, postmaster):
            return whole
        written, left, postmaster = after


def _with_recipients(aliases: Mapping[str, Alias], routes: Routes) -> dict[str, Alias]:
    """The aliases with those targets that somebody takes mail for; without any, not at all."""
    remaining = {
        address: tuple(
            target
            for target in alias.targets
            if takes_mail(target, routes)
            and (target != address or target.startswith("@") or target in routes.accounts)
        )
        for address, alias in aliases.items()
    }
    return {
        address: Alias(address=address, targets=targets)
        for address, targets in remaining.items()
        if targets
    }


def _postmaster(settings: Settings, routes: Routes, problems: Problems) -> str:
    """POSTMASTER_ADDRESS or the first account: somebody has to read it (RFC 5321 §4.5.1)."""
    address = settings.postmaster_address
    if not routes.is_ours(address) or routes.entry(address) is not None:
        return address
    first = settings.accounts[0].address
    problems.add(
        "POSTMASTER_ADDRESS",
        f"nobody takes mail for this address, so {first} has it",
        "add that account or alias, or correct this",
        address,
    )
    return first


MOST_APP_PASSWORDS = MOST_PASSWORDS - 1  # beside the account's own
_LONGEST_NAME = 40  # characters
_RESTORE = "remove it and add it again"


def merged(settings: Settings, stored: Stored) -> tuple[Settings, list[str]]:
    """The settings with all that is stored and fits, and why the rest does not, a line each."""
    problems = Problems()
    own = settings.accounts + _accounts(settings, stored, problems)
    addresses = {each.address for each in own}
    passwords = {
        address: _app_passwords(address, kept, addresses, problems)
        for address, kept in stored.app_passwords.items()
    }
    whole = settings.model_copy(
        update={
            "accounts": tuple(
                each.model_copy(update={"app_passwords": passwords.get(each.address, ())})
                for each in own
            )
        }
    )
    return with_aliases(whole, _aliases(whole, stored, problems), problems), problems.lines


def aliases_from_environment(settings: Settings) -> dict[str, BrokenRuleError]:
    """The aliases that cannot be changed here, and why: the environment says what they are."""
    return _taken("ALIASES", (alias.address for alias in settings.aliases))


def accounts_from_environment(settings: Settings) -> dict[str, BrokenRuleError]:
    """The same of accounts. An alias that names its own address among its targets wants one."""
    wants = (each.address for each in settings.aliases if each.address not in each.targets)
    accounts = (account.address for account in settings.accounts)
    return _taken("ALIASES", wants) | _taken("ACCOUNTS", accounts)


def _taken(variable: str, addresses: Iterable[str]) -> dict[str, BrokenRuleError]:
    error = BrokenRuleError(f"{variable} has this address, and wins", "change it there")
    return dict.fromkeys(addresses, error)


def app_password_name(text: str) -> str:
    """What an app password is called."""
    if not 1 <= len(text) <= _LONGEST_NAME or not text.isprintable() or text != text.strip():
        raise BrokenRuleError(
            f"a name is 1 to {_LONGEST_NAME} printable characters without spaces around them",
            "write it like phone",
        )
    if any(char in text for char in "\"'`\\"):
        raise BrokenRuleError("a name may not hold quotes or backslashes", "write it like phone")
    return text


def _accounts(settings: Settings, stored: Stored, problems: Problems) -> tuple[Account, ...]:
    found, taken = [], accounts_from_environment(settings)
    for address, kept in stored.accounts.items():
        rules = list(_account_rules(settings, taken.get(address), address, kept))
        for rule in rules:
            problems.broken(address, rule)
        if not rules:
            secret = SecretStr(kept.hash)
            found.append(Account(address=address, secret=secret, hashed=True, quota=kept.quota))
    return tuple(found)


def _account_rules(
    settings: Settings, taken: BrokenRuleError | None, address: str, kept: StoredAccount
) -> Iterator[BrokenRuleError]:
    if malformed := _malformed(address, own_address):
        yield malformed
    elif taken is not None:
        yield taken
    else:
        yield from account_rules(address, settings.domains, settings.recipient_delimiter)
    if not well_formed(kept.hash):
        yield BrokenRuleError("a malformed hash", "signpost account passwd sets another")


def _malformed(text: str, parse: Callable[[str], str]) -> BrokenRuleError | None:
    try:
        usual = parse(text)
    except BrokenRuleError as error:
        return error
    return None if usual == text else BrokenRuleError(f"it is written {usual}", _RESTORE)


def _app_passwords(
    address: str, kept: tuple[StoredPassword, ...], accounts: set[str], problems: Problems
) -> tuple[AppPassword, ...]:
    if address not in accounts:
        problems.add(
            address,
            "it has app passwords and is no account",
            "revoke them, or add the account",
        )
        return ()
    found: dict[str, AppPassword] = {}
    for each in kept:
        rules = [rule for rule in (_malformed(each.name, app_password_name),) if rule]
        if not well_formed(each.hash):
            rules.append(BrokenRuleError("a malformed hash", "revoke it"))
        if each.name in found:
            rules.append(BrokenRuleError("duplicate app password", "revoke it"))
        elif len(found) == MOST_APP_PASSWORDS:
            rules.append(
                BrokenRuleError(f"more than {MOST_APP_PASSWORDS} app passwords", "revoke one")
            )
        for rule in rules:
            problems.broken(address, rule, each.name)
        if not rules:
            found[each.name] = AppPassword(name=each.name, hash=SecretStr(each.hash))
    return tuple(found.values())


def _aliases(settings: Settings, stored: Stored, problems: Problems) -> dict[str, Alias]:
    """The aliases that could be, each looked at by itself; by their addresses."""
    accounts = {account.address for account in settings.accounts}
    found, taken = {}, aliases_from_environment(settings)
    for address, targets in stored.aliases.items():
        kept = []
        for target in dict.fromkeys(targets):
            if malformed := _malformed(target, alias_target):
                problems.broken(address, malformed, target)
            else:
                kept.append(target)
        never = _malformed(address, alias_address) or taken.get(address)
        rules = [never] if never else list(alias_rules(address, settings.domains, accounts, kept))
        for rule in rules:
            problems.broken(address, rule)
        if kept and not rules:
            found[address] = Alias(address=address, targets=tuple(kept))
    return found
