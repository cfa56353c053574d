"""Dovecot's messages (2.4, in the forms of templates/dovecot.conf.j2; `dovecot_log` has taken the
level off).

A Message-ID, a login and a reason may hold anything: each stands last, or behind what is looked at.
"""

from __future__ import annotations

import re

Fields = dict[str, str]

_SESSION = re.compile(r"([a-z0-9-]+)\(([^()<>\s]*)\)<\d+><([^<>\s]*)>: ")
# `sieve: msgid=d43fc6ac from=<…> stored mail into mailbox 'INBOX': message-id=<…>`
# (deliver_log_format); without Sieve `msgid=… from=<…> saved mail to INBOX: message-id=<…>`. `-` is
# what Dovecot does not know.
_HEAD = re.compile(
    r"(?:sieve: )?(?:[a-z-]+ action: )?"
    r"msgid=(?:(?P<msgid>[0-9a-f]{8})|-) from=<(?P<from_>[^<>\s]*)> (?:[a-z-]+ action: )?"
)
_DONE = re.compile(
    r"(?:"
    r"(?P<store>stored mail into mailbox |saved mail to |left message in mailbox )"
    r"'?(?P<folder>.*?)'?"
    r"|(?P<redirect>forwarded to )<(?P<to>[^<>]*)>"
    r"|(?P<reject>rejected message from )<[^<>]*> \(\w+\)"
    r"|(?P<answer>sent vacation response to )<(?P<answered>[^<>]*)>"
    r"|(?P<discard>marked message to be discarded if not explicitly delivered )\(discard action\)"
    r"|(?P<duplicate>discarded duplicate forward to )<(?P<again>[^<>]*)>"
    r"|(?P<reason>(?:failed to|save failed|not forwarding).*?)"
    r")(?:: message-id=(?P<message_id>.*))?",
    re.DOTALL,
)
# Said of a delivery beside that: only the session knows of which.
_FAILED = re.compile(r"(?:sieve: )?(?P<reason>(?:failed to|Execution of script).*)", re.DOTALL)
# `imap-login: Logged in: method=PLAIN, client=192.0.2.1, TLS, session=<…>, login=<…>`
_LOGIN = re.compile(
    r"(?:[a-z0-9]+)-login: (?:(?P<ok>Logged in)|Login aborted: (?P<reason>[^<]*?)): "
    r"(?:method=(?P<method>[A-Z0-9-]*), )?client=(?P<client>[0-9a-f.:]+), "
    r".*?session=<(?P<session>[^<>\s]*)>, login=<(?P<login>.*)>",
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
    head = _HEAD.match(text)
    if head is None:
        failed = _FAILED.fullmatch(text)
        return {"event": "store-error", **whose, "reason": failed["reason"]} if failed else {}
    done = _DONE.fullmatch(text, head.end())
    if done is None:
        return {}
    event = next((step for step in _STEPS if done[step]), "store-error")
    found = {"event": event, **whose, **_named(head, ("msgid", "from_"))}
    names = ("folder", "to", "answered", "again", "reason", "message_id")
    return {**found, **_named(done, names)}


def _named(match: re.Match[str], names: tuple[str, ...]) -> Fields:
    return {_RENAMED.get(name, name): match[name] for name in names if match[name] is not None}
