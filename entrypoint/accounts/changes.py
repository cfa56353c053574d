"""What the commands change, as values: nothing is added that would be passed over.

Each change is made first, and refused for what it is about; then `checked` merges the whole, once.
It must not know files, nor how a change goes live. Addresses are normalized, and hashes are
crypt(3)'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from entrypoint.accounts.merge import (
    accounts_from_environment,
    aliases_from_environment,
    app_password_name,
    merged,
)
from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.accounts import account_rules
from entrypoint.config.aliases import alias_rules
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.settings import Settings


class ChangeRefusedError(Exception):
    """This cannot be done. `reasons` are one line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


@dataclass(frozen=True)
class Change:
    """What is stored before and after. cure: where an address goes away that ALIASES may need."""

    before: Stored
    after: Stored
    address: str
    cure: str = ""


def check_new_account(settings: Settings, stored: Stored, address: str) -> None:
    """Refuse what can be refused before there is a password."""
    _ours_to_change(address, accounts_from_environment(settings))
    if address in stored.accounts:
        _refuse(address, "a duplicate account", "signpost account passwd changes it")
    problems = Problems()
    for rule in account_rules(address, settings.domains, settings.recipient_delimiter):
        problems.broken(address, rule)
    if address in stored.aliases:
        targets = stored.aliases[address]
        for rule in alias_rules(address, settings.domains, [address], targets):
            problems.broken(address, rule)
    if problems.lines:
        raise ChangeRefusedError(problems.lines)


def check_account(settings: Settings, stored: Stored, address: str) -> StoredAccount:
    """The account, if commands may change it."""
    _ours_to_change(address, accounts_from_environment(settings))
    if address not in stored.accounts:
        _refuse(address, "no such account", "signpost account list shows those there are")
    return stored.accounts[address]


def add_account(
    settings: Settings, stored: Stored, address: str, hashed: str, quota: int | None
) -> Change:
    """A new account."""
    check_new_account(settings, stored, address)
    account = StoredAccount(hashed, quota)
    return Change(stored, stored.with_account(address, account), address)


def set_password(settings: Settings, stored: Stored, address: str, hashed: str) -> Change:
    """Another password of an account."""
    account = replace(check_account(settings, stored, address), hash=hashed)
    return Change(stored, stored.with_account(address, account), address)


def set_quota(settings: Settings, stored: Stored, address: str, quota: int | None) -> Change:
    """Another quota of an account."""
    account = replace(check_account(settings, stored, address), quota=quota)
    return Change(stored, stored.with_account(address, account), address)


def remove_account(settings: Settings, stored: Stored, address: str) -> Change:
    """No such account any more, and none of its app passwords."""
    check_account(settings, stored, address)
    after = stored.with_account(address, None).with_app_passwords(address, ())
    cure = "change that first; until then signpost account passwd locks the account"
    return Change(stored, after, address, cure)


def add_alias(settings: Settings, stored: Stored, address: str, targets: Sequence[str]) -> Change:
    """A new alias, or further targets of one."""
    _ours_to_change(address, aliases_from_environment(settings))
    before = stored.aliases.get(address, ())
    if there := next((target for target in targets if target in before), None):
        _refuse(address, "a duplicate target", "leave it out", there)
    return Change(stored, stored.with_alias(address, (*before, *targets)), address)


def remove_alias(
    settings: Settings, stored: Stored, address: str, targets: Sequence[str]
) -> Change:
    """No such alias any more; or, where targets are named, without these."""
    _ours_to_change(address, aliases_from_environment(settings))
    if address not in stored.aliases:
        _refuse(address, "no such alias", "signpost alias list shows those there are")
    before = stored.aliases[address]
    if missing := next((target for target in targets if target not in before), None):
        _refuse(address, "no such target", "signpost alias list shows those there are", missing)
    left = tuple(target for target in before if targets and target not in targets)
    return Change(stored, stored.with_alias(address, left), address, "change that first")


def add_app_password(
    settings: Settings, stored: Stored, address: str, password: StoredPassword
) -> Change:
    """A further password of an account, of the environment's, too."""
    if address not in stored.accounts and all(
        address != each.address for each in settings.accounts
    ):
        _refuse(address, "no such account", "signpost account list shows those there are")
    _named(address, password.name)
    before = stored.app_passwords.get(address, ())
    if any(each.name == password.name for each in before):
        _refuse(address, "a duplicate app password", "revoke it first", password.name)
    return Change(stored, stored.with_app_passwords(address, (*before, password)), address)


def revoke_app_password(stored: Stored, address: str, name: str) -> Change:
    """Without this app password."""
    before = stored.app_passwords.get(address, ())
    after = tuple(each for each in before if each.name != name)
    if after == before:
        cure = "signpost app-password list shows those there are"
        _refuse(address, "no such app password", cure, name)
    return Change(stored, stored.with_app_passwords(address, after), address)


def checked(settings: Settings, change: Change) -> tuple[Settings, list[str]]:
    """The settings with what is stored after the change, and what of that is passed over.

    Raises RefusedError where something does not fit that fitted before; what is broken anyway is no
    hindrance.
    """
    whole, unfit = merged(settings, change.after)
    if unfit or change.cure:
        before, known = merged(settings, change.before)
        if change.cure:
            _not_needed(settings, before, whole, change)
        if new := [line for line in unfit if line not in known]:
            raise ChangeRefusedError(new)
    return whole, unfit


def _ours_to_change(address: str, taken: Mapping[str, BrokenRuleError]) -> None:
    if (error := taken.get(address)) is not None:
        _refuse(address, error.rule, error.cure)


def _named(address: str, name: str) -> None:
    try:
        app_password_name(name)
    except BrokenRuleError as error:
        _refuse(address, error.rule, error.cure, name)


def _not_needed(settings: Settings, now: Settings, then: Settings, change: Change) -> None:
    """Refuse what would leave an alias of the environment without the end that it has here.

    The next start would have to pass over it, or be refused: only a person can say which.
    """
    lost = {alias.address for alias in now.aliases if alias not in then.aliases}
    names = [f"{each.address} of ALIASES" for each in settings.aliases if each.address in lost]
    if now.postmaster_address != then.postmaster_address:
        names.append("POSTMASTER_ADDRESS")
    if names:
        verb = "points" if len(names) == 1 else "point"
        _refuse(change.address, f"{' and '.join(names)} {verb} here", change.cure)


def _refuse(where: str, rule: str, cure: str, value: str | None = None) -> NoReturn:
    problems = Problems()
    problems.add(where, rule, cure, value)
    raise ChangeRefusedError(problems.lines)
