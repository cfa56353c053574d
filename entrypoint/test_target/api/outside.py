"""What the API asks of the rest of the server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class SubmissionRefusedError(Exception):
    """The server has not taken a message; the text is its answer."""


class Submission(Protocol):
    """Hands a message to the server as a client would."""

    async def submit(self, sender: str, recipients: Sequence[str], raw: bytes, login: str) -> str:
        """The ID it has in the mailbox. Raises SubmissionRefusedError. login: "" is none."""
        ...


@dataclass(frozen=True)
class Trigger:
    """code: 400 to 599. probability: in percent."""

    code: int
    probability: int = 0


@dataclass(frozen=True)
class Triggers:
    """Mailpit's chaos: answers to MAIL FROM, RCPT TO and AUTH."""

    sender: Trigger = Trigger(451)
    recipient: Trigger = Trigger(451)
    authentication: Trigger = Trigger(535)


class Faults(Protocol):
    """Who lets the server fail on purpose."""

    def triggers(self) -> Triggers | None:
        """Those of now; None if there shall be none (Mailpit's chaos is off)."""
        ...

    def set_triggers(self, triggers: Triggers) -> None:
        """From the next command on."""
        ...


class FaultTriggers:
    """The triggers, for whoever answers the commands to look up."""

    def __init__(self) -> None:
        self._triggers = Triggers()

    def triggers(self) -> Triggers | None:
        """Those of now."""
        return self._triggers

    def set_triggers(self, triggers: Triggers) -> None:
        """From now on."""
        self._triggers = triggers
