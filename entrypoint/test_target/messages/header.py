"""Header bytes → names and values, encoded words read."""

from __future__ import annotations

import base64
import binascii
import quopri
import re
from dataclasses import dataclass

from entrypoint.test_target.messages.charset import codec_of

MOST_FIELDS = 2_000  # of one header; a message with more is no mail, and the rest is passed over
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_BETWEEN_WORDS = re.compile(r"(\?=)\s+(?==\?[^?\s]{1,60}\?[bBqQ]\?)")
_END = re.compile(rb"\r?\n\r?\n|\A\r?\n")


@dataclass(frozen=True)
class Header:
    """The fields in their order. Names as they came; values unfolded, encoded words unread."""

    fields: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str:
        """The first field of that name, or ""."""
        wanted = name.lower()
        return next((value for field, value in self.fields if field.lower() == wanted), "")

    def text(self, name: str) -> str:
        """The same with its encoded words read."""
        return decode_words(self.first(name))

    def by_name(self) -> dict[str, list[str]]:
        """Canonical names, in alphabetical order, with all their values."""
        found: dict[str, list[str]] = {}
        for name, value in self.fields:
            found.setdefault(canonical_name(name), []).append(value)
        return dict(sorted(found.items()))


def split(raw: bytes) -> tuple[bytes, bytes]:
    """The header's bytes and the body's. Without an empty line all is header."""
    end = _END.search(raw)
    return (raw[: end.start()], raw[end.end() :]) if end else (raw, b"")


def parse_header(raw: bytes) -> Header:
    """Lines that are neither a field nor a continuation are passed over."""
    fields: list[tuple[str, list[str]]] = []
    for line in raw.split(b"\n"):
        text = line.rstrip(b"\r").decode("utf-8", "replace").replace("\0", "\ufffd")
        if text[:1] in {" ", "\t"}:
            if fields:
                fields[-1][1].append(text.strip(" \t"))
            continue
        name, colon, value = text.partition(":")
        name = name.rstrip(" \t")
        if colon and name and len(fields) < MOST_FIELDS:
            fields.append((name, [value.strip(" \t")]))
    return Header(tuple((name, " ".join(filter(None, lines))) for name, lines in fields))


def canonical_name(name: str) -> str:
    """As Go's net/textproto writes it: `message-ID` is `Message-Id`; what is no token stays."""
    if not _TOKEN.match(name):
        return name
    return "-".join(word[:1].upper() + word[1:].lower() for word in name.split("-"))


def decode_words(value: str) -> str:
    """RFC 2047 §2 and §6.2. What cannot be read stays as it is."""
    if "=?" not in value:
        return value
    joined = _BETWEEN_WORDS.sub(r"\1", value)
    out: list[str] = []
    pending: list[bytes] = []
    charset, end = "", 0

    def flush() -> None:
        if pending:
            out.append(decode_charset(b"".join(pending), charset))
            pending.clear()

    for word in _WORD.finditer(joined):
        content = _word_bytes(word[2], word[3])
        word_charset = word[1].partition("*")[0].lower()  # RFC 2231 §5: a language may follow
        if word.start() > end or word_charset != charset or content is None:
            flush()
        out.append(joined[end : word.start()])
        if content is None:
            out.append(word[0])
        else:
            pending.append(content)
            charset = word_charset
        end = word.end()
    flush()
    out.append(joined[end:])
    return "".join(out)


def _word_bytes(encoding: str, text: str) -> bytes | None:
    try:
        if encoding in "bB":
            return base64.b64decode(text + "=" * (-len(text) % 4))
        return quopri.decodestring(text.encode("ascii", "replace"), header=True)
    except (binascii.Error, ValueError):
        return None


def decode_charset(content: bytes, charset: str) -> str:
    """Text of bytes. An unknown character set is UTF-8, or Latin-1 where it is not."""
    codec = codec_of(charset or "utf-8")
    if codec == "ascii":
        codec = "utf-8"
    for attempt in (codec or "utf-8", "utf-8"):
        try:
            return _clean(content.decode(attempt))
        except ValueError:
            pass
    return _clean(content.decode(codec or "latin-1", "replace"))


def _clean(text: str) -> str:
    """Without what no JSON and no SQLite text may hold."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")
