"""An id → the events of the messages that it belongs to, and of those that came of them.

What is a message's own has its queue id (`msgid`). A session is followed to its messages; what a
script redirects, by the Message-ID and the account; a bounce by its time and recipient, since smtpd
says no more. Lines are looked through again as long as they bring new ids.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from entrypoint.trace.lines import Lines
from entrypoint.trace.logged import LoggedEvent, read_event

_MOST_ROUNDS = 12
_MOST_MESSAGES = 200
_MOST_EVENTS = 20_000
# smtpd hands in a bounce a second or so after the last of the message's failures.
_BOUNCED_WITHIN = 120.0  # seconds

_MSGID, _LONG_ID = re.compile(r"[0-9a-f]{8}"), re.compile(r"[0-9a-f]{16}")
_ADDRESSES = ("from", "to", "rcpt", "login")
_OF_A_MESSAGE = frozenset({"accept", "recipient", "verify", "sign"})
_OF_A_SESSION = frozenset(
    {"connect", "tls", "auth", "refuse", "greylist", "unsigned", "disconnect"}
)
_OF_AN_OUTGOING_SESSION = frozenset({"out-connect", "out-tls", "out-error", "out-disconnect"})
_OF_DOVECOT = frozenset(
    {"store", "redirect", "reject", "answer", "discard", "duplicate", "store-error"}
)


@dataclass
class Way:
    """messages: queue ids, in the order of their first event. came_of: how one came of another.

    sessions: what the id alone names, where no message came of it.
    """

    events: list[LoggedEvent] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    came_of: dict[str, tuple[str, str]] = field(default_factory=dict)
    message_ids: dict[str, str] = field(default_factory=dict)
    sessions: dict[str, set[str]] = field(default_factory=dict)
    alone: set[str] = field(default_factory=set)
    gaps: list[LoggedEvent] = field(default_factory=list)
    cut: bool = False

    def add(self, msgid: str, because: tuple[str, str] | None = None) -> bool:
        """Follow this message, too; whether it is a new one."""
        if msgid in self.messages or not _MSGID.fullmatch(msgid):
            return False
        if len(self.messages) >= _MOST_MESSAGES:
            self.cut = True
            return False
        self.messages.append(msgid)
        if because is not None:
            self.came_of[msgid] = because
        return True

    def needles(self) -> set[str]:
        """What a line has to hold to be looked at."""
        named = {identity for identity in self.message_ids.values() if identity}
        return {*self.messages, *named, *self.alone, *self.sessions}


def find_way(lines: Lines, identities: Iterable[str]) -> Way:
    """identities: the id as it was given, and other spellings of it."""
    wanted = {each for each in identities if each}
    way = Way()
    for each in wanted:
        if _MSGID.fullmatch(each):
            way.add(each)
    bounced: dict[str, list[tuple[float, str]]] = {}
    for _ in range(_MOST_ROUNDS):
        needles = wanted | way.needles() | {f"<{to}>" for to in bounced}
        needles |= {f'"{to}"' for to in bounced}
        way.events, way.gaps = _matching(lines, needles, way)
        if not _followed(way, wanted, bounced):
            break
    return way


def _matching(
    lines: Lines, needles: set[str], way: Way
) -> tuple[list[LoggedEvent], list[LoggedEvent]]:
    spelled = {each for needle in needles for each in (needle, json.dumps(needle)[1:-1])}
    spelled |= {each.replace("\\", "\\\\").replace('"', '\\"') for each in needles}
    found = "|".join(map(re.escape, sorted(spelled, key=len, reverse=True)))
    form = re.compile(found, re.IGNORECASE if any("@" in each for each in needles) else 0)
    events: list[LoggedEvent] = []
    gaps: list[LoggedEvent] = []
    for line in lines():
        if form.search(line) is not None:
            event = read_event(line)
            if event is not None and len(events) < _MOST_EVENTS:
                events.append(event)
            way.cut = way.cut or len(events) >= _MOST_EVENTS
        elif '"gap"' in line and (gap := read_event(line)) is not None:
            gaps.append(gap)
    return events, gaps


def _followed(way: Way, wanted: set[str], bounced: dict[str, list[tuple[float, str]]]) -> bool:
    """Whether the events have brought something new to look for."""
    before = (
        len(way.messages),
        len(way.message_ids),
        len(way.sessions),
        len(way.alone),
        len(bounced),
    )
    for event in way.events:
        _follow_named(way, event, wanted)
    for event in way.events:
        _follow_message(way, event, bounced)
    redirects = [event for event in way.events if event.of("event") == "redirect"]
    for event in way.events:
        _follow_redirect(way, event, redirects)
        _follow_bounce(way, event, bounced)
    return before != (
        len(way.messages),
        len(way.message_ids),
        len(way.sessions),
        len(way.alone),
        len(bounced),
    )


def _follow_named(way: Way, event: LoggedEvent, wanted: set[str]) -> None:
    """The event of what was asked for: an id, or the address of a sender or recipient."""
    msgid = event.of("msgid")
    if event.of("evpid") in wanted or (msgid and bare(event.of("message-id")) in wanted):
        way.add(msgid)
    if msgid and any(event.of(name).lower() in wanted for name in _ADDRESSES if event.of(name)):
        way.add(msgid)
    if event.of("session") in wanted:
        way.alone.add(event.of("session"))
        way.add(msgid)


def _follow_message(
    way: Way, event: LoggedEvent, bounced: dict[str, list[tuple[float, str]]]
) -> None:
    msgid, name = event.of("msgid"), event.of("event")
    if msgid not in way.messages:
        return
    if name in _OF_A_MESSAGE or name in {"relay", "deliver"}:
        session = event.of("session")
        if session.strip("0"):
            way.sessions.setdefault(session, set()).add(msgid)
    if identity := event.of("message-id"):
        way.message_ids.setdefault(msgid, bare(identity))
    failed = event.of("result") in {"permfail", "expired"} or event.of("reply").startswith("5")
    if name in {"relay", "deliver", "queue"} and failed and event.of("from"):
        bounced.setdefault(event.of("from"), []).append((event.moment, msgid))


def _follow_redirect(way: Way, event: LoggedEvent, redirects: list[LoggedEvent]) -> None:
    """From a message that a script has sent on to the new one, and back."""
    identity = bare(event.of("message-id"))
    if not identity or event.of("event") not in {"sign", "verify"}:
        return
    if event.of("script") == "redirect":
        for msgid in [each for each, known in way.message_ids.items() if known == identity]:
            if msgid != event.of("msgid") and any(
                each.of("login") == event.of("login") and bare(each.of("message-id")) == identity
                for each in redirects
            ):
                because = (msgid, f"redirected by the script of {event.of('login')}")
                way.add(event.of("msgid"), because)
    elif event.of("msgid"):
        for redirected in way.events:
            if (
                redirected.of("script") == "redirect"
                and redirected.of("msgid") in way.messages
                and bare(redirected.of("message-id")) == identity
            ):
                way.add(event.of("msgid"))
                way.came_of.setdefault(
                    redirected.of("msgid"),
                    (event.of("msgid"), f"redirected by the script of {redirected.of('login')}"),
                )


def _follow_bounce(
    way: Way, event: LoggedEvent, bounced: dict[str, list[tuple[float, str]]]
) -> None:
    if event.of("event") != "recipient" or event.of("from") or event.of("msgid") in way.messages:
        return
    for moment, msgid in bounced.get(event.of("to"), []):
        if 0 <= int(event.moment) - int(moment) <= _BOUNCED_WITHIN:
            way.add(event.of("msgid"), (msgid, "its bounce"))
            return


def bare(identity: str) -> str:
    """A Message-ID without its angle brackets."""
    return identity.strip().removeprefix("<").removesuffix(">")


def events_of(way: Way, msgid: str) -> list[LoggedEvent]:
    """All events of one message, in the order in which they were written."""
    identity = way.message_ids.get(msgid)
    mailboxes = {
        event.of("to").lower()
        for event in way.events
        if event.of("event") == "deliver" and event.of("msgid") == msgid
    }
    found: list[LoggedEvent] = []
    for event in way.events:
        name, session = event.of("event"), event.of("session")
        if event.of("msgid"):
            wanted = event.of("msgid") == msgid
        elif name in _OF_A_SESSION or name in _OF_AN_OUTGOING_SESSION:
            wanted = msgid in way.sessions.get(session, set())
        elif name in _OF_DOVECOT:
            wanted = bool(identity) and bare(event.of("message-id")) == identity
            wanted = wanted and _is_mailbox(event.of("login"), mailboxes)
        else:
            wanted = False
        if wanted:
            found.append(event)
    return found


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


def events_alone(way: Way) -> list[LoggedEvent]:
    """Of sessions that were asked for, what belongs to no message."""
    return [
        event for event in way.events if event.of("session") in way.alone and not event.of("msgid")
    ]
