"""What DNS holds for the messages: a zone for all, and one for each run that wants its own."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.question import (
    RequestError,
    bounded_body,
    changing,
    new_run_of,
    run_of,
)
from entrypoint.test_target.api.safe import json_response, ok
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.zone_text import MOST_BYTES, ZoneError


async def get_dns(target: Target, request: Request) -> Response:
    """GET /api/v1/dns."""
    return _shown(target, request)


async def set_dns(target: Target, request: Request) -> Response:
    """PUT /api/v1/dns: in the place of the zone before. It holds for the next message."""
    run = new_run_of(request)
    body = await bounded_body(request, MOST_BYTES)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        raise RequestError(f"line {line}: no UTF-8: save the zone as UTF-8") from None
    try:
        async with changing():
            await target.zones.set(run, text)
    except ZoneError as error:
        raise RequestError(str(error)) from None
    return _shown(target, request)


async def delete_dns(target: Target, request: Request) -> Response:
    """DELETE /api/v1/dns: a run's zone, or all that were set."""
    async with changing():
        await target.zones.clear(run_of(request) or None)
    return ok()


def _shown(target: Target, request: Request) -> Response:
    run = run_of(request).lower()
    answer = {
        "run": run,
        "zone": target.zones.get(run or None) or {},
        "runs": list(target.zones.runs()),
    }
    # What stands for raw bytes is no character, and UTF-8 has no place for it.
    return json_response(answer, ascii_only=True)
