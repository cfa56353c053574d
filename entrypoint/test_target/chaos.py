"""Mailpit's chaos: answers to MAIL FROM, RCPT TO and AUTH that are errors, by chance."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Trigger:
    """code: 400 to 599. probability: in percent."""

    code: int
    probability: int = 0


@dataclass(frozen=True)
class Triggers:
    """As Mailpit has them, for every run."""

    sender: Trigger = Trigger(451)
    recipient: Trigger = Trigger(451)
    authentication: Trigger = Trigger(535)

    @property
    def any(self) -> bool:
        """Whether one can come."""
        return any(t.probability for t in (self.sender, self.recipient, self.authentication))

    def reply(self, phase: str, chance: Callable[[], float] = random.random) -> str | None:
        """The error that a command gets now, in Mailpit's words; None: none. chance: 0 to 1."""
        name = {"mail-from": "sender", "rcpt-to": "recipient", "auth": "authentication"}.get(phase)
        if name is None:
            return None
        trigger: Trigger = getattr(self, name)
        if trigger.probability <= 100 * chance():
            return None
        return f"{trigger.code} Chaos {name} error"
