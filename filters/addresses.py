"""Whose addresses are whose: the small file that the image renders for both filters.

    {"delimiter": "+", "domains": ["example.org"],
     "owners": {"alice@example.org": ["alice@example.org"], "@example.org": ["bob@example.org"]},
     "forwards": ["@example.org"],
     "senders": {"alice@example.org": ["news@example.net", "@example.com"]}}

`owners` maps an address, or `@domain` for its catch-all, to the logins that it belongs to;
`forwards` are those of them whose mail goes to other domains, too. `senders` has what else a login
may send as: addresses, and `@domain` for those of a domain that are nobody's.
All of it is lower case with domains as A-labels. It knows neither smtpd nor the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filters.json_file import parse_json
from filters.watched_file import LastGood


@dataclass(frozen=True, slots=True)
class LocalAddresses:
    """The addresses of this mail server. `delimiter` separates a sub-address (RFC 5233)."""

    domains: frozenset[str]
    owners: Mapping[str, frozenset[str]]
    delimiter: str = ""
    forwards: frozenset[str] = frozenset()
    senders: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def from_json(cls, text: str) -> LocalAddresses:
        """Read the rendered file. Raises ValueError where it is not of that form."""
        return parse_json(text, cls._from_data)

    @classmethod
    def _from_data(cls, data: Mapping[str, Any]) -> LocalAddresses:
        return cls(
            domains=frozenset(str(name).lower() for name in data["domains"]),
            owners={
                str(address).lower(): frozenset(str(login).lower() for login in logins)
                for address, logins in data["owners"].items()
            },
            delimiter=str(data.get("delimiter", "")),
            forwards=frozenset(str(address).lower() for address in data.get("forwards", ())),
            senders={
                str(login).lower(): frozenset(str(address).lower() for address in addresses)
                for login, addresses in data.get("senders", {}).items()
            },
        )

    def is_ours(self, domain: str) -> bool:
        """Whether mail to this domain ends here."""
        return domain.lower() in self.domains

    def entry(self, address: str) -> str | None:
        """The entry that takes mail for an address of ours, as smtpd's virtual tables find it:
        exact, without its sub-address, or the catch-all; None if nobody does.
        """
        address = address.lower()
        if address in self.owners:
            return address
        local, _, domain = address.rpartition("@")
        untagged, _, tag = local.partition(self.delimiter) if self.delimiter else (local, "", "")
        if tag == "~" or tag.startswith("~="):
            return None  # names in smtpd's table (entrypoint/config/expansion.py), for nobody else
        for key in (f"{untagged}@{domain}", f"@{domain}"):
            if key in self.owners:
                return key
        return None

    def logins_of(self, address: str) -> frozenset[str]:
        """The logins that this address belongs to; an alias may have other domains only."""
        entry = self.entry(address)
        return self.owners[entry] if entry is not None else frozenset()

    def leaves(self, address: str) -> bool:
        """Whether mail for this address of ours goes to another domain, too."""
        return self.entry(address) in self.forwards

    def has_address(self, login: str) -> bool:
        """Whether any address of ours is this login's."""
        return any(login.lower() in logins for logins in self.owners.values())

    def may_use(self, login: str, address: str) -> bool:
        """Whether a login may send as this address."""
        login, address = login.lower(), address.lower()
        if login in self.logins_of(address):
            return True
        extra = self.senders.get(login)
        if not extra:
            return False
        local, _, domain = address.rpartition("@")
        untagged = local.partition(self.delimiter)[0] if self.delimiter else local
        spellings = {address, f"{untagged}@{domain}"}
        if not extra.isdisjoint(spellings):
            return True
        nobodys = {None, f"@{domain}"}
        return f"@{domain}" in extra and all(self.entry(each) in nobodys for each in spellings)


class AddressFile(LastGood[LocalAddresses]):
    """The addresses in a file, read again when the file changes; a broken one is not used."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, LocalAddresses.from_json)
