"""DNSBL, GREYLIST and MESSAGE_RATELIMIT as a person writes them → typed values.

It must not know what is done with them.
"""

from __future__ import annotations

import re

from entrypoint.config.problems import BrokenRuleError
from entrypoint.config.values import boolean, duration

_PERIODS = {"m": 60, "h": 3600, "d": 86_400}
_MOST = 1_000_000
_GREYLIST_WAIT = 60  # seconds; filters/guard/greylist.py says why


def rate(text: str) -> dict[str, int]:
    """Recipients in a time such as 300/h, as the fields of RateLimit; `no` or 0 is no limit."""
    word = text.lower()
    if word in {"no", "false", "0"}:
        return {"recipients": 0, "seconds": _PERIODS["h"]}
    match = re.fullmatch(r"([0-9]{1,7})\s*/\s*([mhd])", word)
    if not match:
        raise BrokenRuleError(
            "not a number of recipients in a minute, an hour or a day",
            "write it like 300/h or 2000/d, or no",
        )
    if not 1 <= int(match[1]) <= _MOST:
        raise BrokenRuleError(f"a rate out of the range 1 to {_MOST}", "write it like 300/h, or no")
    return {"recipients": int(match[1]), "seconds": _PERIODS[match[2]]}


def greylist(text: str) -> int:
    """Seconds before which nobody new is let in: yes, or a time such as 5m; 0 for no."""
    if re.fullmatch(r"[0-9]+[smhd]", text, re.IGNORECASE):
        return duration(text, least=1, most=3600)
    try:
        return _GREYLIST_WAIT if boolean(text) else 0
    except BrokenRuleError:
        raise BrokenRuleError(
            "neither yes, no nor a time", "use yes, no or a time like 5m"
        ) from None
