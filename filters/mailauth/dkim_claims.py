"""What a DKIM-Signature claims, well-formed or not, as a report may repeat it (RFC 8601 §2.7.1).

It must not know whether any of it is true.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from filters.mailauth import tags
from filters.mailauth.names import ldh

_DOMAIN = re.compile(r"[A-Za-z0-9.-]+")
_IDENTITY = re.compile(r"[^\x00-\x20\x7f\ufffd]*@[A-Za-z0-9.-]+")
_ALGORITHM = re.compile(r"[A-Za-z0-9-]{1,40}")
_ENCODED = re.compile(r"[A-Za-z0-9+/=]+")


@dataclass(frozen=True)
class Claims:
    """What can be told of a signature that may be malformed, for the report: "" if unknown."""

    domain: str = ""
    identity: str = ""
    selector: str = ""
    algorithm: str = ""
    signature: str = ""


def claims(found: Mapping[str, bytes]) -> Claims:
    """Return what the tags claim, as far as it can be read and is safe to write."""

    def text(tag: str, pattern: re.Pattern[str]) -> str:
        data = found.get(tag, b"").decode("utf-8", "replace")
        return data if pattern.fullmatch(data) else ""

    domain = ldh(text("d", _DOMAIN)) or ""
    encoded = tags.compact(found.get("b", b"")).decode("ascii", "replace")
    return Claims(
        domain=domain,
        identity=text("i", _IDENTITY) or (domain and f"@{domain}"),
        selector=ldh(text("s", _DOMAIN)) or "",
        algorithm=text("a", _ALGORITHM).lower(),
        signature=encoded if _ENCODED.fullmatch(encoded) else "",
    )
