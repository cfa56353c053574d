"""A message's way, and those of what came of it: which events are whose."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from entrypoint.trace.logged import LoggedEvent

MOST_MESSAGES = 200

_MSGID = re.compile(r"[0-9a-f]{8}")
_OF_A_SESSION = frozenset(
    {
        *("connect", "tls", "auth", "refuse", "greylist", "unsigned", "disconnect"),
        *("out-connect", "out-tls", "out-certificate", "out-error", "out-disconnect"),
        # Dovecot's, whose session is one delivery.
        "store-error",
    }
)


@dataclass
class Way:
    """messages: queue ids. came_of: of which other a message came, and how.

    message_ids: their Message-IDs, without angle brackets. sessions: which messages a session had.
    alone: sessions that were asked for. gaps: where the journal lacks something.
    """

    events: list[LoggedEvent] = field(default_factory=list)
    gaps: list[LoggedEvent] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    came_of: dict[str, tuple[str, str]] = field(default_factory=dict)
    message_ids: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, set[str]] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    cut: bool = False

    def add(self, msgid: str, because: tuple[str, str] | None = None) -> None:
        """Follow this message, too."""
        if msgid in self.messages or not _MSGID.fullmatch(msgid):
            return
        if len(self.messages) >= MOST_MESSAGES:
            self.cut = True
            return
        self.messages.append(msgid)
        if because is not None:
            self.came_of[msgid] = because

    def ids(self) -> set[str]:
        """What is known to belong to it."""
        return {*self.messages, *self.alone, *self.sessions}

    def events_of(self, msgid: str) -> list[LoggedEvent]:
        """All events of one message, in the order in which they were written."""
        return [event for event in self.events if self._has(msgid, event)]

    def _has(self, msgid: str, event: LoggedEvent) -> bool:
        if event.of("msgid"):
            return event.of("msgid") == msgid
        return event.of("event") in _OF_A_SESSION and msgid in self.sessions.get(
            event.of("session"), ()
        )

    def events_alone(self) -> list[LoggedEvent]:
        """Of sessions that were asked for, what belongs to no message."""
        return [
            event
            for event in self.events
            if event.of("session") in self.alone and not event.of("msgid")
        ]


def bare(identity: str) -> str:
    """A Message-ID without its angle brackets."""
    return identity.strip().removeprefix("<").removesuffix(">")
