"""Which mailboxes receive mail for an address: accounts, aliases, sub-addresses and catch-alls.

An alias `@domain` with one target `@other` is an alias domain: what it does not have itself, the
other domain has. An alias of an account sends copies of its mail on; the account has it, too. It
works on values that are well-formed, and must not know how they were written, nor that smtpd has
files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from entrypoint.config.settings import Settings, alias_domains


@dataclass(frozen=True)
class Routes:
    """The tables of accounts and aliases, asked as smtpd asks them."""

    domains: Collection[str]
    accounts: Collection[str]
    aliases: Mapping[str, tuple[str, ...]]
    delimiter: str

    @cached_property
    def alias_domains(self) -> dict[str, str]:
        """The alias domains, and which domain each is the same as."""
        return alias_domains(self.aliases.items())

    def is_ours(self, address: str) -> bool:
        """Is the address in one of our domains?"""
        return address.rpartition("@")[2] in self.domains

    def domains_of(self, domain: str) -> tuple[str, ...]:
        """The domain and, where it is an alias domain, those that it stands for, in order."""
        chain = [domain]
        while (after := self.alias_domains.get(chain[-1])) is not None and after not in chain:
            chain.append(after)
        return tuple(chain)

    def entry(self, address: str) -> str | None:
        """The account or alias that takes mail for an address of ours; None if nobody does.

        First the address as it is, then without its tag, then the catch-all of its domain; an alias
        domain has the other's in the place of a catch-all.
        """
        local, _, domain = address.rpartition("@")
        untagged = local.partition(self.delimiter)[0]
        chain = self.domains_of(domain)
        for each in chain:
            for key in (f"{local}@{each}", f"{untagged}@{each}"):
                if key in self.accounts or key in self.aliases:
                    return key
        last = chain[-1]
        return f"@{last}" if f"@{last}" in self.aliases and last not in self.alias_domains else None

    def entries(self) -> Iterator[str]:
        """Every account and alias, and what alias domains have by another: `@domain` is a
        catch-all. The alias domains themselves are none.
        """
        keys: dict[str, list[str]] = {}
        for key in dict.fromkeys((*self.accounts, *self.aliases)):
            domain = key.rpartition("@")[2]
            if key != f"@{domain}" or domain not in self.alias_domains:
                keys.setdefault(domain, []).append(key)
                yield key
        for domain in self.alias_domains:
            for other in self.domains_of(domain)[1:]:
                for key in keys.get(other, ()):
                    here = f"{key.rpartition('@')[0]}@{domain}"
                    if here.startswith("@") or self.entry(here) == key:
                        yield here

    def targets(self, entry: str) -> tuple[str, ...]:
        """What stands behind one of the `entries`: addresses; none for an account without copies.

        What an alias domain has by another domain points there.
        """
        local, _, domain = entry.rpartition("@")
        itself = local or domain not in self.alias_domains
        if entry in self.accounts or (entry in self.aliases and itself):
            return self.aliases.get(entry, ())
        if local:
            there = self.entry(entry)
            return () if there is None else (there,)
        return self.aliases.get(f"@{self.domains_of(domain)[-1]}", ())

    def next_entries(self, alias: str) -> Iterable[str]:
        """The accounts and aliases that an alias's targets stand for."""
        for target in self.aliases.get(alias, ()):
            entry = self.entry(target) if self.is_ours(target) else None
            if entry is not None:
                yield entry

    def loops(self) -> list[tuple[str, ...]]:
        """Alias loops, each as its aliases in order; at least one if there is any.

        An account ends each of them: it has the mail.
        """
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
                elif entry in self.aliases and entry not in self.accounts and entry not in done:
                    done.add(entry)
                    path.append(entry)
                    waiting.extend((each, depth + 1) for each in self.next_entries(entry))
        return found


def routes_of(settings: Settings) -> Routes:
    """The routes of a whole configuration, the implied aliases included."""
    return Routes(
        domains=frozenset(settings.mail_names),
        accounts=dict.fromkeys(account.address for account in settings.accounts),
        aliases={alias.address: alias.targets for alias in settings.all_aliases},
        delimiter=settings.recipient_delimiter,
    )
