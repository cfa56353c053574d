"""Requests that two servers in a row could read in two ways, and what each is answered.

The status 0: no answer, for the empty line never comes and the client goes away.
"""

from __future__ import annotations

from entrypoint.web.http import MOST_HEAD

_GET = b"GET / HTTP/1.1\r\nHost: a\r\n"
_POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
_SECOND = b"GET /second HTTP/1.1\r\nHost: a\r\n\r\n"

HOSTILE: dict[str, tuple[bytes, int]] = {
    # The length of the body (RFC 9112 §6.3)
    "two lengths": (_POST + b"Content-Length: 5\r\nContent-Length: 0\r\n\r\nhello", 400),
    "two lengths, the same": (_POST + b"Content-Length: 0\r\ncontent-length: 0\r\n\r\n", 400),
    "two lengths, far apart": (
        _POST + b"Content-Length: 0\r\nX: y\r\nY: z\r\nCONTENT-LENGTH: 0\r\n\r\n",
        400,
    ),
    "a list of lengths": (_POST + b"Content-Length: 5, 0\r\n\r\nhello", 400),
    "a list of lengths, the same": (_POST + b"Content-Length: 0, 0\r\n\r\n", 400),
    "a list of lengths, the last empty": (_POST + b"Content-Length: 0,\r\n\r\n", 400),
    "a length with a sign": (_POST + b"Content-Length: +0\r\n\r\n", 400),
    "a length in hexadecimal": (_POST + b"Content-Length: 0x0\r\n\r\n", 400),
    "a length with a space": (_POST + b"Content-Length: 0 0\r\n\r\n", 400),
    "an empty length": (_POST + b"Content-Length:\r\n\r\n", 400),
    "a length in Latin-1's digits": (_POST + b"Content-Length: \xb2\r\n\r\nhi", 400),
    "a length of 64 bits and more": (_POST + b"Content-Length: 18446744073709551616\r\n\r\n", 400),
    "a length of 5,000 digits": (_POST + b"Content-Length: " + b"1" * 5000 + b"\r\n\r\n", 400),
    "a name of the length with a space": (_POST + b"Content-Length : 0\r\n\r\n", 400),
    "no length": (_POST + b"Content_Length: 0\r\n\r\n", 411),
    # Chunks (§6.1)
    "a length, and chunks": (
        _POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _SECOND,
        501,
    ),
    "chunks, and a length": (
        _POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + _SECOND,
        501,
    ),
    "chunks of HTTP/1.0": (
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + _SECOND,
        501,
    ),
    "a coding that nobody knows": (_POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501),
    "a coding that nobody knows, and no host": (
        b"POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
        501,
    ),
    "chunks, and no number as the length": (
        _POST + b"Content-Length: x\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "two codings": (_POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "no coding": (_POST + b"Transfer-Encoding:\r\nContent-Length: 0\r\n\r\n", 501),
    "chunks said twice": (
        _POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
        400,
    ),
    "chunks behind a vertical tab": (_POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n", 400),
    "chunks behind a space": (_POST + b" Transfer-Encoding: chunked\r\n\r\n", 400),
    "chunks with a space in front of the colon": (
        _POST + b"Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
        400,
    ),
    # Lines (§2.2, §5.2)
    "LF alone, everywhere": (b"GET / HTTP/1.1\nHost: a\n\n", 0),
    "LF alone, until an empty line": (b"GET / HTTP/1.1\nHost: a\n\r\n\r\n", 400),
    "LF alone behind the request line": (b"GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
    "LF alone behind a field": (_GET + b"X: y\nContent-Length: 5\r\n\r\nhello", 400),
    "LF alone as the empty line": (_GET + b"\n" + _SECOND, 400),
    "CR alone in a field": (_GET + b"X: y\rContent-Length: 5\r\n\r\nhello", 400),
    "CR twice": (_GET + b"X: y\r\r\n\r\n", 400),
    "CR alone in front of the fields": (b"GET / HTTP/1.1\r\n\rHost: a\r\n\r\n", 400),
    "a folded field": (_GET + b"X: y\r\n z\r\n\r\n", 400),
    "a folded length": (_POST + b"Content-Length:\r\n 5\r\n\r\nhello", 400),
    "a folded first line": (b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 400),
    "an empty line first": (b"\r\n" + _GET + b"\r\n", 400),
    "a line without a colon": (_GET + b"Content-Length\r\n\r\n", 400),
    "a field without a name": (_GET + b": y\r\n\r\n", 400),
    # Characters (RFC 9110 §5.5)
    "NUL in a field": (_GET + b"X: y\x00\r\n\r\n", 400),
    "NUL in a name": (_GET + b"X\x00: y\r\n\r\n", 400),
    "NUL in Host": (b"GET / HTTP/1.1\r\nHost: a\x00.b\r\n\r\n", 400),
    "NUL in the target": (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a control character in a field": (_GET + b"X: \x01\r\n\r\n", 400),
    "DEL in a field": (_GET + b"X: \x7f\r\n\r\n", 400),
    "a name outside of ASCII": (_GET + b"\xc3\xa9: y\r\n\r\n", 400),
    # Host (RFC 9112 §3.2)
    "two hosts": (_GET + b"Host: b\r\n\r\n", 400),
    "two hosts, the same": (_GET + b"host: a\r\n\r\n", 400),
    "no host": (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 400),
    "an empty host": (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
    "a list of hosts": (b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    # The request line (§3)
    "absolute-form": (b"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "authority-form": (b"CONNECT a:25 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "CONNECT with a path": (b"CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "asterisk-form": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a method in lower case": (b"get / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a method that nobody knows": (b"GETS / HTTP/1.1\r\nHost: a\r\n\r\n", 405),
    "a tab in the request line": (b"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces in the request line": (b"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "a space behind the version": (b"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
    "a version of two digits": (b"GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400),
    "HTTP/1.2": (b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n", 0),
    "HTTP/0.9, and an empty line": (b"GET /\r\n\r\n", 400),
    "HTTP/0.9, and its name": (b"GET / HTTP/0.9\r\n\r\n", 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00", 400),
    "HTTP/2 with a path": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 400),
    "an upgrade to HTTP/2": (
        _GET + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n\r\n",
        200,
    ),
    # Size
    "a long target": (b"GET /" + b"a" * MOST_HEAD + b" HTTP/1.1\r\n\r\n", 431),
    "a long name": (_GET + b"a" * MOST_HEAD + b": y\r\n\r\n", 431),
    "a long field": (_GET + b"X: " + b"a" * MOST_HEAD + b"\r\n\r\n", 431),
    "many fields": (_GET + b"X: y\r\n" * 2000 + b"\r\n", 431),
    "a line without an end": (b"A" * (MOST_HEAD + 100), 431),
    "a body of a byte too many": (_POST + b"Content-Length: 8193\r\n\r\n", 413),
    # Behind the request
    "a second request": (_GET + b"\r\n" + _SECOND, 200),
    "a second request as the body of a GET": (
        _GET + f"Content-Length: {len(_SECOND)}\r\n\r\n".encode() + _SECOND,
        200,
    ),
    "a second request behind the body": (_POST + b"Content-Length: 0\r\n\r\n" + _SECOND, 200),
    "a second request behind keep-alive": (
        _GET + b"Connection: keep-alive\r\n\r\n" + _SECOND,
        200,
    ),
}
