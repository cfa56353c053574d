"""An id → the way of the messages that it belongs to, and of those that came of them.

What is a message's own has its queue id. A session is followed to its messages; what a script
redirects, by the Message-ID, the account and the time; a bounce by its recipient and the time, for
smtpd says no more. Each round looks for the ids that the one before has brought, and for no other.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from entrypoint.trace.lines import EventFiles, Position
from entrypoint.trace.logged import LoggedEvent, read_event
from entrypoint.trace.needles import Needles
from entrypoint.trace.way import MOST_MESSAGES, Way, bare

_MOST_ROUNDS = 12
_MOST_EVENTS = 20_000
# smtpd hands in a bounce a second or so after the last of the message's failures.
_BOUNCED_WITHIN = 120  # seconds
# Between the line of the script and that of what it sends; either may be the first.
_REDIRECTED_WITHIN = 60

_OF_DOVECOT = frozenset({"store", "redirect", "reject", "answer", "discard", "duplicate"})
_WITH_A_SESSION = _OF_DOVECOT | {"accept", "recipient", "verify", "sign", "relay", "deliver"}
_ADDRESSES = ("from", "to", "rcpt")
_GAP = "gap"  # the event of a journal that lacks something


def find_way(files: EventFiles, identities: Iterable[str]) -> Way:
    """identities: the id as it was given, and other spellings of it."""
    wanted = {each for each in identities if each}
    latest = _latest_of(files, {each for each in wanted if "@" in each})
    search = _Search(set(latest) or wanted)
    search.way.cut = len(latest) >= MOST_MESSAGES
    for _ in range(_MOST_ROUNDS):
        if not search.look_through(files):
            break
        search.follow()
    return search.way


def _latest_of(files: EventFiles, addresses: set[str]) -> list[str]:
    """The last messages that one of the addresses has sent or got; none if they are no addresses.

    Of a busy one there are too many to look at each event.
    """
    found: dict[str, None] = {}
    if not addresses:
        return []
    needles = Needles(addresses, ignore_case=True)
    for _, blocks in groupby(files.blocks(), key=lambda block: block[0][0]):
        # A file has what is newest at its end.
        of_file: dict[str, None] = {}
        for _, block in blocks:
            for _, line in needles.lines_in(block):
                if (msgid := _message_of(line, addresses)) is not None:
                    of_file.pop(msgid, None)
                    of_file[msgid] = None
                    if len(of_file) > MOST_MESSAGES:
                        del of_file[next(iter(of_file))]
        found.update(dict.fromkeys(reversed(of_file)))
        if len(found) >= MOST_MESSAGES:
            break
    return list(found)[:MOST_MESSAGES]


def _message_of(line: bytes, addresses: set[str]) -> str | None:
    """The queue id of what one of the addresses has sent or got."""
    if b'"evpid"' not in line:
        return None
    event = read_event(line.decode("utf-8", "backslashreplace"))
    if event is None or addresses.isdisjoint(event.of(name).lower() for name in _ADDRESSES):
        return None
    return event.of("msgid") or None


class _Search:
    def __init__(self, wanted: set[str]) -> None:
        self._wanted = wanted
        self.way = Way()
        for each in wanted:
            self.way.add(each)
        self._looked_for: set[str] = set()
        self._found: dict[Position, LoggedEvent] = {}
        # Envelope senders of each message; and whom a bounce may go to: since when, and of what.
        self._senders: dict[str, set[str]] = {}
        self._failed: dict[str, set[tuple[int, str]]] = {}
        # Message-IDs of what a script sends on.
        self._redirected: set[str] = set()

    def look_through(self, files: EventFiles) -> bool:
        """Take the events of all that is known by now; False where nothing of it is new."""
        ids = self._wanted | self.way.ids() | self._redirected
        new = (ids | set(self._failed)) - self._looked_for - {""}
        if not new:
            return False
        needles = Needles(new, event="" if self._looked_for else _GAP)
        self._looked_for |= new
        for (number, place), block in files.blocks():
            for begin, line in needles.lines_in(block):
                event = read_event(line.decode("utf-8", "backslashreplace"))
                if event is not None and self._is_of(event, new):
                    self._found[number, place + begin] = event
            if len(self._found) >= _MOST_EVENTS:
                self.way.cut = True
                break
        found = [self._found[each] for each in sorted(self._found)]
        self.way.events = [event for event in found if event.of("event") != _GAP]
        self.way.gaps = [event for event in found if event.of("event") == _GAP]
        return True

    def _is_of(self, event: LoggedEvent, new: set[str]) -> bool:
        msgid, session = event.of("msgid"), event.of("session")
        if {msgid, event.of("evpid"), bare(event.of("message-id"))} & new:
            return True
        if session in new:
            # A session with another server may be that of a thousand messages.
            return not msgid or session in self._wanted
        if event.of("event") == _GAP:
            return True
        return event.of("to") in new and event.of("event") == "recipient" and not event.of("from")

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
        for event in events:
            if event.of("script") == "redirect":
                self._follow_redirect(event, scripts)
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
            if "redirect" in {event.of("event"), event.of("script")}:
                self._redirected.add(identity)
        if event.of("event") == "recipient":
            self._senders.setdefault(msgid, set()).add(event.of("from"))

    def _note_failure(self, event: LoggedEvent) -> None:
        msgid = event.of("msgid")
        if msgid in self.way.messages and event.of("result") in {"permfail", "expired"}:
            # The bounce goes to the sender as it came; a relay has the one that SRS made of it.
            for sender in {event.of("from"), *self._senders.get(msgid, ())} - {""}:
                self._failed.setdefault(sender, set()).add((int(event.moment), msgid))

    def _follow_redirect(self, new: LoggedEvent, scripts: list[LoggedEvent]) -> None:
        """From a message that a script has sent on to the new one, or back."""
        identity, login = bare(new.of("message-id")), new.of("login")
        near = [
            (abs(old.moment - new.moment), old.of("msgid"))
            for old in scripts
            if identity
            and old.of("login") == login
            and bare(old.of("message-id")) == identity
            and abs(old.moment - new.moment) <= _REDIRECTED_WITHIN
        ]
        if not near:
            return
        _, msgid = min(near)
        known = self.way.messages
        if msgid in known or new.of("msgid") in known:
            self.way.add(msgid)
            how = (msgid, f"redirected by the script of {login}")
            self.way.add(new.of("msgid"), how)
            self.way.came_of.setdefault(new.of("msgid"), how)

    def _follow_to_bounce(self, event: LoggedEvent) -> None:
        if event.of("msgid") in self.way.messages:
            return
        for moment, msgid in sorted(self._failed.get(event.of("to"), ())):
            if 0 <= int(event.moment) - moment <= _BOUNCED_WITHIN:
                self.way.add(event.of("msgid"), (msgid, "its bounce"))
                return
