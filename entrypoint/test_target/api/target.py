"""All that an endpoint may need."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from prometheus_client.core import Metric

from entrypoint.test_target.api.events import EventHub
from entrypoint.test_target.api.outside import FaultScripts, Submission, Zones
from entrypoint.test_target.api.waits import Waits
from entrypoint.test_target.store.changes import Change, MessageAdded
from entrypoint.test_target.store.mailbox import Mailbox

API_VERSION = "v1.30.5"  # of Mailpit, whose API this is; clients compare it


@dataclass
class SmtpCounters:
    """Since the start. refused: messages; whoever refuses them counts them."""

    accepted: int = 0
    accepted_bytes: int = 0
    refused: int = 0


@dataclass
class Target:
    """ready: whether mail is accepted. version: Signpost's. collectors: more for /metrics."""

    mailbox: Mailbox
    submission: Submission
    faults: FaultScripts
    zones: Zones
    version: str
    ready: Callable[[], bool] = lambda: True
    label: str = ""
    collectors: list[Callable[[], Awaitable[list[Metric]]]] = field(default_factory=list)
    smtp: SmtpCounters = field(default_factory=SmtpCounters)
    started: float = field(default_factory=time.monotonic)
    waits: Waits = field(init=False)
    events: EventHub = field(init=False)

    def __post_init__(self) -> None:
        """Whoever wants to know of changes is told from now on."""
        self.waits = Waits(self.mailbox)
        self.events = EventHub(self.mailbox, API_VERSION)
        self.mailbox.changes.listen(self._count)

    def _count(self, change: Change) -> None:
        if isinstance(change, MessageAdded):
            self.smtp.accepted += 1
            self.smtp.accepted_bytes += change.record.size
