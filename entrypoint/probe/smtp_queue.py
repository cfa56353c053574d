"""smtpd's queue as `smtpctl show queue` prints it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Envelope:
    """One line of `smtpctl show queue`: one recipient of one message."""

    evpid: str
    sender: str
    recipient: str
    created: int
    state: str
    reason: str

    @classmethod
    def parse(cls, line: str) -> Envelope:
        """Fields by `|` as smtpctl(8) has them; the last may hold more of them."""
        fields = line.split("|", 13)
        return cls(fields[0], fields[4], fields[5], int(fields[7]), fields[11], fields[13])
