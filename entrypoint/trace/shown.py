r"""A way → lines for a person: each message with its events, and how it ended.

What strangers wrote is printed with escapes (`\x1b`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from entrypoint.text import counted, listed, printable
from entrypoint.trace.logged import LoggedEvent
from entrypoint.trace.way import Way

_METHODS = ("iprev", "spf", "dkim", "dmarc", "arc")
_WIDTH = 15  # of the longest event's name


def shown(way: Way) -> Iterator[str]:
    """The lines, without ends."""
    blank = False
    for msgid in sorted(way.messages, key=lambda each: _begin(way, each)):
        if blank:
            yield ""
        blank = True
        yield from _message(way, msgid)
    alone = way.events_alone()
    if alone and not way.messages:
        yield from (_event(event) for event in alone)
    for gap in way.gaps:
        yield f"{printable(gap.time)}  {_lost(gap)} could not be written down before this"
    if way.cut:
        yield "there is more of it: ask for one of its messages alone"


def _begin(way: Way, msgid: str) -> tuple[float, str]:
    events = way.events_of(msgid)
    return (events[0].moment if events else 0.0, msgid)


def _lost(gap: LoggedEvent) -> str:
    count = gap.of("dropped")
    return counted(int(count), "event") if count.isdecimal() else "some events"


def _message(way: Way, msgid: str) -> Iterator[str]:
    events = way.events_of(msgid)
    identity = way.message_ids.get(msgid, "")
    yield printable(f"message {msgid}{f'  <{identity}>' if identity else ''}")
    if msgid in way.came_of:
        other, how = way.came_of[msgid]
        yield printable(f"  of {other}: {how}")
    for event in events:
        yield _event(event)
    for line in _ends(msgid, events):
        yield printable(f"  => {line}")
    for other, (source, how) in way.came_of.items():
        if source == msgid:
            yield printable(f"  => {how}: see {other}")


def _event(event: LoggedEvent) -> str:
    name = event.of("event")
    text = _TEXTS[name](event) if name in _TEXTS else _all(event)
    return printable(f"  {event.time}  {name:{_WIDTH}}  {text}").rstrip()


def _all(event: LoggedEvent) -> str:
    return " ".join(f"{key}={value}" for key, value in event.fields.items() if key != "event")


def _verified(event: LoggedEvent) -> str:
    results = " ".join(f"{each}={event.of(each)}" for each in _METHODS if event.of(each))
    reason = f" ({event.of('reason')})" if event.of("reason") else ""
    author = event.of("author") or "no single author"
    return f"{author}: {results}; disposition {event.of('disposition')}{reason}"


def _signed(event: LoggedEvent) -> str:
    login = event.of("login")
    if script := event.of("script"):
        return f"a {script} of the script of {login} leaves as it came"
    by = f" for {login}" if login else ""
    return f"{event.of('author')} with {event.of('signed')}{by}"


def _verdict(event: LoggedEvent) -> str:
    said = "junk" if event.of("junk") == "yes" else "not junk"
    score = f", score {event.of('score')}, threshold {event.of('threshold')}"
    by_score = score if event.of("score") else ""
    return f"{event.of('login')}: {said}{by_score} ({event.of('reason')})"


def _written_to(event: LoggedEvent) -> str:
    rcpt = event.of("rcpt")
    return f"<{event.of('to')}>" + (f" for <{rcpt}>" if rcpt and rcpt != event.of("to") else "")


def _delivered(event: LoggedEvent) -> str:
    relay = f" by {event.of('relay')}" if event.of("relay") else ""
    return f"{_written_to(event)}{relay}: {event.of('result')} after {event.of('delay')}: " + (
        event.of("reply")
    )


def _refused(event: LoggedEvent) -> str:
    command = f"{event.of('command')}: " if event.of("command") else ""
    return f"{command}{event.of('reply') or event.of('reason')}"


_TEXTS: dict[str, Callable[[LoggedEvent], str]] = {
    "connect": lambda event: f"{event.of('client')} ({event.of('host')}), {event.of('session')}",
    "tls": lambda event: event.of("tls"),
    "auth": lambda event: f"{event.of('login')}: {event.of('result')}",
    "login": lambda event: f"{event.of('login')}: {event.of('result')} {event.of('reason')}",
    "accept": lambda event: f"{event.of('size')} bytes for {event.of('nrcpt')}",
    "recipient": lambda event: f"<{event.of('from')}> to <{event.of('to')}>, {event.of('evpid')}",
    "refuse": _refused,
    "verify": _verified,
    "sign": _signed,
    "deliver": _delivered,
    "relay": _delivered,
    "queue": lambda event: f"{_written_to(event)}: {event.of('result')}: {event.of('reply')}",
    "disconnect": lambda event: event.of("reason"),
    "verdict": _verdict,
    "store": lambda event: f"{event.of('login')}: {event.of('folder')}",
    "redirect": lambda event: f"{event.of('login')}: to <{event.of('to')}>",
    "duplicate": lambda event: f"{event.of('login')}: not again to <{event.of('to')}>",
    "answer": lambda event: f"{event.of('login')}: an answer to <{event.of('to')}>",
    "reject": lambda event: f"{event.of('login')}: refused to <{event.of('from')}>",
    "discard": lambda event: f"{event.of('login')}: discarded by the script",
    "store-error": lambda event: f"{event.of('login')}: {event.of('reason')}",
    "out-connect": lambda event: f"{event.of('server')} ({event.of('host')})",
    "out-tls": lambda event: event.of("tls"),
    "out-certificate": lambda event: event.of("result"),
    "out-error": lambda event: event.of("reason"),
    "out-disconnect": lambda event: event.of("reason"),
}


def _ends(msgid: str, events: list[LoggedEvent]) -> Iterator[str]:
    """How it has ended for each recipient: what was said of it last."""
    last: dict[str, LoggedEvent] = {}
    for event in events:
        if event.of("evpid"):
            last[event.of("evpid")] = event
    if not last:
        refused = [event for event in events if event.of("event") == "refuse"]
        if refused:
            yield f"refused: {refused[-1].of('reply') or refused[-1].of('reason')}"
        elif events:
            yield "it was not accepted, as far as this shows"
        else:
            yield "no event of it was written down"
    for evpid, event in last.items():
        yield f"{_written_to(event)}: {_end(evpid, event, events)}"


def _end(evpid: str, event: LoggedEvent, events: list[LoggedEvent]) -> str:
    name, result, reply = event.of("event"), event.of("result"), event.of("reply")
    if name == "recipient":
        return f"accepted, and nothing since: see `signpost queue show {evpid}`"
    if result == "ok" and name == "deliver":
        return f"delivered{_folders(event, events)}"
    if result == "ok":
        return f"taken by {event.of('relay')}: {reply}"
    if result == "tempfail":
        return f"deferred: {reply}; `signpost queue show {evpid}` says until when"
    if result in {"expired", "removed"}:
        return f"{result}: {reply}"
    return f"refused: {reply}"


def _folders(event: LoggedEvent, events: list[LoggedEvent]) -> str:
    """Where Dovecot says that it stored it; without its word, in the mailbox."""
    stores = [
        each
        for each in events
        if each.of("event") == "store" and _is_mailbox_of(each.of("login"), event.of("to"))
    ]
    # Of `al` and `al.ice` it is the longer one's; where there is one alone, the rest is a tag.
    login = max((each.of("login") for each in stores), key=len, default="")
    found = [each.of("folder") for each in stores if each.of("login") == login]
    return f" in {listed(dict.fromkeys(found))}" if found else ""


def _is_mailbox_of(login: str, to: str) -> bool:
    """Whether mail to the address, which may have a tag, is for the account."""
    local, _, domain = login.lower().rpartition("@")
    to_local, _, to_domain = to.lower().rpartition("@")
    tag = to_local.removeprefix(local)
    return to_domain == domain and to_local.startswith(local) and not tag[:1].isalnum()
