"""What the API asks of the rest of the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from entrypoint.test_target.chaos import Triggers
from entrypoint.test_target.faults import FaultRequest, FaultScript


class SubmissionRefusedError(Exception):
    """The server has not taken a message; the text is its answer."""


class Submission(Protocol):
    """Hands a message to the server as a client would."""

    async def submit(self, sender: str, recipients: Sequence[str], raw: bytes, login: str) -> str:
        """The ID it has in the mailbox. Raises SubmissionRefusedError. login: "" is none."""
        ...


class FaultScripts(Protocol):
    """Who lets the server fail on purpose. What is awaited holds from the next command on.

    `entrypoint.test_target.fault_table` has one. All that is awaited may raise OSError
    (TimeoutError is one): the part of the server that has to know does not answer.
    """

    async def add(self, request: FaultRequest) -> FaultScript:
        """Raises ValueError where there are too many."""
        ...

    async def clear(self, *, fault_id: str | None = None, run: str | None = None) -> int:
        """One, or a run's, or all; how many there were."""
        ...

    def listed(self, run: str | None = None) -> Sequence[FaultScript]:
        """All of them, or one run's."""
        ...

    async def set_triggers(self, triggers: Triggers) -> None:
        """Mailpit's chaos."""
        ...

    def triggers(self) -> Triggers:
        """Those of now."""
        ...


class Zones(Protocol):
    """What DNS holds. What is awaited holds for the next message; it may raise OSError, as above.

    `entrypoint.test_target.zone_table` has one. run: None is the zone of all.
    """

    async def set(self, run: str | None, text: str) -> Mapping[str, Any]:
        """The names that are in it. Raises ZoneError."""
        ...

    async def clear(self, run: str | None = None) -> int:
        """A run's own; without a run, every zone that was set. How many there were."""
        ...

    def get(self, run: str | None = None) -> Mapping[str, Any] | None:
        """Its names; None where the run has no zone of its own."""
        ...

    def runs(self) -> Sequence[str]:
        """Those that have a zone of their own."""
        ...
