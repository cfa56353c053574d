"""Lists of messages, searches, and what is done to many at once."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.question import (
    PAGE,
    RequestError,
    json_object,
    number,
    only_with,
    query_of,
    required_query_of,
    run_of,
    seconds,
    selection_of,
    text,
    texts,
    truth,
)
from entrypoint.test_target.api.safe import json_response, ok
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.api.waits import TargetStopsError, TooManyWaitingError
from entrypoint.test_target.search.terms import Query
from entrypoint.test_target.store.reading import EVERYTHING, Selection

MOST_ON_PAGE = 10_000  # messages; Mailpit gives as many as are asked for
_IN_LOOP = 250  # messages whose JSON is made at once; that of more in a thread
_WAIT = 10.0  # seconds, where nothing is said
_OF_WAIT = {"query", "run", "timeout", "count", "start", "limit", "before", "tz"}


async def list_messages(target: Target, request: Request) -> Response:
    """GET /api/v1/messages."""
    selection = selection_of(request, _all_of(request))
    await wait_if_asked(target, request, selection)
    return await page(target, request, selection)


async def search(target: Target, request: Request) -> Response:
    """GET /api/v1/search."""
    selection = selection_of(request, required_query_of(request))
    await wait_if_asked(target, request, selection)
    return await page(target, request, selection)


async def wait(target: Target, request: Request) -> Response:
    """GET /api/v1/wait. No client of Mailpit's asks so: what cannot be understood is an error,
    for a test that waits for anything at all is green for nothing.
    """
    only_with(request, _OF_WAIT)
    if not re.fullmatch(r"[0-9]{0,6}", request.query_params.get("count", "")):
        raise RequestError("count: write a number of messages")
    query = query_of(request)
    if request.query_params.get("query", "").strip():
        _narrows(request, query)
    selection = selection_of(request, query)
    longest = seconds(request, "timeout")
    longest = _WAIT if longest is None else longest
    count = number(request, "count", 1)
    if not await _until(target, request, selection, count, longest):
        raise RequestError(await _missed(target, request, selection, count, longest), 404)
    return await page(target, request, selection)


async def set_read(target: Target, request: Request) -> Response:
    """PUT /api/v1/messages."""
    body = await json_object(request)
    identities, words, read = texts(body, "IDs"), text(body, "Search"), truth(body, "Read")
    if identities and words.strip():
        raise RequestError("You may specify either IDs or a search query, not both")
    chosen = identities or Selection(query_of(request, words))
    await target.mailbox.set_read(chosen, read=read)
    return ok()


async def delete_messages(target: Target, request: Request) -> Response:
    """DELETE /api/v1/messages. A body that cannot be read asks for all, as it does of Mailpit; a
    parameter that is none does not.
    """
    only_with(request, {"run"})
    try:
        identities = texts(await json_object(request), "IDs")
    except RequestError:
        identities = []
    chosen: Sequence[str] | Selection = identities
    if not identities:
        chosen = Selection(_all_of(request))
    await target.mailbox.delete(chosen)
    return ok()


async def delete_search(target: Target, request: Request) -> Response:
    """DELETE /api/v1/search."""
    query = required_query_of(request)
    _narrows(request, query)
    await target.mailbox.delete(Selection(query))
    return ok()


def _all_of(request: Request) -> Query:
    """Every message, or every one of the run that is asked for."""
    return EVERYTHING.within(run_of(request))


def _narrows(request: Request, query: Query) -> None:
    """Raises RequestError for `after:yesterdy`: Mailpit passes over it, and everything matches."""
    if query == _all_of(request):
        raise RequestError("Error: no term of the search query can be understood")


async def page(target: Target, request: Request, selection: Selection) -> Response:
    """MessagesSummary. total and unread are of the mailbox, or of the run if one is asked for."""
    start = number(request, "start", 0)
    limit = min(number(request, "limit", PAGE), MOST_ON_PAGE)
    found = await target.mailbox.find(selection, start, limit)
    totals = target.mailbox.totals
    total, unread = totals.messages, totals.unread
    within = Selection(_all_of(request))
    if within == selection:
        total, unread = found.matching, found.unread
    elif not within.is_everything:
        all_of_run = await target.mailbox.find(within, 0, 0)
        total, unread = all_of_run.matching, all_of_run.unread
    answer = {
        "total": total,
        "unread": unread,
        "count": len(found.items),
        "messages_count": found.matching,
        "messages_unread": found.unread,
        "start": start,
        "tags": found.tags,
        "messages": found.items,
    }
    if len(found.items) <= _IN_LOOP:
        return json_response(answer)
    return await asyncio.to_thread(json_response, answer)


async def wait_if_asked(target: Target, request: Request, selection: Selection) -> None:
    """`?wait=10s`: until something matches, or `count` do; no longer than that."""
    longest = seconds(request, "wait")
    if longest is not None:
        await _until(target, request, selection, number(request, "count", 1), longest)


async def _until(
    target: Target, request: Request, selection: Selection, count: int, longest: float
) -> bool:
    """Ends, with False, when the client has gone."""
    waiting = asyncio.ensure_future(target.waits.until(selection, count, longest))
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait((waiting, gone), return_when=asyncio.FIRST_COMPLETED)
        return waiting.done() and waiting.result()
    except TooManyWaitingError as error:
        raise RequestError(f"Error: {error}", 503) from None
    except TargetStopsError:
        raise RequestError("Error: the mail server stops", 503) from None
    finally:
        for task in (waiting, gone):
            task.cancel()
        await asyncio.gather(waiting, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _missed(
    target: Target, request: Request, selection: Selection, count: int, longest: float
) -> str:
    """What a person needs to see who waited in vain."""
    found = await target.mailbox.find(selection, 0, 0)
    newest = await target.mailbox.find(Selection(_all_of(request)), 0, 5)
    lines = [
        f"{found.matching} of {count} messages within {longest:g} seconds",
        f"newest messages ({len(newest.items)} of {newest.matching}):",
    ]
    for item in newest.items:
        to = ", ".join(mailbox["Address"] for mailbox in (*item["To"], *item["Cc"], *item["Bcc"]))
        lines.append(f"  {item['Created']}  to {to[:100]}  {item['Subject'][:100]!r}")
    return "\n".join(lines)
