"""The ASGI application, and the server that runs it."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoint.test_target.api.access import Access, AccessRules
from entrypoint.test_target.api.connection import PATIENCE, ConnectionConfig
from entrypoint.test_target.api.description import ENDPOINTS
from entrypoint.test_target.api.endpoint import Handler
from entrypoint.test_target.api.openapi import document
from entrypoint.test_target.api.question import RequestError
from entrypoint.test_target.api.requester import PROBES
from entrypoint.test_target.api.safe import json_response, text_response
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.api.unexpected import UnexpectedErrors
from entrypoint.test_target.store.adding import StoreFullError
from entrypoint.test_target.store.readers import QuestionTooLongError

log = logging.getLogger(__name__)

MOST_BODY = 96 * 1024 * 1024  # bytes of a request: a message of 50 MB, in base64 within JSON
_MOST_REQUESTS = 3_000  # that are answered at a time; the probes beside them
_LEAST_GZIPPED = 1_000  # bytes
_IDLE = 75  # seconds between two requests of a client: test suites ask now and then
_FAREWELL = 3  # seconds for what is being answered when the server ends


def make_app(target: Target, rules: AccessRules, pages: Sequence[BaseRoute] = ()) -> Starlette:
    """pages: routes beside the API's, under the same rules of access."""
    openapi = document(ENDPOINTS, target.version)

    async def description(request: Request) -> Response:
        return json_response(openapi)

    unexpected = UnexpectedErrors()
    routes: list[BaseRoute] = [
        Route(
            endpoint.path, _Answer(target, endpoint.handler, unexpected), methods=[endpoint.method]
        )
        for endpoint in ENDPOINTS
    ]
    routes += [
        Route("/api/v1/swagger.json", description, methods=["GET"]),
        Route("/openapi.json", description, methods=["GET"]),
        WebSocketRoute("/api/events", target.events.serve),
        *pages,
    ]
    return Starlette(
        routes=routes,
        middleware=[
            Middleware(_RequestLimit),
            Middleware(Access, rules=rules),
            Middleware(GZipMiddleware, minimum_size=_LEAST_GZIPPED, compresslevel=1),
        ],
        exception_handlers={HTTPException: _http_error},
        max_body_size=MOST_BODY,
    )


class ApiServer:
    """uvicorn, on a socket that listens already. patience: for clients, in seconds."""

    def __init__(self, app: Starlette, patience: float = PATIENCE) -> None:
        config = ConnectionConfig(
            app,
            patience,
            loop="asyncio",
            ws="wsproto",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=_IDLE,
            timeout_graceful_shutdown=_FAREWELL,
        )
        self._server = _SignalFree(config)

    async def serve(self, listener: socket.socket) -> None:
        """Until `stop`. Signals are for whoever runs the process."""
        # What is accepted inherits it. asyncio sets it for sockets that know their protocol only,
        # and without it the second half of an answer waits 40 ms for the client's next word.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._server.serve(sockets=[listener])

    def stop(self) -> None:
        """Answer what has been asked, then end."""
        self._server.should_exit = True


class _SignalFree(uvicorn.Server):
    """uvicorn would take SIGTERM, and at the end kill the process with it: the store stays open."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None."""
        yield


class _RequestLimit:
    """Counts requests: uvicorn's limit counts connections, also those that ask nothing."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_bound = scope["type"] == "http" and scope["path"] not in PROBES
        if is_bound and self._count >= _MOST_REQUESTS:
            refusal = text_response(f"Error: {_MOST_REQUESTS} requests are answered already", 503)
            await refusal(scope, receive, send)
            return
        self._count += is_bound
        try:
            await self._app(scope, receive, send)
        finally:
            self._count -= is_bound


class _Answer:
    """A handler as an ASGI application: Starlette gives functions a request and no `receive`."""

    def __init__(self, target: Target, handler: Handler, unexpected: UnexpectedErrors) -> None:
        self._handle = partial(handler, target)
        self._unexpected = unexpected

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        try:
            response = await self._handle(request)
        except RequestError as error:
            response = text_response(error.text, error.status)
        except QuestionTooLongError as error:
            response = text_response(f"Error: {error}", 503)
        except StoreFullError as error:
            response = text_response(f"Error: {error}; make room on it", 507)
        except HTTPException:  # _http_error answers it
            raise
        except ClientDisconnect:
            return
        except Exception as error:
            response = self._unexpected.answer(request, error)
        await response(scope, receive, send)


async def _http_error(request: Request, error: Exception) -> Response:
    """No such path, another method, a body that is too large."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    return text_response("404 page not found" if status == 404 else str(error), status)
