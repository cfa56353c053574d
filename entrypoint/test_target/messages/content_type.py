"""The value of Content-Type and Content-Disposition → its word and its parameters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import decode_params, unquote

from entrypoint.test_target.messages.header import decode_charset, decode_words

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
    try:
        pairs = decode_params([_pair(field) for field in _fields(text)])
        return Value(word, dict(_parameter(*pair) for pair in reversed(pairs[1:])))
    except (ValueError, TypeError, LookupError, AttributeError):
        return Value(word, {})


def _fields(text: str) -> Iterator[str]:
    """Parted at each `;` outside of quotes. (email.message counts all quotes again at each.)"""
    parts: list[str] = []
    quoted = False
    for part in text.split(";"):
        if parts and not quoted:
            yield ";".join(parts)
            parts = []
        parts.append(part)
        quoted ^= bool((part.count('"') - part.count('\\"')) % 2)
    yield ";".join(parts)


def _pair(field: str) -> tuple[str, str]:
    name, _, value = field.partition("=")
    return name.strip().lower(), value.strip()


def _parameter(name: str, value: str | tuple[str | None, str | None, str]) -> tuple[str, str]:
    if isinstance(value, tuple):
        octets = unquote(value[2]).encode("raw-unicode-escape")
        text = decode_charset(octets, value[0] or "")
    else:
        text = unquote(unquote(value))
    clean = decode_words(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return name.lower(), " ".join(clean.split())
