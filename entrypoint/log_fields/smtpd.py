"""smtpd's messages (7.6; `entrypoint.supervise.smtpd_log` has taken level and filter off).

Each begins with the session that it is about. Where a stranger's text is not the last of a line,
the form says what it cannot hold, so that the field behind it is smtpd's.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from entrypoint.log_fields.quoted_fields import QUOTED, unquoted

Fields = dict[str, str]

_SESSION = re.compile(r"([0-9a-f]{16}) ((?:smtp|mta|mda) [a-z-]+) ?")
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
        (
            "mta",
            "cert-check",
            "out-certificate",
            r'result="(?P<result>[a-z ]+)" fingerprint="[^"]*"',
        ),
        ("mta", "error", "out-error", r"reason=(?P<reason>.*)"),
        ("mta", "disconnected", "out-disconnect", r"reason=(?P<reason>.*)"),
    )
}
_NO_FORM = ("", re.compile(r"(?!)"))
# What the queue does by itself, or an operator.
_QUEUE = re.compile(
    r"(?:delivery|relay): (?P<result>Expire|Remove) for (?P<evpid>[0-9a-f]{16}): "
    r"from=<(?P<from_>[^<>\s]*)>, to=<(?P<to>[^<>\s]*)>, rcpt=<(?P<rcpt>[^<>\s]*)>, "
    rf"{_DELAY}, stat=(?P<reply>.*)",
    re.DOTALL,
)
# What goes wrong behind the first message of a session.
_LATER_ERROR = re.compile(
    r"smtp-out: Error on session (?P<session>[0-9a-f]{16}) after \d+ messages? sent: "
    r"(?P<reason>.*)",
    re.DOTALL,
)
_ENDED = {"Expire": "expired", "Remove": "removed"}


def fields(message: str) -> Fields:
    """The event and its fields; none of a line that is about no session and no envelope."""
    begin = _SESSION.match(message)
    if begin is None:
        return _of_no_session(message)
    session, kind = begin.groups()
    event, form = _FORMS.get(kind, _NO_FORM)
    match = form.fullmatch(message, begin.end())
    found = {"event": event or kind.replace(" ", "-"), "session": session}
    if match is not None:
        return _named(match, found)
    found["event"] = kind.replace(" ", "-")
    return found


def _of_no_session(message: str) -> Fields:
    if match := _LATER_ERROR.fullmatch(message):
        return _named(match, {"event": "out-error"})
    match = _QUEUE.fullmatch(message)
    if match is None:
        return {}
    found = _named(match, {"event": "queue"})
    found["result"] = _ENDED[match["result"]]
    return found


def _named(match: re.Match[str], found: Fields) -> Fields:
    for name, value in match.groupdict().items():
        if name in _READ:
            _READ[name](found, value)
        else:
            found[name] = value
    return found


def _evpid(found: Fields, value: str) -> None:
    found["msgid"], found["evpid"] = value[:8], value


def _sender(found: Fields, value: str) -> None:
    # `@` alone is what the queue writes for the null sender.
    found["from"] = "" if value == "@" else value


def _rcpt(found: Fields, value: str | None) -> None:
    if value not in {None, "-"}:
        found["rcpt"] = str(value)


def _client(found: Fields, value: str) -> None:
    found["client"] = value.removeprefix("IPv6:").strip("[]")


def _result(found: Fields, value: str) -> None:
    found["result"] = value.lower()


def _reply(found: Fields, value: str) -> None:
    found["reply"] = unquoted(value)


def _said(found: Fields, value: str) -> None:
    found["command"] = unquoted(value)


# What is not simply the text; by the name of the group (`from` is a word of Python's).
_READ: dict[str, Callable[[Fields, str], None]] = {
    "evpid": _evpid,
    "from_": _sender,
    "rcpt": _rcpt,
    "client": _client,
    "result": _result,
    "reply": _reply,
    "command": _said,
}
