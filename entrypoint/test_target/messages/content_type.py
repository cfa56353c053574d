"""The value of Content-Type and Content-Disposition → its word and its parameters."""

from __future__ import annotations

from dataclasses import dataclass
from email.message import Message
from email.utils import collapse_rfc2231_value

from entrypoint.test_target.messages.header import decode_words

_MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Value:
    """word: in lower case, "" where there is none. parameters: names in lower case."""

    word: str
    parameters: dict[str, str]


def parse_value(text: str) -> Value:
    """RFC 2045 §5.1, RFC 2231 §3 and §4; encoded words, which many write, are read."""
    text = text[:_MOST_CHARACTERS]
    word = text.partition(";")[0].strip().lower()
    if ";" not in text:
        return Value(word, {})
    holder = Message()
    holder["Content-Type"] = text
    try:
        pairs = holder.get_params(failobj=[], unquote=True) or []
        return Value(word, dict(_parameter(*pair) for pair in reversed(pairs[1:])))
    except (ValueError, TypeError, LookupError, AttributeError):
        return Value(word, {})


def _parameter(name: str, value: str | tuple[str | None, str | None, str]) -> tuple[str, str]:
    text = collapse_rfc2231_value(value)
    clean = decode_words(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return name.lower(), " ".join(clean.split())
