"""Bytes → Request, or the status that refuses them."""

from __future__ import annotations

import contextlib
import time

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.web.http import (
    MOST_BODY,
    MOST_HEAD,
    HttpRequest,
    RequestRefusedError,
    parse_head,
    plain,
    serialise,
)

GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n"


def parsed(raw: bytes) -> HttpRequest:
    return parse_head(raw + b"\r\n", secure=True).request


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (GET, HttpRequest("GET", "a.test", "/x", {"": ""}, secure=True)),
        (
            b"HEAD /x?a=1&b=%2B%40+&a=2 HTTP/1.0\r\n",
            HttpRequest("HEAD", "", "/x", {"a": "1", "b": "+@+"}, secure=True),
        ),
        (
            b"GET /%2e%2e HTTP/1.1\r\nhOST:\t A.Test.:8443 \r\nX: \xff\r\n",
            HttpRequest("GET", "a.test", "/%2e%2e", {"": ""}, secure=True),
        ),
    ],
)
def test_what_is_understood(raw: bytes, expected: HttpRequest) -> None:
    assert parsed(raw) == expected


def test_the_body_of_a_post() -> None:
    fields = b"Host: a\r\nContent-Length: 12\r\nExpect: 100-Continue\r\n\r\n"
    head = parse_head(b"POST /x HTTP/1.1\r\n" + fields, secure=False)
    assert (head.length, head.expects, head.request.secure) == (12, True, False)


POST = b"POST / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\r\n", 400),
        (b"GET / HTTP/2.0\r\nHost: a\r\n", 400),
        (b"PRI * HTTP/2.0\r\n", 400),
        (b"GET http://a/ HTTP/1.1\r\nHost: a\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n", 400),
        (b"GET / HTTP/1.1 \r\nHost: a\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a\r\n", 400),
        (b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n", 400),
        (b"GET /?a=%ff HTTP/1.1\r\nHost: a\r\n", 400),
        (b"DELETE / HTTP/1.1\r\nHost: a\r\n", 405),
        (b"GET / HTTP/1.1\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: <script>\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [::1\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: [mail.example.org]\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: " + b"a" * 254 + b"\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\nY: c\r\n", 400),
        (POST, 411),
        (POST + b"Content-Length: x\r\n", 400),
        (POST + b"Content-Length: -1\r\n", 400),
        (POST + b"Content-Length: 1\r\nContent-Length: 1\r\n", 400),
        (POST + b"Content-Length: 1, 1\r\n", 400),
        (POST + b"Content-Length: 9999999999999999999\r\n", 400),
        (POST + f"Content-Length: {MOST_BODY + 1}\r\n".encode(), 413),
        (POST + b"Transfer-Encoding: chunked\r\n", 501),
        (GET + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n", 501),
    ],
)
def test_what_is_refused(raw: bytes, status: int) -> None:
    with pytest.raises(RequestRefusedError) as caught:
        parsed(raw)
    assert caught.value.response.status == status


def test_a_host_may_be_an_ipv6_address() -> None:
    """Prometheus asks so where its target is one (RFC 3986 §3.2.2)."""
    raw = b"GET /metrics HTTP/1.1\r\nHost: [2001:db8::1]:9154\r\n"
    assert parsed(raw).host == "[2001:db8::1]"


@pytest.mark.parametrize("character", [b"\x00", b"\x0b", b"\r"])
def test_a_character_behind_many_spaces_is_refused_at_once(character: bytes) -> None:
    raw = GET + b"X:" + b" " * (MOST_HEAD - 50) + character + b"\r\n"
    began = time.process_time()
    for _ in range(20):
        with pytest.raises(RequestRefusedError):
            parsed(raw)
    assert time.process_time() - began < 1  # in h11 alone: four seconds and more


@given(st.binary(max_size=300), st.sampled_from([b"", GET, POST, b"GET /?"]))
def test_any_bytes_are_understood_or_refused(raw: bytes, before: bytes) -> None:
    with contextlib.suppress(RequestRefusedError):
        assert parsed(before + raw).path.startswith("/")


def test_a_response_says_its_length_and_ends_the_connection() -> None:
    whole = serialise(plain(405, ("Allow", "GET")))
    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert body == b"405 Method Not Allowed\n"
    assert {b"Connection: close", b"Content-Length: 23", b"Allow: GET"} <= {*head.split(b"\r\n")}
    assert serialise(plain(405, ("Allow", "GET")), head_only=True).endswith(b"\r\n\r\n")


def test_a_response_has_no_field_that_ends_its_line() -> None:
    with pytest.raises(h11.LocalProtocolError):
        serialise(plain(302, ("Location", "https://a/\r\nSet-Cookie: b")))
