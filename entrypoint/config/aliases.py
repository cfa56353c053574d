"""ALIASES and POSTMASTER_ADDRESS: written addresses → Alias values that reach somebody.

It must not know passwords.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace

from entrypoint.config.addresses import foreign_address, own_address
from entrypoint.config.domain_names import domain_name
from entrypoint.config.entries import Entry, entries
from entrypoint.config.problems import BrokenRuleError, Problems
from entrypoint.config.routes import Routes
from entrypoint.config.settings import Alias


def read_aliases(
    where: str,
    text: str,
    domains: Collection[str] | None,
    accounts: Collection[str],
    problems: Problems,
) -> dict[str, Alias]:
    """Read the entries and note each mistake; the result is by place, as `ALIASES: line 3`.

    `domains` is None where they are not known, having mistakes of their own.
    """
    aliases: dict[str, Alias] = {}
    seen: set[str] = set()
    without_colon = BrokenRuleError(
        "no colon between an alias and its targets",
        "write it like info@example.org: alice@example.org, bob@example.org",
    )
    for place, address, rest in keyed_lists(where, text, alias_address, without_colon, problems):
        targets, complete = _targets(place, address, rest, problems)
        for rule in alias_rules(address, domains, accounts, targets if complete else None):
            problems.broken(place, rule, address)
        if address in seen:
            problems.add(place, "duplicate alias", "write all targets in one entry", address)
        seen.add(address)
        if targets:
            aliases[place] = Alias(address=address, targets=targets)
    return aliases


def keyed_lists(
    where: str,
    text: str,
    key: Callable[[str], str],
    without_colon: BrokenRuleError,
    problems: Problems,
) -> Iterator[tuple[str, str, str]]:
    """The place of each entry `address: address, address`, its first address, as `key` reads it,
    and what stands behind the colon. What is none is noted, and passed over.
    """
    for entry in _entries(text):
        place = f"{where}: {entry.place}"
        written, colon, rest = entry.text.partition(":")
        try:
            if not colon:
                raise without_colon
            address = key(written.strip())
        except BrokenRuleError as error:
            problems.broken(place, error, written.strip())
            continue
        yield place, address, rest


def _entries(text: str) -> list[Entry]:
    """The aliases. In the form by comma, what has no colon is a further target of the one before:
    `info@example.org: alice@example.org, bob@example.org, sales@example.org: bob@example.org`.
    """
    found: list[Entry] = []
    for entry in entries(text):
        if found and not entry.certain and ":" not in entry.text:
            found[-1] = replace(found[-1], text=f"{found[-1].text}, {entry.text}")
        else:
            found.append(entry)
    return found


def alias_address(text: str) -> str:
    """An address that others can stand behind: one that is to exist here, or `@domain`."""
    return f"@{domain_name(text[1:])}" if text.startswith("@") else own_address(text)


def alias_target(text: str) -> str:
    """An address of anybody, or `@domain`: the whole of a domain of ours."""
    return f"@{domain_name(text[1:])}" if text.startswith("@") else foreign_address(text)


def alias_rules(
    address: str,
    domains: Collection[str] | None,
    accounts: Collection[str],
    targets: Collection[str] | None,
) -> Iterator[BrokenRuleError]:
    """The rules that the address of an alias breaks, and its targets by their form; None is not
    known, and breaks none.
    """
    if domains is not None and address.rpartition("@")[2] not in domains:
        yield BrokenRuleError(
            "an alias outside DOMAINS", "add its domain to DOMAINS, or correct it"
        )
    if address in accounts and targets is not None and address not in targets:
        yield BrokenRuleError(
            "an alias that is an account too",
            f"take one of the two, or have {address} among its targets: then it has the mail, and "
            "the others get copies",
        )
    yield from _alias_domain_rules(address, domains, targets or ())


def _alias_domain_rules(
    address: str, domains: Collection[str] | None, targets: Collection[str]
) -> Iterator[BrokenRuleError]:
    whole = [target for target in targets if target.startswith("@")]
    if not whole:
        return
    if not address.startswith("@"):
        yield BrokenRuleError(
            f"{whole[0]} is a whole domain, and the alias is one address",
            "write @example.net: @example.org, or an address as its target",
        )
    elif len(targets) > 1:
        yield BrokenRuleError(
            f"an alias domain has one target, and {whole[0]} is one of {len(targets)}",
            "leave out the others; single addresses of the domain may have aliases of their own",
        )
    elif domains is not None and whole[0][1:] not in domains:
        yield BrokenRuleError(
            f"the domain of its target {whole[0]} is not in DOMAINS",
            "add it there, or write an address as the target",
        )


def _targets(
    place: str, address: str, text: str, problems: Problems
) -> tuple[tuple[str, ...], bool]:
    """The targets, and whether these are all."""
    targets: list[str] = []
    written = [part.strip() for part in text.split(",") if part.strip()]
    if not written:
        problems.add(
            place, "an alias without a recipient", "write a target after the colon", address
        )
    complete = bool(written)
    for part in written:
        try:
            target = alias_target(part)
        except BrokenRuleError as error:
            problems.broken(place, error, part)
            complete = False
            continue
        if target in targets:
            problems.add(place, "duplicate target", "take it out", part)
            continue
        targets.append(target)
    return tuple(targets), complete


def check_targets(aliases: Mapping[str, Alias], routes: Routes, problems: Problems) -> None:
    """Note each target in a domain of ours that nobody takes mail for."""
    for place, alias in aliases.items():
        for target in alias.targets:
            if not takes_mail(target, routes):
                problems.add(
                    place,
                    "an alias without a recipient: nobody takes mail for its target",
                    "add that account, or correct the target",
                    target,
                )


def takes_mail(target: str, routes: Routes) -> bool:
    """Does anybody take mail for a target? Elsewhere that is not known, and means yes."""
    if target.startswith("@") or not routes.is_ours(target):
        return True
    return routes.entry(target) is not None


def check_loops(
    where: str, aliases: Mapping[str, Alias], routes: Routes, problems: Problems
) -> None:
    """Note each alias loop. where: the place of a loop that holds none of these aliases."""
    places = {alias.address: place for place, alias in aliases.items()}
    for loop in routes.loops():
        # The roles' implied aliases have no place of their own; a loop has a written one, too.
        first = min(range(len(loop)), key=lambda at: loop[at] not in places)
        path = loop[first:] + loop[:first] + (loop[first],)
        problems.add(
            places.get(loop[first], where),
            "alias loop",
            "give it another target, or add it as an account"
            if len(loop) == 1 and not loop[0].startswith("@")
            else "give one of them another target",
            " -> ".join(path),
        )


def read_postmaster(where: str, text: str, routes: Routes | None, problems: Problems) -> str:
    """Read POSTMASTER_ADDRESS: of ours it must exist, and a foreign one may be any."""
    try:
        address = foreign_address(text)
    except BrokenRuleError as error:
        problems.broken(where, error, text)
        return text
    if routes is not None and routes.is_ours(address) and routes.entry(address) is None:
        problems.add(
            where,
            "nobody takes mail for this address",
            "add that account or alias, or leave this out",
            address,
        )
    return address
