"""What the commands change, as values: nothing is added that would be passed over.

It must not know files, nor how a change goes live. Addresses are as they are kept, and hashes are
crypt(3)'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

from entrypoint.accounts.merge import app_password_name, from_environment, merged
from entrypoint.accounts.stored import Stored, StoredAccount, StoredPassword
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.settings import Settings


class RefusedError(Exception):
    """This cannot be done. `reasons` are one line each."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


def add_account(
    settings: Settings, stored: Stored, address: str, hashed: str, quota: int | None
) -> Stored:
    """A new account."""
    _ours_to_change(settings, address)
    if address in stored.accounts:
        _refuse(address, "an account that is there already", "signpost account passwd changes it")
    account = StoredAccount(hashed, quota)
    return _checked(settings, stored, stored.with_account(address, account))


def set_password(settings: Settings, stored: Stored, address: str, hashed: str) -> Stored:
    """Another password of an account."""
    account = _account(settings, stored, address)
    return stored.with_account(address, replace(account, hash=hashed))


def set_quota(settings: Settings, stored: Stored, address: str, quota: int | None) -> Stored:
    """Another quota of an account."""
    account = _account(settings, stored, address)
    return stored.with_account(address, replace(account, quota=quota))


def remove_account(settings: Settings, stored: Stored, address: str) -> Stored:
    """No such account any more, and none of its app passwords."""
    _account(settings, stored, address)
    after = stored.with_account(address, None).with_app_passwords(address, ())
    cure = "change that first; until then signpost account passwd locks the account"
    _not_needed(settings, stored, after, address, cure)
    return _checked(settings, stored, after)


def add_alias(settings: Settings, stored: Stored, address: str, targets: Sequence[str]) -> Stored:
    """A new alias, or further targets of one."""
    _ours_to_change(settings, address)
    before = stored.aliases.get(address, ())
    if there := next((target for target in targets if target in before), None):
        _refuse(address, "a target that is there already", "leave it out", there)
    after = stored.with_alias(address, (*before, *targets))
    return _checked(settings, stored, after)


def remove_alias(
    settings: Settings, stored: Stored, address: str, targets: Sequence[str]
) -> Stored:
    """No such alias any more; or, where targets are named, without these."""
    _ours_to_change(settings, address)
    if address not in stored.aliases:
        _refuse(address, "no such alias", "signpost alias list shows those there are")
    before = stored.aliases[address]
    if missing := next((target for target in targets if target not in before), None):
        _refuse(address, "no such target", "signpost alias list shows those there are", missing)
    left = tuple(target for target in before if targets and target not in targets)
    after = stored.with_alias(address, left)
    _not_needed(settings, stored, after, address, "change that first")
    return _checked(settings, stored, after)


def add_app_password(
    settings: Settings, stored: Stored, address: str, password: StoredPassword
) -> Stored:
    """A further password of an account, of the environment's, too."""
    _named(address, password.name)
    before = stored.app_passwords.get(address, ())
    if any(each.name == password.name for each in before):
        _refuse(address, "an app password that is there already", "revoke it first", password.name)
    return _checked(settings, stored, stored.with_app_passwords(address, (*before, password)))


def revoke_app_password(stored: Stored, address: str, name: str) -> Stored:
    """Without this app password."""
    before = stored.app_passwords.get(address, ())
    after = tuple(each for each in before if each.name != name)
    if after == before:
        cure = "signpost app-password list shows those there are"
        _refuse(address, "no such app password", cure, name)
    return stored.with_app_passwords(address, after)


def _account(settings: Settings, stored: Stored, address: str) -> StoredAccount:
    _ours_to_change(settings, address)
    if address not in stored.accounts:
        _refuse(address, "no such account", "signpost account list shows those there are")
    return stored.accounts[address]


def _ours_to_change(settings: Settings, address: str) -> None:
    if (error := from_environment(settings).get(address)) is not None:
        _refuse(address, error.rule, error.cure)


def _named(address: str, name: str) -> None:
    try:
        app_password_name(name)
    except BrokenRuleError as error:
        _refuse(address, error.rule, error.cure, name)


def _checked(settings: Settings, before: Stored, after: Stored) -> Stored:
    """The state after, if all fits that fitted before; what is broken anyway is no hindrance."""
    known = merged(settings, before)[1]
    if new := [line for line in merged(settings, after)[1] if line not in known]:
        raise RefusedError(new)
    return after


def _not_needed(settings: Settings, before: Stored, after: Stored, address: str, cure: str) -> None:
    """Refuse what would leave an alias of the environment without the end that it has here.

    The next start would have to pass over it, or be refused: only a person can say which.
    """
    now, then = merged(settings, before)[0], merged(settings, after)[0]
    lost = {alias.address for alias in now.aliases if alias not in then.aliases}
    names = [f"{each.address} of ALIASES" for each in settings.aliases if each.address in lost]
    if now.postmaster_address != then.postmaster_address:
        names.append("POSTMASTER_ADDRESS")
    if names:
        verb = "leads" if len(names) == 1 else "lead"
        _refuse(address, f"{' and '.join(names)} {verb} here", cure)


def _refuse(where: str, rule: str, cure: str, value: str | None = None) -> NoReturn:
    problems = Problems()
    problems.add(where, rule, cure, value)
    raise RefusedError(problems.lines)
