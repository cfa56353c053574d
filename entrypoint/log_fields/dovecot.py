"""Dovecot's messages (2.4, in the forms of templates/dovecot.conf.j2; `dovecot_log` has taken the
level off).

A Message-ID, a login and a reason may hold anything: each stands last, or behind what is looked at.
"""

from __future__ import annotations

import re

Fields = dict[str, str]

_SESSION = re.compile(r"([a-z0-9-]+)\(([^()<>\s]*)\)<\d+><([^<>\s]*)>: ")
# In front of what Sieve says: `sieve: redirect action: forwarded to …`.
_ACTION = r"(?:sieve: )?(?:[a-z-]+ action: )?"
# `sieve: stored mail into mailbox 'INBOX': msgid=<…>` (deliver_log_format); without Sieve
# `saved mail to INBOX: msgid=<…>`.
_DELIVERED = re.compile(
    rf"{_ACTION}(?:"
    r"(?P<store>stored mail into mailbox |saved mail to |left message in mailbox )"
    r"'?(?P<folder>.*?)'?"
    r"|(?P<redirect>forwarded to )<(?P<to>[^<>]*)>"
    r"|(?P<reject>rejected message from )<(?P<from_>[^<>]*)> \(\w+\)"
    r"|(?P<answer>sent vacation response to )<(?P<answered>[^<>]*)>"
    r"|(?P<discard>marked message to be discarded if not explicitly delivered )\(discard action\)"
    r"|(?P<duplicate>discarded duplicate forward to )<(?P<again>[^<>]*)>"
    r")(?:: msgid=(?P<message_id>.*))?",
    re.DOTALL | re.IGNORECASE,
)
_FAILED = re.compile(
    rf"{_ACTION}(?P<reason>(?:failed to|save failed|Execution of script|not forwarding).*?)"
    r"(?:: msgid=(?P<message_id>.*))?",
    re.DOTALL,
)
# `imap-login: Logged in: method=PLAIN, rip=192.0.2.1, TLS, session=<…>, user=<…>`
_LOGIN = re.compile(
    r"(?:[a-z0-9]+)-login: (?:(?P<ok>Logged in)|Login aborted: (?P<reason>[^<]*?)): "
    r"(?:method=(?P<method>[A-Z0-9-]*), )?rip=(?P<client>[0-9a-f.:]+), "
    r".*?session=<(?P<session>[^<>\s]*)>, user=<(?P<login>.*)>",
    re.DOTALL,
)
_STEPS = ("store", "redirect", "reject", "answer", "discard", "duplicate")
_RENAMED = {"from_": "from", "answered": "to", "again": "to", "message_id": "message-id"}


def fields(message: str) -> Fields:
    """The event and its fields; none of a line of another form."""
    begin = _SESSION.match(message)
    if begin is not None:
        if begin[1] not in {"lmtp", "lda"}:
            return {}
        return _of_delivery(message[begin.end() :], login=begin[2], session=begin[3])
    match = _LOGIN.fullmatch(message)
    if match is None:
        return {}
    found = {"event": "login", "result": "ok" if match["ok"] else "fail"}
    return {**found, **_named(match, ("session", "client", "login", "method", "reason"))}


def _of_delivery(text: str, login: str, session: str) -> Fields:
    whose = {"session": session, "login": login}
    match = _DELIVERED.fullmatch(text)
    if match is not None:
        event = next(step for step in _STEPS if match[step])
        names = ("folder", "to", "from_", "answered", "again", "message_id")
        return {"event": event, **whose, **_named(match, names)}
    match = _FAILED.fullmatch(text)
    if match is not None:
        return {"event": "store-error", **whose, **_named(match, ("reason", "message_id"))}
    return {}


def _named(match: re.Match[str], names: tuple[str, ...]) -> Fields:
    return {_RENAMED.get(name, name): match[name] for name in names if match[name] is not None}
