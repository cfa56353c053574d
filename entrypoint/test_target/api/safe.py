"""Sending hostile bytes to a browser that is logged in here, so that they do nothing."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import quote, unquote

from starlette.responses import Response

from entrypoint.test_target.messages.parts import Part

# A mail's HTML runs nothing, loads nothing but what the mail brought with it, and is of no origin.
HTML_POLICY = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' data:;"
    " style-src 'unsafe-inline'; font-src data:; media-src 'self' data:; base-uri 'none';"
    " form-action 'none'; frame-ancestors 'self'"
)
PART_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
OTHER_POLICY = "default-src 'none'; frame-ancestors 'none'"
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    # Browsers look the hosts of a page's links up before anybody follows one.
    "X-DNS-Prefetch-Control": "off",
}
_TYPE = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}\Z", re.ASCII)
_ACTIVE = re.compile(r"html|xml|xsl|script|css|flash|multipart|message")
_LINK = re.compile(r"<link(?=[\s/>])", re.IGNORECASE)
_CID = re.compile(r"""cid:([^"'\s<>;)]+)""", re.IGNORECASE)


def json_response(value: Any, *, ascii_only: bool = False) -> Response:
    """application/json, as Go writes it: signs that HTML knows are escaped."""
    text = json.dumps(value, ensure_ascii=ascii_only, separators=(",", ":"))
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return Response(text, media_type="application/json")


def ok() -> Response:
    """What Mailpit says to whatever succeeds and has no answer."""
    return Response("ok", media_type="text/plain")


def text_response(text: str, status: int = 200) -> Response:
    """text/plain, also for errors."""
    return Response(text, status, media_type="text/plain")


def html_response(html: str) -> Response:
    """A mail's HTML."""
    return Response(html, media_type="text/html", headers={"Content-Security-Policy": HTML_POLICY})


def part_response(part: Part) -> Response:
    """With its own type, unless a browser would do more with it than show it."""
    kind, disposition = part.type.word, "inline"
    if not _TYPE.match(kind) or _ACTIVE.search(kind):
        kind, disposition = "application/octet-stream", "attachment"
    name = quote(part.file_name or part.content_id or "part", safe="")
    return Response(
        part.content,
        headers={
            "Content-Type": kind,
            "Content-Disposition": f'{disposition}; filename="{name}"',
            "Content-Security-Policy": PART_POLICY,
        },
    )


def without_link_elements(html: str) -> str:
    """What they load the policy forbids; but no policy holds `rel=preconnect` back."""
    return _LINK.sub("<x-link", html)


def with_part_urls(html: str, identity: str, parts: list[Part]) -> str:
    """`cid:` of the mail's own parts becomes their URL here."""
    numbers = {part.content_id: part.number for part in parts if part.content_id}

    def url(match: re.Match[str]) -> str:
        number = numbers.get(match[1]) or numbers.get(unquote(match[1]))
        return f"/api/v1/message/{identity}/part/{number}" if number else match[0]

    return _CID.sub(url, html)
