"""What is kept, laid beside the environment's accounts and aliases, which win.

The rules are those of ACCOUNTS and ALIASES. What breaks one is passed over and told: a change of
the environment must not keep the server from starting. Nor must an alias of the environment that
leads to what is kept and does not fit. It must not know files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pydantic import SecretStr

from entrypoint.accounts import account_rules
from entrypoint.addresses_parse import foreign_address, own_address
from entrypoint.aliases import alias_address, alias_rules
from entrypoint.mailboxes.model import Stored, StoredAccount, StoredPassword
from entrypoint.mailboxes.ways import with_aliases
from entrypoint.passwords import well_formed
from entrypoint.problems import BrokenRuleError, Problems
from entrypoint.settings import Account, Alias, AppPassword, Settings
from filters.login_book import MOST_PASSWORDS

MOST_APP_PASSWORDS = MOST_PASSWORDS - 1  # beside the account's own
_LONGEST_NAME = 40  # characters
_RESTORE = "remove it and add it again"


def merged(settings: Settings, stored: Stored) -> tuple[Settings, list[str]]:
    """The settings with all that is kept and fits, and why the rest does not, a line each."""
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


def from_environment(settings: Settings) -> dict[str, BrokenRuleError]:
    """The addresses that cannot be changed here, and why: the environment says what they are."""
    return {
        each.address: BrokenRuleError(f"{variable} has this address, and wins", "change it there")
        for variable, taken in (("ALIASES", settings.aliases), ("ACCOUNTS", settings.accounts))
        for each in taken
    }


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
    found, taken = [], from_environment(settings)
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
            rules.append(BrokenRuleError("an app password that is there already", "revoke it"))
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
    found, taken = {}, from_environment(settings)
    for address, targets in stored.aliases.items():
        never = _malformed(address, alias_address) or taken.get(address)
        rules = [never] if never else list(alias_rules(address, settings.domains, accounts))
        for rule in rules:
            problems.broken(address, rule)
        kept = []
        for target in dict.fromkeys(targets):
            if malformed := _malformed(target, foreign_address):
                problems.broken(address, malformed, target)
            else:
                kept.append(target)
        if kept and not rules:
            found[address] = Alias(address=address, targets=tuple(kept))
    return found
