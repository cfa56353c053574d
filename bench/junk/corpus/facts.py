"""What a server knows of a message besides its words: the record that stands beside each one."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Facts:
    """Results and circumstances of one delivery, with the words of RFC 8601 where it has them."""

    spf: str  # pass, fail, softfail, neutral, none
    dkim: str  # pass, fail, none
    dmarc: str  # pass, fail, none
    dmarc_policy: str  # none, quarantine, reject, or empty without a record
    rdns: str  # matches, generic, mismatch, none
    helo: str  # matches, other, literal, forged
    dnsbl: bool
    first_contact: bool
    written_to: bool  # the account has written to the author before
    mail_from: str
    client_address: str
    helo_name: str
    rdns_name: str

    def record(self) -> dict[str, object]:
        """As JSON takes it."""
        return dataclasses.asdict(self)
