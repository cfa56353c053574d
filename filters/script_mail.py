"""What a Sieve script sends: whose script it is, and what kind of mail that makes.

Dovecot hands it to `sieve-send`, which puts one field on top. Under that stands what Pigeonhole
(2.4.1) writes before anything that a script can: of a redirect X-Sieve and X-Sieve-Redirected-From
(cmd-redirect.c), of a vacation X-Sieve and Message-ID (cmd-vacation.c), of a rejection Message-ID
at once (Dovecot's mail-send.c). What stands further down, a script may have written: `vacation
:mime` lets it have any field. It must not know addresses, nor how mail is signed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from filters.mailauth.auth_results_parser import parse_field
from filters.mailauth.message import Field, Message, remove

ACCOUNT = b"x-signpost-account"
# In a Session's state, once its message is a script's that may leave: the account it counts for.
SCRIPT_OF = "script: account"

# What Pigeonhole and Dovecot write into a mail of their own.
_THEIRS = frozenset(
    b"x-sieve message-id date from to subject in-reply-to references auto-submitted precedence "
    b"x-auto-response-suppress mime-version".split()
)
# RFC 5230 §4.7: with :mime the reason is a MIME entity, whose header is Content-… (RFC 2045 §9).
_OF_A_SCRIPT = b"content-"
_REJECTED = b"auto-replied (rejected)"
# A rejection has the header of what it rejects, with what was said of that to its reader alone.
_READERS = re.compile(rb"(?im)^x-signpost-junk:[^\n]*\n")

Kind = Literal["redirect", "rejection", "answer"]


@dataclass(frozen=True)
class ScriptMail:
    """account: whose script it is, "" for nobody's. message: without the field that says so, and
    what is not redirected without the fields that a script must not write.
    """

    account: str
    kind: Kind
    message: Message


def read(message: Message) -> ScriptMail | None:
    """What a script sends; None where no script does.

    Only the account on top counts: a redirected message may have brought one of its own.
    """
    on_top = message.named(ACCOUNT)[:1]
    if not on_top:
        return None
    account = on_top[0].value.strip().decode("ascii", "backslashreplace")
    below = message.fields[message.fields.index(on_top[0]) + 1 :]
    kind = _kind(below)
    unwanted = () if kind == "redirect" else _not_to_be_written(below)
    raw = remove(message.raw, [*on_top, *unwanted])
    if kind == "rejection":
        raw = _READERS.sub(b"", raw)
    return ScriptMail(account, kind, Message(raw))


def _kind(fields: tuple[Field, ...]) -> Kind:
    first = [field.key for field in fields[:2]]
    if first == [b"x-sieve", b"x-sieve-redirected-from"]:
        return "redirect"
    if first[:1] == [b"message-id"] and _submission(fields) == _REJECTED:
        return "rejection"
    return "answer"


def _submission(fields: tuple[Field, ...]) -> bytes:
    found = (field.value.strip() for field in fields if field.key == b"auto-submitted")
    return next(found, b"")


def _not_to_be_written(fields: Iterable[Field]) -> Iterator[Field]:
    """What is neither theirs nor MIME's, and duplicate fields: theirs come first."""
    seen = set()
    for field in fields:
        known = field.key in _THEIRS or field.key.startswith(_OF_A_SCRIPT)
        if not known or field.key in seen:
            yield field
        seen.add(field.key)


# SRS0=HHHH=TT=DOMAIN=LOCAL, as smtpd makes it.
_REWRITTEN = re.compile(r"(?i:srs0)[-=+]([^=]+)=([^=]+)=([^=]+)=(.+)@[^@]+", re.DOTALL)


def addressed(message: Message, recipients: Sequence[str]) -> Message:
    """A mail of Pigeonhole's own; in To, the sender for whom a rewritten one (SRS) stands.

    smtpd has taken the recipients. So one in a domain of ours is an address that it has made.
    """
    if len(recipients) != 1 or (found := _REWRITTEN.fullmatch(recipients[0])) is None:
        return message
    sender = f"{found[4]}@{found[3]}".encode("ascii", "backslashreplace")
    fields = message.named(b"to")
    if len(fields) != 1 or fields[0].value.strip(b" \t\r\n<>") != recipients[0].encode():
        return message
    (to,) = fields
    return Message(message.raw[: to.start] + b"To: <%s>\r\n" % sender + message.raw[to.end :])


_BOUNDARY = re.compile(rb"""(?i)\bboundary[ \t]*=[ \t]*(?:"([^"\r\n]+)"|([^"\s;]+))""")


def returned(message: Message) -> Message | None:
    """The header section that a rejection returns, or a bounce of smtpd's; None of all else.

    It stands in the third part (RFC 6522 §3). Nobody has known the boundary before.
    """
    found = next(map(_BOUNDARY.search, (f.value for f in message.named(b"content-type"))), None)
    parts = [] if found is None else message.raw.split(b"\r\n--" + (found[1] or found[2]), 4)
    if len(parts) < 4:
        return None
    content = parts[3].partition(b"\r\n\r\n")[2]
    return Message(content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


def dmarc_result(message: Message, *, authserv_id: str) -> str | None:
    """What was found here when the message came in; None where nobody looked."""
    for field in message.named(b"authentication-results"):
        said = parse_field(field.value)
        if said is not None and said.authserv_id.lower() == authserv_id.lower():
            return next((r.result for r in said.results if r.method == "dmarc"), None)
    return None
