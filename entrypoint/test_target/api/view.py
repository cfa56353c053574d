"""A message's parts as pages, for tests that look at them in a browser."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from entrypoint.test_target.api.message import in_content, load, mark_read
from entrypoint.test_target.api.question import RequestError
from entrypoint.test_target.api.safe import (
    html_response,
    text_response,
    with_part_urls,
    without_link_elements,
)
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.messages.content import MessageContent


async def view_html(target: Target, request: Request) -> Response:
    """GET /view/{ID}.html. embed=1: for a frame. Links open a tab of their own."""
    stored = await load(target, request)

    def page(content: MessageContent) -> str:
        parts = [*content.inline, *content.attachments]
        return with_part_urls(content.html, stored.identity, parts)

    html = await in_content(stored, page)
    if not html:
        raise RequestError("This message does not contain a HTML part", 404)
    await mark_read(target, stored)
    html = without_link_elements(html)
    if request.query_params.get("embed") == "1":
        html = f'<base target="_blank">{html}'
    return html_response(html)


async def view_text(target: Target, request: Request) -> Response:
    """GET /view/{ID}.txt."""
    stored = await load(target, request)
    text = await in_content(stored, lambda content: content.text)
    await mark_read(target, stored)
    return text_response(text)


async def view_latest(target: Target, request: Request) -> Response:
    """GET /view/latest: the page of the newest message."""
    request.path_params["ID"] = "latest"
    try:
        stored = await load(target, request)
    except RequestError as error:
        if error.status == 404:
            return RedirectResponse("/", 302)
        raise
    return RedirectResponse(f"/view/{stored.identity}", 302)
