"""DKIM's two canonicalisations (RFC 6376 §3.4), in time linear in the message.

dkimpy's own are quadratic in a run of white space and hash a bare LF as CRLF. It must not know
signatures. The classes have the interface of dkimpy's, so that they can be handed to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

# Bytes that are canonicalised in one go. Blocks without white space, as of base64, cost next to
# nothing, so small ones pay; what is made of one stays in the processor's cache.
BLOCK = 16 * 1024

_TAB_TO_SPACE = bytes.maketrans(b"\t", b" ")
# Bytes for each pair of spaces that make it worth while to cut a text at the pairs.
_SPARSE = 64
_LINE_END = (b"", b"\r", b"\n")

Headers = Sequence[tuple[bytes, bytes]]


def _single_spaces(text: bytes) -> bytes:
    """Return the text with each run of white space as one space."""
    if b"\t" in text:
        text = text.translate(_TAB_TO_SPACE)
    if b"  " not in text:
        return text
    most = len(text) // _SPARSE
    first, *rest = text.split(b"  ", most)
    if len(rest) < most:
        # One search has found all pairs; the rest of a longer run is at the beginning of a part.
        parts = [first, *filter(None, (part.lstrip(b" ") for part in rest))]
        return b" ".join(parts) + (b" " if text.endswith(b"  ") else b"")
    # So many that a list of parts would cost more: each pass halves the runs.
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _reduced(lines: bytes) -> bytes:
    """Return whole lines with white space as the relaxed body has it (§3.4.4, item a)."""
    if b" " not in lines and b"\t" not in lines:
        return lines
    return _single_spaces(lines).replace(b" \r\n", b"\r\n")


def _blocks(text: bytes, start: int, block: int) -> Iterator[bytes]:
    """Yield whole lines, of about `block` bytes; the last one has a CRLF whatever it had."""
    while start < len(text):
        end = text.find(b"\r\n", start + block)
        end = len(text) if end < 0 else end + 2
        part = text[start:end]
        yield part if part.endswith(b"\r\n") else part + b"\r\n"
        start = end


def _end_of_content(body: bytes) -> int:
    """Return where the line ends at the end of the body begin: its last one and empty lines'."""
    if body.endswith(b"\r\n") and body[-3:-2] not in _LINE_END:
        return len(body) - 2
    end = len(body.rstrip(b"\r\n"))
    # A bare CR is no line end: only whole CRLF pairs may go.
    tail = body[end:].replace(b"\r\n", b"\0").rstrip(b"\0").replace(b"\0", b"\r\n")
    return end + len(tail)


def _without_last_lines(body: bytes) -> bytes:
    """Return the body without the empty lines at its end; a last line without CRLF gets one."""
    content = body[: _end_of_content(body)]
    return content + b"\r\n" if content else b""


def _relaxed_value(value: bytes) -> bytes:
    """Return a field's value unfolded, white space reduced, with the CRLF (§3.4.2)."""
    return _single_spaces(value.replace(b"\r\n", b"")).strip(b" ") + b"\r\n"


def relaxed_field(key: bytes, value: bytes) -> bytes:
    """Return a field as it is hashed (§3.4.2); key: its name in lower case, no white space."""
    return key + b":" + _relaxed_value(value)


class Simple:
    """The algorithm that tolerates almost no change of a message in transit (§3.4)."""

    name = b"simple"

    @staticmethod
    def canonicalize_headers(headers: Headers) -> Headers:
        """Return the fields as they are (§3.4.1)."""
        return headers

    @staticmethod
    def canonicalize_body(body: bytes) -> bytes:
        """Return the body with one CRLF at its end; an empty one is a CRLF (§3.4.3)."""
        return _without_last_lines(body) or b"\r\n"


class Relaxed:
    """The algorithm that tolerates changed white space and folded lines (§3.4)."""

    name = b"relaxed"

    @staticmethod
    def canonicalize_headers(headers: Headers) -> Headers:
        """Return names in lower case and values unfolded, white space reduced (§3.4.2)."""
        return [
            (name.lower().replace(b"\r\n", b"").rstrip(b" \t"), _relaxed_value(value))
            for name, value in headers
        ]

    @staticmethod
    def canonicalize_body(body: bytes) -> bytes:
        """Return the body with white space reduced; an empty one stays empty (§3.4.4)."""
        return _without_last_lines(b"".join(map(_reduced, _blocks(body, 0, BLOCK))))


def relaxed_body_digest(message: bytes, start: int, *, block: int = BLOCK) -> bytes:
    """Return the SHA-256 of the relaxed body that begins at `start`, without a copy of it.

    Bytes in hand: a few blocks, or the longest line.
    """
    digest = hashlib.sha256()
    # Line ends that count only if something follows them.
    held = 0
    empty = True
    for part in _blocks(message, start, block):
        lines = _reduced(part)
        content = _end_of_content(lines)
        if content:
            empty = False
            digest.update(b"\r\n" * held)
            digest.update(memoryview(lines)[:content])
            held = 0
        held += (len(lines) - content) // 2
    if not empty:
        digest.update(b"\r\n")
    return digest.digest()


ALGORITHMS: dict[bytes, type[Simple] | type[Relaxed]] = {
    b"simple": Simple,
    b"relaxed": Relaxed,
}
