"""Faults by sequence: added, listed, deleted."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import ValidationError
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
from entrypoint.test_target.faults import REQUEST, FaultScript, Phase

_MOST_BYTES = 200_000  # of a fault: a hundred steps with the longest replies
_MOST_ERRORS = 10  # that are named at once
_WITHOUT_VALUE = {"missing", "json_invalid"}
_CURES = {
    "phase": f"one of {', '.join(get_args(Phase))}",
    "reply": "a code of 400 to 599 and a text in ASCII, such as '451 4.7.1 try again later'",
    "dsn": "an enhanced status code that is no success, such as 5.1.1",
    "run": "1 to 255 characters without white space",
    "script": '1 to 100 steps, such as [{"reply": "451 4.7.1 later", "times": 2}]',
    "match": 'what it is for, such as {"phase": "rcpt-to", "recipient": "*@example.org"}',
}


async def list_faults(target: Target, request: Request) -> Response:
    """GET /api/v1/faults."""
    faults = target.faults.listed(run_of(request) or None)
    return json_response({"faults": [fault_json(fault) for fault in faults]})


async def add_fault(target: Target, request: Request) -> Response:
    """POST /api/v1/faults. It holds from the next command on; `run` may stand in the query."""
    run = new_run_of(request)
    body = await bounded_body(request, _MOST_BYTES)
    try:
        wanted = REQUEST.validate_json(body)
        if run and wanted.run not in {None, run}:
            raise RequestError(
                f"run: {wanted.run!r:.80} in the body, {run!r:.80} in the URL: write one"
            )
        if run:  # which has to be possible, too
            wanted = REQUEST.validate_python({**wanted.model_dump(), "run": run})
    except ValidationError as error:
        raise RequestError(_wrong(error)) from None
    try:
        async with changing():
            return json_response(fault_json(await target.faults.add(wanted)))
    except ValueError as error:
        raise RequestError(str(error)) from None


async def delete_faults(target: Target, request: Request) -> Response:
    """DELETE /api/v1/faults: all, or a run's."""
    async with changing():
        await target.faults.clear(run=run_of(request) or None)
    return ok()


async def delete_fault(target: Target, request: Request) -> Response:
    """DELETE /api/v1/faults/{ID}."""
    identity = request.path_params["ID"]
    async with changing():
        gone = await target.faults.clear(fault_id=identity)
    if not gone:
        raise RequestError(
            f"there is no fault {identity[:40]!r}; GET /api/v1/faults lists them", 404
        )
    return ok()


def fault_json(fault: FaultScript) -> dict[str, Any]:
    """As it was added, and how far it is."""
    return {
        "id": fault.id,
        **fault.request.model_dump(),
        "hits": fault.hits,
        "done": fault.done,
    }


def _wrong(error: ValidationError) -> str:
    """A line for each: where, which value, the rule, the cure."""
    lines = []
    for one in error.errors(include_url=False)[:_MOST_ERRORS]:
        at = ".".join(str(part) for part in one["loc"]) or "the body"
        cure = _CURES.get(str(one["loc"][-1]) if one["loc"] else "", "")
        value = "" if one["type"] in _WITHOUT_VALUE else f" {one['input']!r:.60}:"
        lines.append(f"{at}:{value} {one['msg']}" + (f": write {cure}" if cure else ""))
    return "\n".join(lines)
