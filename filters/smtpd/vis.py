"""How smtpd writes a login with bytes outside of ASCII: as vis(3) does, in printable characters.

`b\\xc3\\xbccher` is reported as `b\\M-C\\M-<cher`. Bytes in, bytes out.
"""

from __future__ import annotations

import re

_SEQUENCE = re.compile(
    rb"\\(?:M-(?P<meta>.)|M\^(?P<meta_control>.)|\^(?P<control>.)|(?P<octal>[0-3][0-7]{2})|\\)",
    re.DOTALL,
)


def unvis(text: bytes) -> bytes:
    """The bytes that were meant; what is no such sequence stays as it is."""
    return _SEQUENCE.sub(_byte, text) if b"\\" in text else text


def _byte(match: re.Match[bytes]) -> bytes:
    found = match["meta"] or match["meta_control"] or match["control"]
    if found is None:
        return bytes([int(match["octal"], 8)]) if match["octal"] else b"\\"
    code = found[0] if match["meta"] else found[0] ^ 0x40
    return bytes([code if match["control"] else code | 0x80])
