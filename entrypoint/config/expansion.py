"""Aliases as smtpd's table takes them: short, flat lists of the addresses that they end in.

smtpd 7.6 reads 2,047 bytes behind a name (`424` for more), goes ten steps at most (`524`), makes
two copies for an address that it meets twice on its way, and drops the tag at each alias. So none
of the table's aliases points to another, and a long list stands in a file that the table names.

What the delivery agent (deliver.c) needs to know of a tag stands in the address's own, which
nobody may write to (`filters.addresses`): `alice+~@` has none, and `alice+~=lists@` has `lists`
whatever tag the mail was written to. It must not know how aliases are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from entrypoint.config.routes import Routes

# The user that smtpd delivers every mailbox as.
_MAILBOX = "vmail"
# Behind a name of the table; what is longer stands in a file.
_LONGEST = 2000
LISTS = "tables/lists"
_OPEN, _FIXED = "~", "~="


@dataclass(frozen=True)
class End:
    """Where mail ends: at an account of ours, or elsewhere.

    tag: the account's sub-address; None for the one that the mail is written to, "" for none.
    """

    address: str
    tag: str | None = None


@dataclass(frozen=True)
class Expansion:
    """ends: where the mail of an address goes, each once. owners: the accounts that it belongs to;
    who only gets copies of an account's mail is none. leaves: does it go elsewhere, too?
    """

    ends: tuple[End, ...]
    owners: frozenset[str]
    leaves: bool


def expand(routes: Routes, entry: str) -> Expansion:
    """What becomes of mail for one of the routes' entries."""
    fixed = routes.delimiter in entry.rpartition("@")[0]
    first = End(entry, "" if fixed else None)
    account = entry in routes.accounts
    ends = {End(entry): None} if account else {}
    owners = {entry} if account else set()
    leaves = False
    # Depth first, without recursion: a chain may be as long as the table.
    waiting = [(target, first.tag, account) for target in reversed(routes.targets(entry))]
    seen: set[tuple[str, str | None, bool]] = set()
    while waiting:
        target, tag, copy = waiting.pop()
        if not routes.is_ours(target):
            ends[End(target)] = None
            leaves = True
            continue
        key = routes.entry(target)
        if key is None:
            continue
        tag = _tag(target, key, routes.delimiter) or tag
        if (key, tag, copy) in seen:
            continue
        seen.add((key, tag, copy))
        if key in routes.accounts:
            ends[End(key, tag)] = None
            if not copy:
                owners.add(key)
            copy = True
        waiting += [(each, tag, copy) for each in reversed(routes.targets(key))]
    return Expansion(tuple(ends), frozenset(owners), leaves)


def _tag(address: str, key: str, delimiter: str) -> str:
    """The sub-address of an address that this entry takes."""
    local = address.rpartition("@")[0]
    return "" if local == key.rpartition("@")[0] else local.partition(delimiter)[2]


@dataclass(frozen=True)
class Expansions:
    """Those of all entries of some routes."""

    routes: Routes

    @cached_property
    def by_entry(self) -> dict[str, Expansion]:
        """Each entry's."""
        return {entry: expand(self.routes, entry) for entry in self.routes.entries()}

    @cached_property
    def _written(self) -> tuple[dict[str, str], dict[str, str]]:
        table: dict[str, str] = {}
        files: dict[str, str] = {}
        for entry, expansion in self.by_entry.items():
            targets = []
            for target, mailbox in self._targets(entry, expansion):
                targets.append(target)
                if mailbox:
                    table[target] = _MAILBOX
            text = ",".join(targets)
            if len(text) > _LONGEST:
                content = "".join(f"{target}\n" for target in targets)
                name = f"{LISTS}/{hashlib.sha256(content.encode()).hexdigest()[:32]}"
                files[name] = content
                text = f":include:/run/signpost/{name}"
            table[entry] = text
        return table, files

    @property
    def table(self) -> dict[str, str]:
        """smtpd's table: name → targets."""
        return self._written[0]

    @property
    def files(self) -> dict[str, str]:
        """The files that the table names, below /run/signpost: an address a line.

        They are named by what they hold, so that a table means the same until smtpd has the next.
        """
        return self._written[1]

    def _targets(self, entry: str, expansion: Expansion) -> Iterator[tuple[str, bool]]:
        """The targets of an entry, and whether each needs a name of its own in the table."""
        covered = self._covered(entry, expansion)
        for end in expansion.ends:
            if end == End(entry):
                yield _MAILBOX, False
            elif covered.get(end, True):
                yield (end.address, False) if end in covered else self._mailbox(end)

    def _covered(self, entry: str, expansion: Expansion) -> dict[End, bool]:
        """The ends that smtpd finds by itself behind accounts that have their mail copied; True for
        those accounts. Each end is behind one of them only, so that it gets one copy.
        """
        covered: dict[End, bool] = {}
        for end in expansion.ends:
            if not self._copies(end.address) or end.tag is not None or end.address == entry:
                continue
            behind = self.by_entry[end.address].ends
            if any(each in covered or each.address == entry for each in behind):
                continue
            if any(self._copies(each.address) for each in behind if each != end):
                continue
            covered |= {each: each == end for each in behind}
        return covered

    def _copies(self, address: str) -> bool:
        return address in self.routes.accounts and address in self.routes.aliases

    def _mailbox(self, end: End) -> tuple[str, bool]:
        """An end by itself: of an account its mailbox, without those that get copies."""
        if end.address not in self.routes.accounts:
            return end.address, False
        local, _, domain = end.address.rpartition("@")
        copies, delimiter = self._copies(end.address), self.routes.delimiter
        if end.tag is None:
            return (f"{local}{delimiter}{_OPEN}@{domain}", True) if copies else (end.address, False)
        address = f"{local}{delimiter}{end.tag}@{domain}"
        if end.tag and not copies and self.routes.entry(address) == end.address:
            return address, False
        return f"{local}{delimiter}{_FIXED}{end.tag}@{domain}", copies
