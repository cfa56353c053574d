"""smtpd's messages (7.6; `entrypoint.supervise.smtpd_log` has taken level and filter off).

Each begins with the session that it is about. Where a stranger's text is not the last of a line,
the form says what it cannot hold, so that the field behind it is smtpd's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from entrypoint.log_fields.quoted_fields import QUOTED, unquoted

Fields = dict[str, str]

_SESSION = re.compile(r"([0-9a-f]{16}) (smtp|mta|mda) ([a-z-]+) ?")
_EVPID = r"evpid=(?P<evpid>[0-9a-f]{16})"
# No address of smtpd's holds white space or an angle bracket.
_FROM, _TO = r"from=<(?P<from_>[^<>\s]*)>", r"to=<(?P<to>[^<>\s]*)>"
_DELAY = r"delay=(?P<delay>\w+)"

# What a session's line says behind its first words: the event's name, and the form of the rest.
_FORMS: dict[str, tuple[str, re.Pattern[str]]] = {
    f"{agent} {word}": (event, re.compile(form, re.DOTALL))
    for agent, word, event, form in (
        ("smtp", "connected", "connect", r"address=(?P<client>\S+) host=(?P<host>.*)"),
        ("smtp", "tls", "tls", r"ciphers=(?P<tls>.*)"),
        (
            "smtp",
            "authentication",
            "auth",
            r"user=(?P<login>.*) result=(?P<result>ok|permfail|tempfail)",
        ),
        (
            "smtp",
            "message",
            "accept",
            r"msgid=(?P<msgid>[0-9a-f]{8}) size=(?P<size>\d+) nrcpt=(?P<nrcpt>\d+)"
            r" proto=(?P<proto>\w+)",
        ),
        ("smtp", "envelope", "recipient", rf"{_EVPID} {_FROM} {_TO}"),
        (
            "smtp",
            "failed-command",
            "refuse",
            rf"result=(?P<reply>{QUOTED}) command=(?P<command>{QUOTED})",
        ),
        ("smtp", "bad-input", "refuse", rf"result=(?P<reply>{QUOTED})"),
        ("smtp", "disconnected", "disconnect", r"reason=(?P<reason>.*)"),
        (
            "mda",
            "delivery",
            "deliver",
            rf"{_EVPID} {_FROM} {_TO} (?:rcpt=<(?P<rcpt>[^<>\s]*)> )?user=\S* {_DELAY}"
            r" result=(?P<result>\w+) stat=(?P<reply>.*)",
        ),
        (
            "mta",
            "delivery",
            "relay",
            rf"{_EVPID} {_FROM} {_TO} rcpt=<(?P<rcpt>[^<>\s]*)> source=\"(?P<source>[^\"]*)\""
            rf" relay=\"(?P<relay>[^\"]*)\" {_DELAY} result=\"(?P<result>\w+)\""
            r' stat="(?P<reply>.*)"',
        ),
        ("mta", "connecting", "out-connect", r"address=(?P<server>\S+) host=(?P<host>.*)"),
        ("mta", "tls", "out-tls", r"ciphers=(?P<tls>.*)"),
        ("mta", "error", "out-error", r"reason=(?P<reason>.*)"),
        ("mta", "disconnected", "out-disconnect", r"reason=(?P<reason>.*)"),
    )
}
# What the queue does by itself, or an operator.
_QUEUE = re.compile(
    r"(?:delivery|relay): (?P<result>Expire|Remove) for (?P<evpid>[0-9a-f]{16}): "
    r"from=<(?P<from_>[^<>\s]*)>, to=<(?P<to>[^<>\s]*)>, rcpt=<(?P<rcpt>[^<>\s]*)>, "
    rf"{_DELAY}, stat=(?P<reply>.*)",
    re.DOTALL,
)
_ENDED = {"Expire": "expired", "Remove": "removed"}


def fields(message: str) -> Fields:
    """The event and its fields; none of a line that is about no session and no envelope."""
    begin = _SESSION.match(message)
    if begin is None:
        return _of_queue(message)
    found = {"session": begin[1]}
    event, form = _FORMS.get(f"{begin[2]} {begin[3]}", ("", None))
    match = form.fullmatch(message, begin.end()) if form is not None else None
    if match is None:
        return {"event": f"{begin[2]}-{begin[3]}", **found}
    return {"event": event, **found, **_named(match)}


def _of_queue(message: str) -> Fields:
    match = _QUEUE.fullmatch(message)
    if match is None:
        return {}
    found = _named(match)
    return {"event": "queue", **found, "result": _ENDED[match["result"]]}


def _named(match: re.Match[str]) -> Fields:
    found: Fields = {}
    for name, value in match.groupdict().items():
        if value is None:
            continue
        if name == "evpid":
            found["msgid"] = value[:8]
        elif name in _READ:
            value = _READ[name](value)
        found[name] = value
    # `from` is a word of Python's. `@` alone is what the queue writes for the null sender.
    if "from_" in found:
        sender = found.pop("from_")
        found["from"] = "" if sender == "@" else sender
    if found.get("rcpt") == "-":
        del found["rcpt"]
    return found


_READ: dict[str, Callable[[str], str]] = {
    "reply": unquoted,
    "command": unquoted,
    "result": str.lower,
    "client": lambda text: text.removeprefix("IPv6:").strip("[]"),
}
