"""What rspamd says of a message (the JSON of /checkv2), and what smtpd is to do with it.

Pure: bytes in, a verdict out. What rspamd says may hold what a stranger wrote; of it only names of
symbols, numbers, and one short text go any further.
"""

from __future__ import annotations

import json
import math
import re
from typing import NamedTuple

from filters.smtpd import Reject

# What else its configuration may name, such as `quarantine`: nothing is dropped without a word.
JUNK = frozenset({"add header", "rewrite subject", "quarantine", "discard"})
MOST_SYMBOLS = 100
_name = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_action = re.compile(r"[a-z ]{1,40}")


class RspamdResult(NamedTuple):
    """rspamd's action, its score, the one at which it refuses, and what counted how much."""

    action: str
    score: float
    required: float
    symbols: tuple[tuple[str, float], ...] = ()
    text: str = ""  # for the client, where it refuses


def read_result(body: bytes) -> RspamdResult:
    """Raises ValueError where that is no answer of rspamd's."""
    try:
        answer = json.loads(body)
        action = answer["action"]
        if not _action.fullmatch(action):
            raise ValueError(f"no action of rspamd's: {action[:40]!r}")
        symbols = (
            (name, _number(one.get("score", 0)))
            for name, one in (answer.get("symbols") or {}).items()
            if _name.fullmatch(name)
        )
        ordered = sorted(symbols, key=lambda one: (-abs(one[1]), one[0]))[:MOST_SYMBOLS]
        text = str((answer.get("messages") or {}).get("smtp_message") or "")
        score, required = _number(answer["score"]), _number(answer["required_score"])
        return RspamdResult(action, score, required, tuple(ordered), text)
    except (AttributeError, KeyError, OverflowError, RecursionError, TypeError) as error:
        raise ValueError(f"no answer of rspamd's: {body[:60]!r}") from error


def _number(value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"no score: {value!r}")
    return number


def verdict(result: RspamdResult, message: bytes) -> bytes | Reject:
    """The message with rspamd's fields in front, or the refusal."""
    if result.action == "reject":
        return Reject(550, f"5.7.1 rspamd: {result.text or 'refused as spam'}")
    if result.action == "soft reject":
        return Reject(451, f"4.7.1 rspamd: {result.text or 'try again later'}")
    junk = result.action in JUNK
    mark = b"X-Spam: yes\r\n" if junk else b""
    return mark + field(result, junk=junk) + message


def field(result: RspamdResult, *, junk: bool) -> bytes:
    """`X-Spamd-Result`, as rspamd's own milter writes it, a symbol a line."""
    lines = [f"default: {junk} [{result.score:.2f} / {result.required:.2f}]"]
    lines += [f"{name}({score:.2f})[]" for name, score in result.symbols]
    return b"X-Spamd-Result: " + ";\r\n\t".join(lines).encode("ascii") + b"\r\n"
