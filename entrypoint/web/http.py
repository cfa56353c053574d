"""One HTTP/1.1 request as bytes → Request, and a Response as bytes.

A small part of RFC 9112, strictly: no chunks, no folded lines, and every connection ends after one
response, so that nothing can be smuggled behind it. It must not know sockets, nor what is served.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from urllib.parse import unquote

MOST_HEAD = 8192  # bytes, the empty line included
MOST_BODY = 8192

_REQUEST = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)")
_HOST = re.compile(r"([a-z0-9.-]{1,253})(:[0-9]{0,5})?")
_METHODS = ("GET", "HEAD", "POST")


@dataclass(frozen=True)
class Request:
    """A request that could be understood.

    host: lower case, without a port or a final dot. path: as it was sent, up to the `?`.
    query: decoded; "+" is itself. secure: it came by TLS.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    secure: bool = False


@dataclass(frozen=True)
class Response:
    """What is answered; the length and the date are added."""

    status: int
    content: bytes = b""
    type: str = "text/plain; charset=utf-8"
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Head:
    """All before the body. length: bytes of the body. expects: the client waits for a 100."""

    request: Request
    length: int
    expects: bool


class RefusedError(Exception):
    """A request that is answered with an error, whatever it asks for."""

    def __init__(self, status: int, *fields: tuple[str, str]) -> None:
        super().__init__(status)
        self.response = plain(status, *fields)


def plain(status: int, *fields: tuple[str, str]) -> Response:
    """The response that says no more than its status."""
    return Response(status, f"{status} {HTTPStatus(status).phrase}\n".encode(), fields=fields)


def parse_head(raw: bytes, secure: bool) -> Head:
    """Everything up to and including the empty line. Raises RefusedError."""
    first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    asked = _REQUEST.fullmatch(first)
    if asked is None:
        raise RefusedError(400)
    method, target, minor = asked[1].decode(), asked[2].decode(), asked[3]
    if method not in _METHODS:
        raise RefusedError(405, ("Allow", ", ".join(_METHODS)))
    fields = _fields(lines)
    path, _, query = target.partition("?")
    request = Request(method, _host(fields, minor), path, _query(query), secure=secure)
    return Head(request, _length(method, fields), fields.get("expect", "").lower() == _CONTINUE)


_CONTINUE = "100-continue"


def _fields(lines: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        # A line that begins with a space is refused, too (RFC 9112 §5.2).
        parts = _FIELD.fullmatch(line)
        if parts is None:
            raise RefusedError(400)
        name = parts[1].decode("ascii").lower()
        if name in found and name in {"host", "content-length", "transfer-encoding"}:
            raise RefusedError(400)  # RFC 9112 §3.2, §6.3
        found[name] = parts[2].decode("latin-1").rstrip(" \t")
    return found


def _host(fields: Mapping[str, str], minor: bytes) -> str:
    if "host" not in fields:
        if minor == b"1":
            raise RefusedError(400)  # RFC 9112 §3.2
        return ""
    match = _HOST.fullmatch(fields["host"].lower())
    if match is None:
        raise RefusedError(400)
    return match[1].removesuffix(".")


def _length(method: str, fields: Mapping[str, str]) -> int:
    if "transfer-encoding" in fields:
        raise RefusedError(501)  # RFC 9112 §6.1
    text = fields.get("content-length")
    if text is None:
        if method == "POST":
            raise RefusedError(411)
        return 0
    if re.fullmatch(r"[0-9]{1,18}", text) is None:
        raise RefusedError(400)
    if int(text) > MOST_BODY:
        raise RefusedError(413)
    return int(text)


def _query(text: str) -> dict[str, str]:
    """The first value of each name; "+" is no space, for what is asked with are addresses."""
    found: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        try:
            found.setdefault(unquote(name, errors="strict"), unquote(value, errors="strict"))
        except UnicodeDecodeError:
            raise RefusedError(400) from None
    return found


def serialise(response: Response, *, head_only: bool = False) -> bytes:
    """The bytes of a response after which the connection ends."""
    lines = [
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}",
        f"Date: {formatdate(time.time(), usegmt=True)}",
        f"Content-Type: {response.type}",
        f"Content-Length: {len(response.content)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
        *(f"{name}: {value}" for name, value in response.fields),
    ]
    head = "\r\n".join([*lines, "", ""]).encode("ascii")
    return head if head_only else head + response.content
