r"""A line of the log → what is to be counted: `("rejected", "relay", "permanent")`.

A sample is a name and words, none of which holds white space. Domains and selectors are as the line
has them; who counts knows which are ours. No address is ever in one. Standard library only, for it
is in memory where the log is read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from entrypoint.log_fields.of_line import fields_of
from entrypoint.metrics.refusals import kind_of, reason_of
from entrypoint.metrics.words import METHODS, PROTOCOLS

Sample = tuple[str, ...]
Fields = dict[str, str]

_WORD = re.compile(r"[!-~]{1,255}")
_LOGIN = re.compile(r"([a-z0-9]+)-login: ")
# As auth says where it cannot tell, and while guesses at the account are not looked at.
_UNANSWERED = re.compile(r"temporar|internal|_temp_|unavailable", re.IGNORECASE)
_BLOCK = re.compile(r"blocked \S+ for \d+ minutes after failed logins \(time \d+\) at (login=|any)")
_LIMIT = re.compile(r"\d+ failed logins at ")
_AGENTS = {"deliver": "local", "relay": "relay"}
_AUTH_RESULTS = {"ok": "ok", "permfail": "fail", "tempfail": "error"}


def samples_of(level: str, program: str, message: str) -> Iterator[Sample]:
    """All that one line of the log counts for. It may hold anything."""
    yield "line", program, level
    found = fields_of(program, message)
    event = found.get("event")
    if event in _OF_SMTPD and program == "smtpd":
        yield from _OF_SMTPD[event](found)
    elif event == "login":
        yield from _login(message, found)
    elif event == "verify":
        yield from _verified(found)
    elif event in {"sign", "unsigned"}:
        yield from _signed(found)
    elif event == "verdict":
        yield "junk", found["decision"], found["junk"]
    elif event == "store-error":
        yield ("store-error",)
    elif program == "logins" and not event:
        yield from _blocked(message)


def _accepted(found: Fields) -> Iterator[Sample]:
    if "size" in found:
        yield "accepted", found["size"]


def _recipient(found: Fields) -> Iterator[Sample]:
    yield "recipient", _word(found.get("to", "").rpartition("@")[2].lower())


def _refused(found: Fields) -> Iterator[Sample]:
    if "reply" in found:
        yield "rejected", reason_of(found["reply"]), kind_of(found["reply"])


def _delivery(found: Fields) -> Iterator[Sample]:
    if "evpid" in found:
        yield "delivery", _AGENTS[found["event"]], _word(found.get("result", ""))


def _ended(found: Fields) -> Iterator[Sample]:
    yield "queue", found["result"]


def _authenticated(found: Fields) -> Iterator[Sample]:
    if "result" in found:
        yield "login", "smtp", _AUTH_RESULTS.get(found["result"], "other")


def _login(message: str, found: Fields) -> Iterator[Sample]:
    named = _LOGIN.match(message)
    protocol = named[1] if named and named[1] in PROTOCOLS else "other"
    # A connection that ends without a try is no login. The reason is Dovecot's own text.
    reason = found.get("reason", "")
    if found["result"] == "ok" or "auth failed" in reason or "(auth_failed)" in reason:
        yield "login", protocol, found["result"]
    elif _UNANSWERED.search(reason):
        yield "login", protocol, "error"


def _connected(found: Fields) -> Iterator[Sample]:
    yield ("connection",)


_OF_SMTPD: dict[str | None, Callable[[Fields], Iterator[Sample]]] = {
    "connect": _connected,
    "accept": _accepted,
    "recipient": _recipient,
    "refuse": _refused,
    "deliver": _delivery,
    "relay": _delivery,
    "queue": _ended,
    "auth": _authenticated,
}


def _verified(found: Fields) -> Iterator[Sample]:
    for method in METHODS & found.keys():
        yield "verified", method, _word(found[method])
    yield "disposition", _word(found["disposition"])


def _signed(found: Fields) -> Iterator[Sample]:
    for selector in filter(None, found.get("signed", "").split(",")):
        yield "signed", _word(found.get("author", "")), _word(selector)
    if "domain" in found:
        yield "unsigned", _word(found["domain"])


def _blocked(message: str) -> Iterator[Sample]:
    if match := _BLOCK.match(message):
        yield "block", "login" if match[1] == "login=" else "client"
    elif _LIMIT.match(message):
        yield "block", "account"


def _word(text: str) -> str:
    """As it is, where it is one word that can be no address."""
    return text if _WORD.fullmatch(text) and "@" not in text else "other"
