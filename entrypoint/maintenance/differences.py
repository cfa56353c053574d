"""What has changed between two configurations, as the log has it: Settings in, lines out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from entrypoint.config.settings import Account, Settings

Value = TypeVar("Value")


def differences(old: Settings, new: Settings) -> Iterator[str]:
    """Domains, accounts and aliases: nothing else changes while the server runs."""
    for name, before, after in _changed(
        dict.fromkeys(old.domains, 1), dict.fromkeys(new.domains, 1)
    ):
        if before is None and after is not None:
            yield f"domain {name} added; publish its records: signpost dns {name}"
        else:
            yield f"domain {name} removed"
    for name, was, now in _changed(
        {each.address: each for each in old.accounts}, {each.address: each for each in new.accounts}
    ):
        if was is None or now is None:
            yield f"account {name} {'added' if was is None else 'removed'}"
        else:
            yield from (f"account {name}: {what}" for what in _account(was, now))
    for name, source, goal in _changed(
        {each.address: each.targets for each in old.all_aliases},
        {each.address: each.targets for each in new.all_aliases},
    ):
        if goal is None:
            yield f"alias {name} removed"
        else:
            yield f"alias {name} {'added' if source is None else 'changed'}: {', '.join(goal)}"


def _account(old: Account, new: Account) -> Iterator[str]:
    if old.secret != new.secret:
        yield "another password"
    if old.quota != new.quota:
        yield "another quota"
    for name, was, now in _changed(
        {each.name: each.hash for each in old.app_passwords},
        {each.name: each.hash for each in new.app_passwords},
    ):
        what = "revoked" if now is None else "added" if was is None else "replaced"
        yield f"app password {name} {what}"


def _changed(
    old: Mapping[str, Value], new: Mapping[str, Value]
) -> Iterator[tuple[str, Value | None, Value | None]]:
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            yield name, old.get(name), new.get(name)
