"""Which domains speak for the author's: identifier alignment (RFC 9989 §4.4, §4.10.2).

It must not know messages, nor what SPF and DKIM came to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from filters.mailauth.dmarc.discovery import organizational_domain
from filters.mailauth.dmarc.record import DmarcRecord
from filters.mailauth.dns.types import DnsTemporaryError, Resolver


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that SPF or DKIM speaks for (RFC 9989 §4.4)."""

    method: Literal["spf", "dkim"]
    domain: str


@dataclass(frozen=True, slots=True)
class Alignment:
    """The author's domain and what its record asks for.

    organizational: the author domain's organizational domain, None where DNS failed.
    """

    domain: str
    organizational: str | None
    record: DmarcRecord
    resolver: Resolver

    def known(self, identifier: Identifier) -> bool | None:
        """Say whether it is aligned, or None where DNS must tell."""
        other = identifier.domain
        if other == self.domain:
            return True
        strict = self.record.strict_spf if identifier.method == "spf" else self.record.strict_dkim
        if strict:
            return False
        if self.organizational is None:
            # Even a top-level domain can be an organizational one.
            same_top = other.rpartition(".")[2] == self.domain.rpartition(".")[2]
            return None if same_top else False
        if other == self.organizational:
            return True
        return None if other.endswith(f".{self.organizational}") else False

    async def decide(self, identifier: Identifier) -> bool | None:
        """Say whether it is aligned, or None where DNS fails."""
        known = self.known(identifier)
        if known is not None or self.organizational is None:
            return known
        try:
            found = await organizational_domain(identifier.domain, self.resolver)
        except DnsTemporaryError:
            return None
        return found == self.organizational
