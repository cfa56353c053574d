"""Which test run a message is of: by what it says itself, or by whom it is for.

A run's name is compared without regard to case, so it is in lower case from here on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

# What can be a sub-address, a recipient's domain or the value of a field; the API takes no other.
NAME = r"[^\s\x00-\x1f\x7f]{1,255}"
_NAME = re.compile(NAME)
_FIELD = re.compile(
    rb"^x-test-run[ \t]*:(.*?)(?:\r\n(?![ \t])|\Z)", re.IGNORECASE | re.MULTILINE | re.DOTALL
)
# ASCII alone: in lower case, other letters can become some of these.
_FIELD_NAME = re.compile(rb"[!-~]{1,255}")
_FIRST_HEADERS = 1 << 20  # bytes of a header that are looked through


def run_field(message: bytes) -> str:
    """What the message's own X-Test-Run says, the first, unfolded; "" where that is no name."""
    if message.startswith(b"\r\n"):
        return ""  # no header
    end = message.find(b"\r\n\r\n", 0, _FIRST_HEADERS)
    found = _FIELD.search(message, 0, end if end >= 0 else min(len(message), _FIRST_HEADERS))
    value = found[1].replace(b"\r\n", b"").strip(b" \t") if found else b""
    return value.decode("ascii").lower() if _FIELD_NAME.fullmatch(value) else ""


def run_of(field: str, recipients: Sequence[str], delimiter: str) -> str:
    """The one run: the field's; the first sub-address; the first recipient's domain; or ""."""
    found = candidates(field, recipients, delimiter)
    return found[0] if found else ""


def candidates(field: str, recipients: Sequence[str], delimiter: str) -> list[str]:
    """Every run that it can be of, the likeliest first: for its zone and its faults."""
    tags = [sub_address(recipient, delimiter) for recipient in recipients]
    domains = [_name(recipient.rpartition("@")[2]) for recipient in recipients if "@" in recipient]
    return [*dict.fromkeys(name for name in (_name(field), *tags, *domains) if name)]


def sub_address(address: str, delimiter: str) -> str:
    """`run` of user+run@example.org; "" where there is none."""
    local = address.rpartition("@")[0] if "@" in address else address
    return _name(local.partition(delimiter)[2]) if delimiter else ""


def _name(text: str) -> str:
    return text.lower() if _NAME.fullmatch(text) else ""
