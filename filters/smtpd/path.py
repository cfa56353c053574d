"""The path of MAIL and RCPT (RFC 5321 §4.1.2) → the address that smtpd makes of it.

A filter is shown the path as the client wrote it, and must not take it for another address than
smtpd does.
"""

from __future__ import annotations

# RFC 5321 §4.5.3.1.3, without the angle brackets. smtpd takes longer ones, and then reports neither
# tx-mail nor tx-rcpt: no Session would know of the address.
LONGEST_PATH = 254


def address_of(path: str) -> str:
    """The address without angle brackets, which some versions leave on, and source route.

    smtpd drops what stands in front of the first colon of the local part, whether it is a route
    (`@a.example,@b.example:user@c.example`; RFC 5321 appendix C) or anything else.
    """
    bare = path[1:-1] if path.startswith("<") and path.endswith(">") else path
    if ":" not in bare:
        return bare
    end = bare.rfind("@")
    local, rest = (bare[:end], bare[end:]) if end >= 0 else (bare, "")
    return local.partition(":")[2] + rest if ":" in local else bare
