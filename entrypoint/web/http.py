"""One HTTP/1.1 request as bytes → Request, and a Response as bytes: h11 parses and writes.

h11 takes more than is taken here: no chunks, no folded lines, and every connection ends after one
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

import h11

MOST_HEAD = 8192  # bytes, the empty line included
MOST_BODY = 8192

# Only a path (RFC 9112 §3.2.1): this is no proxy. HTTP/2 begins with a request line, too.
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) /[!-~]* HTTP/1\.[01]\r\n")
# What h11 lets pass, and a proxy in front may read in another way. The control characters are all
# here, because h11 takes quadratic time to find one behind thousands of spaces.
_AMBIGUOUS = re.compile(
    rb"(?<!\r)\n|\r(?!\n)"  # a line ends with CRLF alone (RFC 9112 §2.2)
    rb"|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]"  # RFC 9110 §5.5
    rb"|\n[ \t]"  # a folded line (RFC 9112 §5.2)
    rb"|\n(content-length|transfer-encoding):.*\n\1:"  # twice, though it is the same (§6.3)
    rb"|\ncontent-length:(?![ \t]*[0-9]{1,18}[ \t]*\r)",  # a list of the same, or over 64 bits
    re.IGNORECASE | re.DOTALL,
)
_HOST = re.compile(r"([a-z0-9.-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{0,5})?")
_METHODS = ("GET", "HEAD", "POST")


@dataclass(frozen=True)
class HttpRequest:
    """A request that could be understood.

    host: lower case, without a port or a final dot. path: as it was sent, up to the `?`.
    query: decoded; "+" is itself, but in `name`. secure: it came by TLS.
    """

    method: str
    host: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    secure: bool = False


@dataclass(frozen=True)
class HttpResponse:
    """What is answered; the length and the date are added."""

    status: int
    content: bytes = b""
    type: str = "text/plain; charset=utf-8"
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Head:
    """All before the body. length: bytes of the body. expects: the client waits for a 100."""

    request: HttpRequest
    length: int
    expects: bool


class RequestRefusedError(Exception):
    """A request that is answered with an error, whatever it asks for."""

    def __init__(self, status: int, *fields: tuple[str, str]) -> None:
        super().__init__(status)
        self.response = plain(status, *fields)


def plain(status: int, *fields: tuple[str, str]) -> HttpResponse:
    """The response that says no more than its status."""
    return HttpResponse(status, f"{status} {HTTPStatus(status).phrase}\n".encode(), fields=fields)


def parse_head(raw: bytes, secure: bool) -> Head:
    """Everything up to and including the empty line. Raises RefusedError."""
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise RequestRefusedError(400)
    method = line[1].decode()
    if method not in _METHODS:
        raise RequestRefusedError(405, ("Allow", ", ".join(_METHODS)))
    parsed = _parse(raw)
    fields = {name.decode(): value.decode("latin-1") for name, value in parsed.headers}
    path, _, query = parsed.target.decode().partition("?")
    request = HttpRequest(method, _host(fields), path, _query(query), secure=secure)
    expects = fields.get("expect", "").lower() == "100-continue"
    return Head(request, _length(method, fields), expects)


def _parse(raw: bytes) -> h11.Request:
    if _AMBIGUOUS.search(raw):
        raise RequestRefusedError(400)
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(raw)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise RequestRefusedError(error.error_status_hint) from None
    if not isinstance(event, h11.Request):  # the empty line is missing
        raise RequestRefusedError(400)
    return event


def _host(fields: Mapping[str, str]) -> str:
    if "host" not in fields:  # h11 takes this from HTTP/1.0 only
        return ""
    match = _HOST.fullmatch(fields["host"].lower())
    if match is None:
        raise RequestRefusedError(400)
    return match[1].removesuffix(".")


def _length(method: str, fields: Mapping[str, str]) -> int:
    if "transfer-encoding" in fields:
        raise RequestRefusedError(501)  # RFC 9112 §6.1
    if "content-length" not in fields:
        if method == "POST":
            raise RequestRefusedError(411)
        return 0
    length = int(fields["content-length"])
    if length > MOST_BODY:
        raise RequestRefusedError(413)
    return length


def _query(text: str) -> dict[str, str]:
    """The first value of each name; "+" is no space, for what is asked with are addresses.

    Only in a person's name it is: that comes from a form.
    """
    found: dict[str, str] = {}
    for pair in text.split("&"):
        name, _, value = pair.partition("=")
        if name == "name":
            value = value.replace("+", " ")
        try:
            found.setdefault(unquote(name, errors="strict"), unquote(value, errors="strict"))
        except UnicodeDecodeError:
            raise RequestRefusedError(400) from None
    return found


def serialise(response: HttpResponse, *, head_only: bool = False) -> bytes:
    """The bytes of a response after which the connection ends."""
    connection = h11.Connection(h11.SERVER)
    fields = [
        ("Date", formatdate(time.time(), usegmt=True)),
        ("Content-Type", response.type),
        ("Content-Length", str(len(response.content))),
        ("Cache-Control", "no-store"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
        *response.fields,
    ]
    reason = HTTPStatus(response.status).phrase
    head = connection.send(h11.Response(status_code=response.status, headers=fields, reason=reason))
    if head_only:
        return head
    content = connection.send(h11.Data(data=response.content))
    return head + content + connection.send(h11.EndOfMessage())
