"""Encoded words (RFC 2047): where they stand in a text, and what they hold for a reader.

Wherever some reader would decode one, one is found, in quoted strings and comments too, and what
lenient readers of base64 read is read. It must not know addresses.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from encodings import normalize_encoding
from encodings.aliases import aliases
from typing import NamedTuple

_START = re.compile(r"=\?([^?]*)\?([BbQq])\?")
# RFC 2047 §2 wants 75 characters a word at most; a reader takes more.
_LONGEST = 2_000
# Words may overlap; so much of them is read.
_MOST_READ = 262_144

_NO_BASE64 = re.compile(r"[^A-Za-z0-9+/]")
_HEXADECIMAL = re.compile(rb"=([0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")

# Charsets by ISO 2022 switch with ESC, SO and SI (RFC 1468, 1554, 1557, 1922); under these names.
_ISO_2022 = re.compile(
    r"(?:x-|cs)?(?:iso-?2022|jis(?:[_-]?encoding|7|8)?\Z|cp5022\d)", re.IGNORECASE
)
# Designations and announcements, single shifts and locking shifts (ISO 2022).
_SWITCHES = re.compile(rb"\x1b(?:[\x20-\x2f]+[\x30-\x7e]|[NO])|[\x0e\x0f]")
# What Python knows without a search for a module, for a name that a stranger chose.
_KNOWN = frozenset(aliases) | frozenset(aliases.values())


class TooLongError(Exception):
    """More than anybody writes."""


class EncodedWord(NamedTuple):
    """charset: without a language (RFC 2231 §5); octets: as decoded from B or Q."""

    charset: str
    octets: bytes

    @property
    def text(self) -> str | None:
        """What it says; None in a charset that is not known here."""
        name = normalize_encoding(self.charset).lower()
        if not self.charset.isascii() or name not in _KNOWN:
            return None
        try:
            return self.octets.decode(name, "replace")
        except (LookupError, ValueError):  # a codec that is no charset is a LookupError
            return None

    @property
    def hides_control(self) -> bool:
        """Say whether there is a control character in it: to some readers that ends a name.

        §5 (3) leaves them no use but in charsets that switch with them. UTF-16 and UTF-32 hold NUL
        octets legitimately, and no mailer uses them here.
        """
        if _ISO_2022.match(self.charset):
            # What is left are graphic characters in each of their states.
            return _has_control(_SWITCHES.sub(b"", self.octets))
        return _has_control(self.octets) or _CONTROL.search(self.text or "") is not None


def _has_control(octets: bytes) -> bool:
    return _CONTROL.search(octets.decode("latin-1")) is not None


def encoded_words(text: str) -> Iterator[EncodedWord]:
    """Yield the encoded words of a text, also where one begins inside another.

    Raises TooLongError.
    """
    left = _MOST_READ
    last = text.rfind("?=")
    for start in _starts(text):
        end = text.find("?=", start.end(), start.end() + _LONGEST)
        if end < 0 and last < start.end():
            return
        left -= end - start.end()
        if end < 0 or left < 0:
            raise TooLongError
        payload = text[start.end() : end]
        octets = _base64(payload) if start[2] in "Bb" else _quoted_printable(payload)
        yield EncodedWord(start[1].partition("*")[0], octets)


def _starts(text: str) -> Iterator[re.Match[str]]:
    at = text.find("=?")
    while at >= 0:
        if start := _START.match(text, at):
            yield start
        at = text.find("=?", at + 1)


def _base64(payload: str) -> bytes:
    digits = _NO_BASE64.sub("", payload)
    digits = digits[: len(digits) - (len(digits) % 4 == 1)]
    return base64.b64decode(digits + "=" * (-len(digits) % 4))


def _quoted_printable(payload: str) -> bytes:
    octets = payload.replace("_", " ").encode("utf-8", "surrogateescape")
    return _HEXADECIMAL.sub(lambda found: bytes([int(found[1], 16)]), octets)
