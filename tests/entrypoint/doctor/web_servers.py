"""The web service on the loopback network, for the doctor to look at: the real one, or broken."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

from entrypoint.web.answer import respond
from entrypoint.web.http import HttpRequest, HttpResponse
from entrypoint.web.server import Server
from entrypoint.web.site import Site


@asynccontextmanager
async def web_serving(
    address: str, port: int, site: Site, tls: ssl.SSLContext | None, changes: Mapping[str, Any]
) -> AsyncIterator[int]:
    """Its port (a free one for 0). changes: policy, status, type, of the policy that is served."""

    def answer(request: HttpRequest) -> HttpResponse:
        right = respond(site, request, lambda _: None)
        if not request.path.endswith("/mta-sts.txt") or not changes:
            return right
        content = changes["policy"].encode() if "policy" in changes else right.content
        return HttpResponse(changes.get("status", 200), content, changes.get("type", right.type))

    def context() -> ssl.SSLContext:
        assert tls is not None
        return tls

    listener = socket.create_server((address, port))
    task = asyncio.create_task(Server(answer, context).serve(listener, secure=tls is not None))
    try:
        yield listener.getsockname()[1]
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        listener.close()
