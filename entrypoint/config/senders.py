"""SEND_AS: `account: address, @domain` entries → what else an account may send as.

It must not know who receives mail for these addresses.
"""

from __future__ import annotations

from collections.abc import Collection

from entrypoint.config.addresses import own_address
from entrypoint.config.aliases import alias_address, keyed_lists
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.settings import SendAs


def read_senders(
    where: str, text: str, domains: Collection[str] | None, problems: Problems
) -> tuple[SendAs, ...]:
    """Read the entries and note each mistake. `domains` is None where they are not known."""
    found: dict[str, SendAs] = {}
    without_colon = BrokenRuleError(
        "no colon between an account and the addresses that it may send as",
        "write it like shop@example.org: orders@example.org, @example.net",
    )
    for place, account, rest in keyed_lists(where, text, own_address, without_colon, problems):
        if account in found:
            problems.add(
                place, "duplicate account", "write all its addresses in one entry", account
            )
            continue
        addresses = _addresses(place, rest, domains, problems)
        if not rest.strip(" ,"):
            problems.add(place, "no address to send as", "write one after the colon", account)
        found[account] = SendAs(account=account, addresses=addresses)
    return tuple(found.values())


def _addresses(
    place: str, text: str, domains: Collection[str] | None, problems: Problems
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for part in filter(None, map(str.strip, text.split(","))):
        try:
            address = alias_address(part)
        except BrokenRuleError as error:
            problems.broken(place, error, part)
            continue
        if domains is not None and address.rpartition("@")[2] not in domains:
            problems.add(
                place,
                "an address outside DOMAINS",
                "add its domain to DOMAINS, or correct it: mail of other domains is not signed",
                address,
            )
        found[address] = None
    return tuple(found)
