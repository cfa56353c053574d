"""Which page asks, as far as a browser says so, and what a page of another origin is answered.

It need not read an answer to learn from it: how long that took says whether a query matched. So it
is answered nothing, but for what a link may open, and what shows a message's pictures: its HTML is
in a frame that is of no origin. Programs send none of these fields.

https://www.w3.org/TR/fetch-metadata/ ; browsers send them to https and loopback only.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from starlette.datastructures import Headers

_READS = {"GET", "HEAD"}
_OWN_SITES = {"none", "same-origin"}  # none: the address bar, or a browser's driver
_FIELDS = ("origin", "sec-fetch-site", "sec-fetch-mode", "sec-fetch-dest")
PROBES = {"/livez", "/readyz"}
# A message's ID cannot be guessed, and a part is found at once; neither holds for the latest.
_PART = re.compile(r"/api/v1/message/(?!latest/)[^/]+/part/[^/]+(/thumb)?\Z")
_PAGES = re.compile(r"/(overview|view/[^/]+)?\Z")
_ASSETS = "/assets/"
_MEDIA = {"image", "audio", "video"}
_NAVIGATIONS = {"document", "iframe", "frame"}
_SCRIPTED = {"empty", "websocket"}  # fetch and the like, of a page's scripts

_OF_ANOTHER = (
    "a page of another origin may not ask for this: list its origin in TEST_HTTP_CORS, or open"
    " http://…/ itself"
)
_TWICE = "{} stands twice: send it once"
_OF_A_MESSAGE = "what a page shows may load the parts of a message, and the page's own files only"


@dataclass(frozen=True)
class AskedPath:
    """What is asked for. path: without what is asked of it."""

    method: str
    path: str
    query: bytes = b""

    @property
    def is_part(self) -> bool:
        """A part by the ID of its message: who knows it has the message."""
        return self.method in _READS and not self.query and _PART.match(self.path) is not None

    @property
    def is_probe(self) -> bool:
        """Whether the server lives says nothing of what is in it."""
        return self.method in _READS and self.path in PROBES

    @property
    def is_page(self) -> bool:
        """What a link may open. A query about the latest could be told by how long it took."""
        if self.method not in _READS or _PAGES.match(self.path) is None:
            return False
        return not (self.query and self.path.startswith("/view/latest"))


def refused_page(asked: AskedPath, headers: Headers, origins: Collection[str]) -> str:
    """Why it is refused; "" where it is not. origins: whose pages may ask, "*" is all."""
    for name in _FIELDS:
        if len(headers.getlist(name)) > 1:
            return _TWICE.format(name)
    if asked.is_probe:
        return ""
    kind = headers.get("sec-fetch-dest", "empty")
    if kind not in _NAVIGATIONS | _SCRIPTED:
        if asked.is_part and kind in _MEDIA:
            return ""
        if not asked.path.startswith(_ASSETS):
            return _OF_A_MESSAGE
    origin = headers.get("origin")
    if "*" in origins or (origin and origin in origins) or _is_own(headers):
        return ""
    is_link = headers.get("sec-fetch-mode") == "navigate" and kind == "document"
    if is_link and asked.is_page and origin is None:
        return ""
    return _OF_ANOTHER


def _is_own(headers: Headers) -> bool:
    """Of the server's page, or of a program."""
    if headers.get("sec-fetch-site", "none") not in _OWN_SITES:
        return False
    origin = headers.get("origin")
    if origin is None:
        return True
    # A proxy that ends TLS hands the name on, and mostly says which scheme it was asked by.
    said = headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
    schemes = {said} & {"http", "https"} or {"http", "https"}
    host = headers.get("host", "")
    return origin.lower() in {f"{scheme}://{host}".lower() for scheme in schemes}
