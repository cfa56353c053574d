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
    }
)
_OF_DOVECOT = frozenset(
    {"store", "redirect", "reject", "answer", "discard", "duplicate", "store-error"}
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
        named = {identity for identity in self.message_ids.values() if identity}
        return {*self.messages, *named, *self.alone, *self.sessions}

    def events_of(self, msgid: str) -> list[LoggedEvent]:
        """All events of one message, in the order in which they were written."""
        mailboxes = {
            event.of("to").lower()
            for event in self.events
            if event.of("event") == "deliver" and event.of("msgid") == msgid
        }
        return [event for event in self.events if self._has(msgid, event, mailboxes)]

    def _has(self, msgid: str, event: LoggedEvent, mailboxes: set[str]) -> bool:
        if event.of("msgid"):
            return event.of("msgid") == msgid
        name = event.of("event")
        if name in _OF_A_SESSION:
            return msgid in self.sessions.get(event.of("session"), ())
        if name in _OF_DOVECOT:
            identity = self.message_ids.get(msgid)
            return (
                bool(identity)
                and bare(event.of("message-id")) == identity
                and _is_mailbox(event.of("login"), mailboxes)
            )
        return False

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


def _is_mailbox(login: str, recipients: set[str]) -> bool:
    """A recipient may have a sub-address, by a delimiter that is not known here."""
    local, _, domain = login.lower().rpartition("@")
    return any(
        each == login.lower()
        or (
            each.startswith(local)
            and not each[len(local) : len(local) + 1].isalnum()
            and each.endswith(f"@{domain}")
        )
        for each in recipients
    )
