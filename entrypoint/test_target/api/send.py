"""Sending by HTTP: the message goes to the server as any client's does."""

from __future__ import annotations

import asyncio

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.access import basic_login
from entrypoint.test_target.api.composed import compose
from entrypoint.test_target.api.outside import SubmissionRefusedError
from entrypoint.test_target.api.question import RequestError, json_object
from entrypoint.test_target.api.safe import json_response
from entrypoint.test_target.api.target import Target


async def send(target: Target, request: Request) -> Response:
    """POST /api/v1/send: {"ID": …}, or 400 with {"Error": …}."""
    try:
        composed = await asyncio.to_thread(compose, await json_object(request))
        login = basic_login(request.headers.get("Authorization", ""))
        identity = await target.submission.submit(
            composed.sender, composed.recipients, composed.raw, login[0] if login else ""
        )
    except (RequestError, SubmissionRefusedError) as error:
        response = json_response({"Error": str(error)})
        response.status_code = 400
        return response
    return json_response({"ID": identity})
