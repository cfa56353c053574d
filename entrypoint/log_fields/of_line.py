"""Which form a program's messages have."""

from __future__ import annotations

import re

from entrypoint.log_fields import dovecot, filters, junk, smtpd

_FILTER = re.compile(r"(?:inbound|submission)(?:-\d+)?|logins")


def fields_of(program: str, message: str) -> dict[str, str]:
    """The event (`event`) and the other fields of a message; none where no form fits."""
    if program == "smtpd":
        return smtpd.fields(message)
    if program == "dovecot":
        return dovecot.fields(message)
    if program == "junk":
        return junk.fields(message)
    if _FILTER.fullmatch(program):
        return filters.fields(message)
    return {}
