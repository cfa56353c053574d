"""DKIM's two canonicalisations (RFC 6376 §3.4), in time linear in the message.

dkimpy's own are quadratic in a run of white space and hash a bare LF as CRLF. It must not know
signatures. The classes have the interface of dkimpy's, so that they can be handed to it.
"""

from collections.abc import Sequence

_TAB_TO_SPACE = bytes.maketrans(b"\t", b" ")

Headers = Sequence[tuple[bytes, bytes]]


def _single_spaces(text: bytes) -> bytes:
    """Return the text with each run of white space as one space; each pass halves the runs."""
    text = text.translate(_TAB_TO_SPACE)
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _without_last_lines(body: bytes) -> bytes:
    """Return the body without the empty lines at its end; a last line without CRLF gets one."""
    kept = body.rstrip(b"\r\n")
    # A bare CR is no line end: only whole CRLF pairs may go.
    tail = body[len(kept) :].replace(b"\r\n", b"\0").rstrip(b"\0").replace(b"\0", b"\r\n")
    content = kept + tail
    return content + b"\r\n" if content else b""


class Simple:
    """The simple algorithm."""

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
    """The relaxed algorithm."""

    name = b"relaxed"

    @staticmethod
    def canonicalize_headers(headers: Headers) -> Headers:
        """Return names in lower case and values unfolded, white space reduced (§3.4.2)."""
        return [
            (
                name.lower().rstrip(b" \t\r\n"),
                _single_spaces(value.replace(b"\r\n", b"")).strip(b" ") + b"\r\n",
            )
            for name, value in headers
        ]

    @staticmethod
    def canonicalize_body(body: bytes) -> bytes:
        """Return the body with white space reduced; an empty one stays empty (§3.4.4)."""
        if body and not body.endswith(b"\r\n"):
            body += b"\r\n"
        return _without_last_lines(_single_spaces(body).replace(b" \r\n", b"\r\n"))


ALGORITHMS: dict[bytes, type[Simple] | type[Relaxed]] = {
    b"simple": Simple,
    b"relaxed": Relaxed,
}
