"""Authentication-Results fields written, and forged ones found (RFC 8601).

It must not know how a result came about. See auth_results_parser.py for reading.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from filters.mailauth.auth_results_parser import (
    NAME,
    MethodResult,
    ParsedAuthResults,
    parse_arc_field,
    parse_field,
)
from filters.mailauth.message import Field, Message
from filters.mailauth.names import a_label, readings

__all__ = [
    "MethodResult",
    "ParsedAuthResults",
    "forged",
    "format_arc_field",
    "format_field",
    "parse_arc_field",
    "parse_field",
]

# RFC 2045 §5.1 token, and RFC 8601 §2.2's pvalue: [[local-part] "@"] domain-name.
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+")
_ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]"
_DOMAIN = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*"
_ADDRESS = rf"(?:{_ATEXT}+(?:\.{_ATEXT}+)*)?@{_DOMAIN}"
_PLAIN_VALUE = re.compile(rf"{_TOKEN.pattern}|{_ADDRESS}")
_LONGEST_VALUE = 400
_WIDTH = 78
_CANDIDATE = re.compile(rb"(?:authentication-results|received-spf)[ \t\r\n]*:", re.IGNORECASE)
# Reading takes time, and no honest path adds as many: those beyond are forged unread.
_MOST_READ = 1_000
_MOST_U_LABELS = 16
_RECEIVED_SPF = re.compile(
    rb"[ \t\r\n]*(?:pass|fail|softfail|neutral|none|temperror|permerror)(?![A-Za-z0-9-])",
    re.IGNORECASE,
)


def format_field(authserv_id: str, results: Sequence[MethodResult]) -> bytes:
    """Return the whole field, folded, with its CRLF; `; none` if there is no result.

    Every value that is no token is quoted; control and non-ASCII characters become `?`, and
    values are cut after 400 characters, so that nothing hostile can be more than a value. Raises
    ValueError for a name that parse_field would not read.
    """
    return _folded(f"Authentication-Results: {_identifier(authserv_id)};", results)


def format_arc_field(instance: int, authserv_id: str, results: Sequence[MethodResult]) -> bytes:
    """Return the whole ARC-Authentication-Results field, written likewise (RFC 8617 §4.1.1)."""
    return _folded(
        f"ARC-Authentication-Results: i={instance}; {_identifier(authserv_id)};", results
    )


def _folded(line: str, results: Sequence[MethodResult]) -> bytes:
    lines: list[str] = []
    width = len(line)  # of the line that is written
    for begins_result, piece in _pieces(results) or [(False, "none")]:
        if begins_result or width + 1 + len(piece) > _WIDTH:
            lines.append(line)
            line = "\t" + piece
            width = len(line)
        else:
            line += " " + piece
            width += 1 + len(piece)
    lines.append(line)
    return ("\r\n".join(lines) + "\r\n").encode("ascii")


def _pieces(results: Sequence[MethodResult]) -> list[tuple[bool, str]]:
    """Return what may not be broken by a fold, and whether it begins a result."""
    pieces: list[tuple[bool, str]] = []
    for result in results:
        if pieces:
            pieces[-1] = pieces[-1][0], pieces[-1][1] + ";"
        pieces.append((True, f"{_keyword(result.method)}={_keyword(result.result)}"))
        if result.comment:
            pieces.append((False, _comment(result.comment)))
        if result.reason is not None:
            pieces.append((False, f"reason={_quoted(result.reason)}"))
        for name, value in result.properties:
            pieces.append((False, f"{_property(name)}={_value(value)}"))
    return pieces


@lru_cache(maxsize=256)  # the same few words in every message
def _keyword(text: str) -> str:
    if not NAME.fullmatch(text):
        raise ValueError(f"not a keyword of RFC 8601: {text!r}")
    return text


@lru_cache(maxsize=256)
def _property(name: str) -> str:
    if "." not in name:
        raise ValueError(f"not a ptype and a property of RFC 8601: {name!r}")
    return _keyword(name)


def _safe(text: str) -> str:
    if len(text) > _LONGEST_VALUE:
        text = text[:_LONGEST_VALUE] + "..."
    if text.isascii() and text.isprintable():
        return text
    return re.sub(r"[^\x20-\x7e]", "?", text)


def _value(text: str) -> str:
    safe = _safe(text)
    return safe if _PLAIN_VALUE.fullmatch(safe) else _quoted(text)


def _identifier(text: str) -> str:
    safe = _safe(text)
    return safe if _TOKEN.fullmatch(safe) else _quoted(text)


def _quoted(text: str) -> str:
    safe = _safe(text)
    if '"' in safe or "\\" in safe:
        safe = re.sub(r'(["\\])', r"\\\1", safe)
    return f'"{safe}"'


def _comment(text: str) -> str:
    return "(" + re.sub(r"([()\\])", r"\\\1", _safe(text)) + ")"


def forged(message: Message, authserv_id: str) -> tuple[Field, ...]:
    """Return the fields that only we may have written: delete them on entry (RFC 8601 §5).

    Those are Authentication-Results fields that bear our authserv-id or cannot be parsed, and
    Received-SPF fields that name us as the receiver or are none (RFC 7208 §9.1); and a first line
    that begins with white space, since it would continue the field that we put above it.
    """
    if not message.raw.startswith((b" ", b"\t")) and not _has_candidates(message):
        return ()
    ours = _bare(authserv_id)
    ours = a_label(ours) or ours.lower()
    found = list(message.fields[:1]) if message.raw[:1] in {b" ", b"\t"} else []
    for number, field in enumerate(message.starting(_CANDIDATE)):
        if number >= _MOST_READ:
            found.append(field)
        elif field.key == b"authentication-results":
            parsed = parse_field(field.value)
            if parsed is None or _may_be(parsed.authserv_id, ours):
                found.append(field)
        elif field.key == b"received-spf" and _is_our_received_spf(field.value, ours):
            found.append(field)
    return tuple(found)


def _has_candidates(message: Message) -> bool:
    """Say whether the pattern could match: it takes longer than the rest of the stamp."""
    header = message.raw[: message.body_start].lower()
    return b"authentication-results" in header or b"received-spf" in header


def _bare(authserv_id: str) -> str:
    return authserv_id.strip().removesuffix(".")


def _may_be(authserv_id: str, ours: str) -> bool:
    """Say whether anyone could read our name there, by whichever version of IDNA."""
    return ours in readings(_bare(authserv_id))


def _is_our_received_spf(value: bytes, ours: str) -> bool:
    if not _RECEIVED_SPF.match(value) or b"\0" in value:
        return True
    # The receiver stands as receiver= and, by RFC 7208's example, first in the comment; whoever
    # reads our name anywhere as a word of its own may believe that we wrote it.
    words = re.split(rb"[^A-Za-z0-9.\x80-\xff_-]+", value)
    # Reading one takes some time; a sender and a HELO name are what others may write in U-labels.
    if sum(not word.isascii() for word in words) > _MOST_U_LABELS:
        return True
    return any(_may_be(word.decode("utf-8", "replace"), ours) for word in words)
