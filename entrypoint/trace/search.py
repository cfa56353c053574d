"""An id → the way of the messages that it belongs to, and of those that came of them.

What is a message's own has its queue id. A session is followed to its messages; what a script
redirects, by the Message-ID and the account; a bounce by its time and recipient, since smtpd says
no more. Lines are looked through again as long as they bring new ids.
"""

from __future__ import annotations

from collections.abc import Iterable

from entrypoint.trace.lines import Lines
from entrypoint.trace.logged import LoggedEvent, read_event
from entrypoint.trace.needles import Needles
from entrypoint.trace.way import MOST_MESSAGES, Way, bare

_MOST_ROUNDS = 12
_MOST_EVENTS = 20_000
# smtpd hands in a bounce a second or so after the last of the message's failures.
_BOUNCED_WITHIN = 120  # seconds

_OF_DOVECOT = frozenset({"store", "redirect", "reject", "answer", "discard", "duplicate"})
_WITH_A_SESSION = _OF_DOVECOT | {"accept", "recipient", "verify", "sign", "relay", "deliver"}
_ADDRESSES = ("from", "to", "rcpt")


def find_way(lines: Lines, identities: Iterable[str]) -> Way:
    """identities: the id as it was given, and other spellings of it."""
    wanted = {each for each in identities if each}
    latest = _latest_of(lines, {each for each in wanted if "@" in each})
    search = _Search(set(latest) or wanted)
    search.way.cut = len(latest) >= MOST_MESSAGES
    for _ in range(_MOST_ROUNDS):
        before = search.size()
        search.look_through(lines)
        search.follow()
        if search.size() == before:
            break
    return search.way


def _latest_of(lines: Lines, addresses: set[str]) -> list[str]:
    """The last messages that one of the addresses has sent or got; none if they are no addresses.

    Of a busy one there are too many to look at each event.
    """
    found: dict[str, None] = {}
    needles = Needles(addresses)
    if not addresses:
        return []
    for line in lines():
        if "evpid" in line and needles.in_line(line) and (event := read_event(line)) is not None:
            msgid = event.of("msgid")
            if msgid and addresses & {event.of(name).lower() for name in _ADDRESSES}:
                found.pop(msgid, None)
                found[msgid] = None
                if len(found) > MOST_MESSAGES:
                    del found[next(iter(found))]
    return list(found)


class _Search:
    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self.way = Way()
        for each in wanted:
            self.way.add(each)
        # Envelope senders of each message; and whom a bounce may go to: since when, and of what.
        self._senders: dict[str, set[str]] = {}
        self._failed: dict[str, set[tuple[int, str]]] = {}

    def size(self) -> tuple[int, ...]:
        """It grows with each new id."""
        way = self.way
        found = (way.messages, way.message_ids, way.sessions, way.alone, self._failed)
        return tuple(len(each) for each in found)

    def look_through(self, lines: Lines) -> None:
        """Take the events of all that is known by now."""
        # As a log in either form has an address.
        senders = {spelling for to in self._failed for spelling in (f"<{to}>", f'"{to}"')}
        needles = Needles(self._wanted | self.way.ids() | senders)
        events: list[LoggedEvent] = []
        gaps: list[LoggedEvent] = []
        for line in lines():
            if needles.in_line(line):
                event = read_event(line)
                if event is not None:
                    events.append(event)
                if len(events) >= _MOST_EVENTS:
                    self.way.cut = True
                    break
            elif '"gap"' in line and (gap := read_event(line)) is not None:
                gaps.append(gap)
        self.way.events, self.way.gaps = events, gaps

    def follow(self) -> None:
        """Find more ids in the events."""
        events = self.way.events
        for event in events:
            self._follow_wanted(event)
        for event in events:
            self._follow_message(event)
        for event in events:
            self._note_failure(event)
        scripts = [event for event in events if event.of("event") == "redirect"]
        redirected = [event for event in events if event.of("script") == "redirect"]
        for event in redirected:
            self._follow_to_redirected(event, scripts)
        for event in events:
            if event.of("event") in {"sign", "verify"} and not event.of("script"):
                self._follow_from_redirected(event, redirected)
            elif event.of("event") == "recipient" and not event.of("from"):
                self._follow_to_bounce(event)

    def _follow_wanted(self, event: LoggedEvent) -> None:
        msgid, wanted = event.of("msgid"), self._wanted
        if event.of("session") in wanted:
            self.way.alone.add(event.of("session"))
            self.way.add(msgid)
        if msgid and {event.of("evpid"), bare(event.of("message-id"))} & wanted:
            self.way.add(msgid)

    def _follow_message(self, event: LoggedEvent) -> None:
        msgid, session = event.of("msgid"), event.of("session")
        if msgid not in self.way.messages:
            return
        if event.of("event") in _WITH_A_SESSION and session.strip("0"):
            self.way.sessions.setdefault(session, set()).add(msgid)
        if identity := bare(event.of("message-id")):
            self.way.message_ids.setdefault(msgid, identity)
        if event.of("event") == "recipient":
            self._senders.setdefault(msgid, set()).add(event.of("from"))

    def _note_failure(self, event: LoggedEvent) -> None:
        msgid = event.of("msgid")
        if msgid in self.way.messages and event.of("result") in {"permfail", "expired"}:
            # The bounce goes to the sender as it came; a relay has the one that SRS made of it.
            for sender in {event.of("from"), *self._senders.get(msgid, ())} - {""}:
                self._failed.setdefault(sender, set()).add((int(event.moment), msgid))

    def _follow_to_redirected(self, new: LoggedEvent, scripts: list[LoggedEvent]) -> None:
        """From a message that a script has sent on to the new one."""
        identity, login = bare(new.of("message-id")), new.of("login")
        if not identity or not any(
            each.of("login") == login and bare(each.of("message-id")) == identity
            for each in scripts
        ):
            return
        for msgid, known in list(self.way.message_ids.items()):
            if known == identity and msgid != new.of("msgid"):
                self.way.add(new.of("msgid"), (msgid, f"redirected by the script of {login}"))

    def _follow_from_redirected(self, old: LoggedEvent, redirected: list[LoggedEvent]) -> None:
        """And back, where the new one was asked for."""
        msgid, identity = old.of("msgid"), bare(old.of("message-id"))
        if not msgid or not identity:
            return
        for new in redirected:
            if new.of("msgid") in self.way.messages and bare(new.of("message-id")) == identity:
                self.way.add(msgid)
                how = f"redirected by the script of {new.of('login')}"
                self.way.came_of.setdefault(new.of("msgid"), (msgid, how))

    def _follow_to_bounce(self, event: LoggedEvent) -> None:
        if event.of("msgid") in self.way.messages:
            return
        for moment, msgid in sorted(self._failed.get(event.of("to"), ())):
            if 0 <= int(event.moment) - moment <= _BOUNCED_WITHIN:
                self.way.add(event.of("msgid"), (msgid, "its bounce"))
                return
