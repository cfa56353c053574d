"""The filters' messages: a row of fields, then words, then what a stranger wrote, quoted."""

from __future__ import annotations

import re

from entrypoint.log_fields.quoted_fields import QUOTED, leading_fields, unquoted

Fields = dict[str, str]

# What the programs of `filters` write; another name in such a line is none.
NAMES = frozenset(
    {
        *("session", "msgid", "client", "login", "author", "domain", "from", "to", "message-id"),
        *("iprev", "spf", "dkim", "dmarc", "arc", "auth"),
        *("disposition", "reason", "signed", "script", "result"),
    }
)
# What the words behind the fields mean, by how they begin.
_WORDS = (
    ("refused: ", "refuse"),
    ("greylisted", "greylist"),
    ("may not ", "refuse"),
    ("not signed: ", "unsigned"),
    ("could not be signed", "unsigned"),
)
_AT_LOGIN = re.compile(rf"(.*) at login=({QUOTED})", re.DOTALL)


def fields(message: str) -> Fields:
    """The event and its fields; none of a line that does not begin with a field."""
    named, rest = leading_fields(message)
    found = {name: value for name, value in named.items() if name in NAMES and value != "-"}
    if not found:
        return {}
    if "disposition" in found:
        return {"event": "verify", **found}
    if "signed" in found or "script" in found:
        return {"event": "sign", **found}
    for begin, event in _WORDS:
        if rest.startswith(begin):
            if match := _AT_LOGIN.fullmatch(rest):
                found.setdefault("login", unquoted(match[2]))
                rest = match[1]
            if begin == "greylisted":
                more, _ = leading_fields(rest.removeprefix("greylisted "))
                return {"event": event, **more, **found}
            found["reason"] = rest.removeprefix("refused: ")
            return {"event": event, **found}
    return {}
