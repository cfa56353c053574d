"""Which mailboxes receive mail for an address: accounts, aliases, sub-addresses and catch-alls.

It works as smtpd's virtual tables do, on values that are well-formed. It must not know how they
were written, nor that smtpd has files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from entrypoint.config.settings import Settings


@dataclass(frozen=True)
class Routes:
    """The tables of accounts and aliases, asked as smtpd asks them."""

    domains: Collection[str]
    accounts: Collection[str]
    aliases: Mapping[str, tuple[str, ...]]
    delimiter: str

    def is_ours(self, address: str) -> bool:
        """Is the address in one of our domains?"""
        return address.rpartition("@")[2] in self.domains

    def entry(self, address: str) -> str | None:
        """The account or alias that takes mail for an address of ours; None if nobody does.

        First the address as it is, then without its tag, then the catch-all of its domain.
        """
        local, _, domain = address.rpartition("@")
        untagged = local.partition(self.delimiter)[0]
        for key in (address, f"{untagged}@{domain}", f"@{domain}"):
            if key in self.accounts or key in self.aliases:
                return key
        return None

    def next_entries(self, alias: str) -> Iterable[str]:
        """The accounts and aliases that an alias's targets stand for; none for an account."""
        for target in self.aliases.get(alias, ()):
            entry = self.entry(target) if self.is_ours(target) else None
            if entry is not None:
                yield entry

    def reached(self, address: str) -> frozenset[str]:
        """Every account and alias that mail for an address of ours comes through or ends in."""
        reached: set[str] = set()
        start = self.entry(address) if self.is_ours(address) else None
        waiting = [] if start is None else [start]
        while waiting:
            entry = waiting.pop()
            if entry not in reached:
                reached.add(entry)
                waiting.extend(self.next_entries(entry))
        return frozenset(reached)

    def accounts_behind(self, address: str) -> frozenset[str]:
        """The accounts that mail for an address ends in, however many aliases lie between."""
        return frozenset(entry for entry in self.reached(address) if entry in self.accounts)

    def leaves(self, address: str) -> bool:
        """Does mail for an address of ours also go to a domain that is not ours?"""
        return any(
            not self.is_ours(target)
            for entry in self.reached(address)
            for target in self.aliases.get(entry, ())
        )

    def loops(self) -> list[tuple[str, ...]]:
        """Alias loops, each as its aliases in order; at least one if there is any."""
        done: set[str] = set()
        found: list[tuple[str, ...]] = []
        for alias in self.aliases:
            # Depth first, without recursion: a chain may be as long as the table.
            path: list[str] = []
            waiting: list[tuple[str, int]] = [(alias, 0)]
            while waiting:
                entry, depth = waiting.pop()
                del path[depth:]
                if entry in path:
                    found.append(tuple(path[path.index(entry) :]))
                elif entry in self.aliases and entry not in done:
                    done.add(entry)
                    path.append(entry)
                    waiting.extend((each, depth + 1) for each in self.next_entries(entry))
        return found


def routes_of(settings: Settings) -> Routes:
    """The routes of a whole configuration, the implied aliases included."""
    return Routes(
        domains=frozenset(settings.mail_names),
        accounts=frozenset(account.address for account in settings.accounts),
        aliases={alias.address: alias.targets for alias in settings.all_aliases},
        delimiter=settings.recipient_delimiter,
    )
