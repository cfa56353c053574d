"""One message, and what is in it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.messages import wait_if_asked
from entrypoint.test_target.api.question import RequestError, json_object, query_of, texts
from entrypoint.test_target.api.safe import (
    json_response,
    part_response,
    text_response,
)
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.api.thumbnail import blank_jpeg
from entrypoint.test_target.messages.content import MessageContent, plain_message, read_message
from entrypoint.test_target.messages.parts import Part
from entrypoint.test_target.shapes import message as shapes
from entrypoint.test_target.store.reading import Selection, StoredMessage

_IN_LOOP = 64 * 1024  # bytes of a message that are read at once; a larger one in a thread


async def get_message(target: Target, request: Request) -> Response:
    """GET /api/v1/message/{ID}: whoever gets it has read it."""
    stored = await load(target, request)
    value = await in_content(stored, lambda content: whole(content, stored))
    await mark_read(target, stored)
    return json_response(value)


async def get_headers(target: Target, request: Request) -> Response:
    """GET …/headers."""
    stored = await load(target, request)
    return json_response(
        await in_content(
            stored, lambda content: shapes.headers_json(content, stored.summary, _path(stored))
        )
    )


async def get_raw(target: Target, request: Request) -> Response:
    """GET …/raw: the bytes as the filter got them."""
    stored = await load(target, request)
    response = Response(stored.raw, media_type="text/plain; charset=utf-8")
    if request.query_params.get("dl") == "1":
        name = f'attachment; filename="{stored.identity}.eml"'
        response.headers["Content-Disposition"] = name
    return response


async def get_part(target: Target, request: Request) -> Response:
    """GET …/part/{PartID}."""
    return part_response(await _part(target, request))


async def get_thumbnail(target: Target, request: Request) -> Response:
    """GET …/part/{PartID}/thumb: a JPEG, its own where the part is one."""
    part = await _part(target, request)
    is_jpeg = part.content.startswith(b"\xff\xd8\xff")
    return Response(part.content if is_jpeg else blank_jpeg(), media_type="image/jpeg")


async def html_check(target: Target, request: Request) -> Response:
    """GET …/html-check."""
    stored = await load(target, request)
    if not await in_content(stored, lambda content: content.html):
        raise RequestError("message does not contain HTML")
    return json_response(shapes.html_check_json())


async def link_check(target: Target, request: Request) -> Response:
    """GET …/link-check: nothing is asked of anyone."""
    return json_response(await in_content(await load(target, request), shapes.link_check_json))


async def links(target: Target, request: Request) -> Response:
    """GET …/links."""
    return json_response(await in_content(await load(target, request), shapes.links_json))


async def codes(target: Target, request: Request) -> Response:
    """GET …/codes."""
    return json_response(await in_content(await load(target, request), shapes.codes_json))


async def release(target: Target, request: Request) -> Response:
    """POST …/release: nothing leaves a test target."""
    await load(target, request)
    texts(await json_object(request), "To")
    return text_response("no relay: a test target sends nothing out", 400)


async def load(target: Target, request: Request) -> StoredMessage:
    """The message of the path; `latest` with `query`, `run` and `wait`. Raises RequestError."""
    identity = request.path_params["ID"]
    if identity == "latest":
        selection = Selection(query_of(request))
        await wait_if_asked(target, request, selection)
        newest = await target.mailbox.latest(selection)
        if newest is None:
            raise RequestError("Message not found", 404)
        identity = newest
    stored = await target.mailbox.load(identity)
    if stored is None:
        raise RequestError("404 page not found", 404)
    return stored


async def in_content(stored: StoredMessage, of: Callable[[MessageContent], Any]) -> Any:
    """What `of` makes of it, off the loop where that could take a while."""
    work = partial(_read, stored.raw, of)
    return work() if len(stored.raw) <= _IN_LOOP else await asyncio.to_thread(work)


async def mark_read(target: Target, stored: StoredMessage) -> None:
    """Nothing is written for one that has been read before."""
    if not stored.summary["Read"]:
        await target.mailbox.set_read([stored.identity], read=True)


def whole(content: MessageContent, stored: StoredMessage) -> dict[str, Any]:
    """The JSON of a message."""
    return shapes.message_json(content, stored.summary, _path(stored))


def _read(raw: bytes, of: Callable[[MessageContent], Any]) -> Any:
    try:
        content = read_message(raw)
    except Exception:  # it was logged when the message was stored
        content = plain_message()
    return of(content)


def _path(stored: StoredMessage) -> str:
    sender: str = stored.summary["Extra"]["Envelope"]["From"]
    address: str = stored.summary["From"]["Address"]
    return sender or address


async def _part(target: Target, request: Request) -> Part:
    stored, wanted = await load(target, request), request.path_params["PartID"]
    part: Part | None = await in_content(stored, lambda content: content.part(wanted))
    if part is None:
        raise RequestError("404 page not found", 404)
    return part
