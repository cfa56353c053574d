"""What commands have stored in /data/accounts, as values, unchecked: `merge` checks them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

Value = TypeVar("Value")


@dataclass(frozen=True)
class StoredAccount:
    """hash: crypt(3)'s. quota: bytes; 0 is no limit, and None what DEFAULT_QUOTA says."""

    hash: str = field(repr=False)
    quota: int | None = None


@dataclass(frozen=True)
class StoredPassword:
    """An app password. hash: crypt(3)'s. created: UTC, such as 2026-11-25T08:20:40Z."""

    name: str
    hash: str = field(repr=False)
    created: str


@dataclass(frozen=True)
class Stored:
    """Everything, by address; app passwords are also those of the environment's accounts."""

    accounts: Mapping[str, StoredAccount] = field(default_factory=dict)
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    app_passwords: Mapping[str, tuple[StoredPassword, ...]] = field(default_factory=dict)

    @property
    def addresses(self) -> frozenset[str]:
        """Those of the accounts and the aliases."""
        return frozenset((*self.accounts, *self.aliases))

    def with_account(self, address: str, account: StoredAccount | None) -> Stored:
        """With this account at the address, or None there."""
        return replace(self, accounts=_with(self.accounts, address, account))

    def with_alias(self, address: str, targets: tuple[str, ...]) -> Stored:
        """With these targets of the alias; without it where there are none."""
        return replace(self, aliases=_with(self.aliases, address, targets or None))

    def with_app_passwords(self, address: str, passwords: tuple[StoredPassword, ...]) -> Stored:
        """With these app passwords of the account."""
        return replace(self, app_passwords=_with(self.app_passwords, address, passwords or None))


def _with(table: Mapping[str, Value], address: str, value: Value | None) -> dict[str, Value]:
    rest = {key: each for key, each in table.items() if key != address or value is not None}
    return rest if value is None else {**rest, address: value}
