"""Tags."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.question import RequestError, json_object, text, texts
from entrypoint.test_target.api.safe import json_response, ok
from entrypoint.test_target.api.target import Target


async def list_tags(target: Target, request: Request) -> Response:
    """GET /api/v1/tags."""
    return json_response(await target.mailbox.tag_names())


async def set_tags(target: Target, request: Request) -> Response:
    """PUT /api/v1/tags: these and no others, on these messages."""
    body = await json_object(request)
    identities, tags = texts(body, "IDs"), texts(body, "Tags")
    if identities:
        await target.mailbox.set_tags(identities, tags)
    return ok()


async def rename_tag(target: Target, request: Request) -> Response:
    """PUT /api/v1/tags/{Tag}."""
    name = text(await json_object(request), "Name")
    try:
        renamed = await target.mailbox.rename_tag(request.path_params["Tag"], name)
    except ValueError as error:
        raise RequestError(str(error)) from None
    if not renamed:
        raise RequestError(f"tag does not exist: {request.path_params['Tag']}")
    return ok()


async def delete_tag(target: Target, request: Request) -> Response:
    """DELETE /api/v1/tags/{Tag}: the messages stay."""
    await target.mailbox.delete_tag(request.path_params["Tag"])
    return ok()
