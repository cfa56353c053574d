"""Who may ask: by the name that was asked for, the page that asks, and a password.

A page of somebody else's in a developer's browser reaches 127.0.0.1 as well as he does. By a name
of its own that it lets point here (DNS rebinding) it could even read the answers; so names are
listed. It cannot make its browser leave out that it is the one that asks: see `refused_page`.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from entrypoint.test_target.api.requester import PROBES, AskedPath, refused_page
from entrypoint.test_target.api.safe import HEADERS, OTHER_POLICY, text_response
from entrypoint.test_target.api.webhook_url import is_address

_NAME = re.compile(r"(?P<name>\[[0-9a-fA-F:.%]+\]|[\w.-]+)(?::[0-9]{1,5})?\Z", re.ASCII)
_SLASHES = re.compile(r"/{2,}")
# RFC 6761 and, for host.docker.internal and the like, ICANN: no such name is ever anybody's.
_NOBODYS = {"internal", "localhost", "test"}


@dataclass(frozen=True)
class AccessRules:
    """hosts: names beside those that nobody can have; "*" is any.

    Such are IP addresses, and what the world's DNS does not have: names without a dot, as
    containers and the services of a compose file have them, and those of _NOBODYS. origins: whose
    pages may read and write (CORS). logins: who has a password; none is everybody. send_logins:
    those of /api/v1/send, if they are others.
    """

    hosts: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    logins: dict[str, str] = field(default_factory=dict)
    send_logins: dict[str, str] | None = None


def basic_login(authorization: str) -> tuple[str, str] | None:
    """User and password of HTTP's Basic authentication (RFC 7617)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip()).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class Access:
    """ASGI: answers what may not be asked, and hands all else on."""

    def __init__(self, app: ASGIApp, rules: AccessRules) -> None:
        self._app = app
        self._rules = rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Of HTTP and websockets."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        # Go's server takes `//view/…` for `/view/…`, and cypress-mailpit asks for it.
        scope = {**scope, "path": _SLASHES.sub("/", scope["path"])}
        headers = Headers(scope=scope)
        # The one method of a websocket has no name in its scope.
        asked = AskedPath(scope.get("method", "CONNECT"), scope["path"], scope["query_string"])
        refusal = self._refusal(asked, headers)
        origin = headers.get("origin", "")
        allowed = origin if self._is_allowed_origin(origin) else ""
        if allowed not in self._rules.origins:
            allowed = allowed and "*"
        if scope["type"] == "websocket":
            if refusal:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.reason})
                return
            await self._app(scope, receive, send)
            return
        response = refusal.response if refusal else self._preflight(scope, headers, allowed)
        is_shared = asked.is_part or bool(allowed) or "*" in self._rules.origins
        guarded = _guarded(send, allowed, is_shared=is_shared)
        await (response or self._app)(scope, receive, guarded)

    def _refusal(self, asked: AskedPath, headers: Headers) -> _Refusal | None:
        if not self._knows_host(headers.get("host", "")):
            return _Refusal(
                403,
                "this host name is not known here: use localhost or an IP address, or list the"
                " name in TEST_HTTP_HOSTS",
            )
        if reason := refused_page(asked, headers, self._rules.origins):
            return _Refusal(403, reason)
        is_preflight = asked.method == "OPTIONS"
        # Probes know no password.
        if asked.path in PROBES or is_preflight or self._may_log_in(asked.path, headers):
            return None
        return _Refusal(401, "Unauthorised.\n")

    def _knows_host(self, host: str) -> bool:
        match = _NAME.match(host)
        if match is None:
            return False
        name = match["name"].strip("[]").lower().removesuffix(".")
        if "*" in self._rules.hosts or name in self._rules.hosts or "." not in name:
            return ":" not in name or is_address(name)
        return name.rpartition(".")[2] in _NOBODYS or is_address(name)

    def _is_allowed_origin(self, origin: str) -> bool:
        return bool(origin) and ("*" in self._rules.origins or origin in self._rules.origins)

    def _may_log_in(self, path: str, headers: Headers) -> bool:
        logins = self._rules.logins
        if path == "/api/v1/send" and self._rules.send_logins is not None:
            logins = self._rules.send_logins
        if not logins:
            return True
        login = basic_login(headers.get("authorization", ""))
        if login is None:
            return False
        user, password = login
        right = hmac.compare_digest(logins.get(user, "").encode(), password.encode())
        return right and user in logins

    def _preflight(self, scope: Scope, headers: Headers, allowed: str) -> Response | None:
        if scope["method"] != "OPTIONS" or not allowed:
            return None
        return Response(
            status_code=204,
            headers={
                "Access-Control-Allow-Methods": "GET, POST, PUT, DELETE, OPTIONS",
                "Access-Control-Allow-Headers": headers.get(
                    "access-control-request-headers", "content-type"
                ),
                "Access-Control-Max-Age": "600",
            },
        )


@dataclass(frozen=True)
class _Refusal:
    status: int
    reason: str

    @property
    def response(self) -> Response:
        response = text_response(self.reason, self.status)
        if self.status == 401:
            response.headers["WWW-Authenticate"] = 'Basic realm="Login"'
        return response


def _guarded(send: Send, origin: str, *, is_shared: bool) -> Callable[[Message], Awaitable[None]]:
    """What every answer says to a browser, unless it says something of its own.

    is_shared: pages of other origins may show it.
    """
    policy = "cross-origin" if is_shared else "same-origin"

    async def guarded(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Content-Security-Policy", OTHER_POLICY)
            headers.setdefault("Cross-Origin-Resource-Policy", policy)
            if origin:
                headers["Access-Control-Allow-Origin"] = origin
                if origin != "*":
                    headers["Access-Control-Allow-Credentials"] = "true"
                    headers.add_vary_header("Origin")
        await send(message)

    return guarded


def host_names(names: Iterable[str]) -> frozenset[str]:
    """As AccessRules wants them."""
    return frozenset(name.strip().lower().removesuffix(".") for name in names if name.strip())
