"""The page's files, as routes beside the API's (`make_app`).

They are read once. A browser asks each time whether it has the newest, and is told so in a few
bytes: who replaces the image has the new page at once.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from entrypoint.test_target.api.safe import text_response

_STATIC = Path(__file__).with_name("static")
_PAGE = "index.html"
# What the page shows was sent by strangers. It runs no script but its own files', makes no HTML of
# texts (trusted types: no innerHTML, not even by mistake), and asks nobody but this server.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
    " frame-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def page_routes() -> list[BaseRoute]:
    """The page at each of its addresses, and its files below /assets/."""
    files = {path.name: _File(path) for path in _STATIC.iterdir() if path.suffix in _TYPES}
    page = files.pop(_PAGE)

    async def the_page(request: Request) -> Response:
        return page.answer(request)

    async def asset(request: Request) -> Response:
        file = files.get(request.path_params["name"])
        return file.answer(request) if file else text_response("404 page not found", 404)

    return [
        *(Route(path, the_page) for path in ("/", "/overview", "/view/{ID}")),
        Route("/assets/{name}", asset),
    ]


class _File:
    """One file, and the entity tag of its content (RFC 9110 §8.8.3)."""

    def __init__(self, path: Path) -> None:
        self._content = path.read_bytes()
        # Weak: the same content goes out compressed or not.
        tag = f'W/"{hashlib.sha256(self._content).hexdigest()[:20]}"'
        self._headers = {
            "Content-Type": _TYPES[path.suffix],
            "Content-Security-Policy": POLICY,
            "Cache-Control": "no-cache",
            "ETag": tag,
        }

    def answer(self, request: Request) -> Response:
        """304 for who has it already (RFC 9110 §13.1.2)."""
        known = request.headers.get("if-none-match", "")
        if self._headers["ETag"] in (tag.strip() for tag in known.split(",")):
            return Response(status_code=304, headers=self._headers)
        return Response(self._content, headers=self._headers)
