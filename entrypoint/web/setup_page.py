"""The page for a person who sets up a mail program: how it is answered.

`render` makes it from Settings before the start; it is the same for everyone, so that it says
nothing about accounts, and nothing of a request stands in it.
"""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from entrypoint.web.http import HttpRequest, HttpResponse, plain
from entrypoint.web.site import Site

NAME = "setup.html"  # its file
TYPE = "text/html; charset=utf-8"

_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


def setup_page(site: Site, request: HttpRequest, page: bytes | None) -> HttpResponse:
    """page: the file's content, None where there is none."""
    if not site.services or request.host != site.host or page is None:
        return plain(404)
    if request.method == "POST":
        return plain(405, ("Allow", "GET, HEAD"))
    if not request.secure:  # what is typed there is not for everybody's eyes
        return plain(302, ("Location", f"https://{site.host}/"))
    return HttpResponse(200, page, TYPE, _fields(page))


def _fields(page: bytes) -> tuple[tuple[str, str], ...]:
    """Nothing but its own style, and no place to send what is typed but here (CSP 3)."""
    styles = " ".join(f"'sha256-{_hash(style)}'" for style in _STYLE.findall(page)) or "'none'"
    policy = (
        f"default-src 'none'; style-src {styles}; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    )
    return ("Content-Security-Policy", policy), ("Referrer-Policy", "no-referrer")


def _hash(text: bytes) -> str:
    return b64encode(sha256(text).digest()).decode("ascii")
