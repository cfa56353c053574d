"""How an endpoint is described."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.target import Target

Handler = Callable[[Target, Request], Awaitable[Response]]


@dataclass(frozen=True)
class Parameter:
    """In the query. kind: a JSON Schema type."""

    name: str
    text: str
    kind: str = "string"
    required: bool = False


@dataclass(frozen=True)
class Endpoint:
    """path: with `{ID}` and the like. answer: a schema's name, or a media type.

    body: a schema's name, "" is none. errors: statuses beside 400. ours: Mailpit has it not.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    answer: str
    parameters: tuple[Parameter, ...] = ()
    body: str = ""
    errors: tuple[int, ...] = ()
    ours: bool = False
