"""Mailpit's chaos: errors that come with a probability."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from entrypoint.test_target.api.question import RequestError, changing, json_object
from entrypoint.test_target.api.safe import json_response
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.chaos import Trigger, Triggers

_NAMES = ("Sender", "Recipient", "Authentication")


async def get_chaos(target: Target, request: Request) -> Response:
    """GET /api/v1/chaos."""
    return json_response(_json(target.faults.triggers()))


async def set_chaos(target: Target, request: Request) -> Response:
    """PUT /api/v1/chaos. What is not named goes back to nothing."""
    body, default = await json_object(request), Triggers()
    triggers = Triggers(
        *(_read(name, body.get(name.lower()), getattr(default, name.lower())) for name in _NAMES)
    )
    async with changing():
        await target.faults.set_triggers(triggers)
    return json_response(_json(triggers))


def _read(name: str, value: Any, default: Trigger) -> Trigger:
    if value is None:
        return default
    fields = (
        {str(key).lower(): field for key, field in value.items()}
        if isinstance(value, dict)
        else None
    )
    if fields is None:
        raise RequestError(f"{name} is no object with ErrorCode and Probability")
    code = _number(name, "ErrorCode", fields.get("errorcode", 0))
    probability = _number(name, "Probability", fields.get("probability", 0))
    if code == 0 and probability == 0:
        code = default.code
    if not 400 <= code <= 599:
        raise RequestError(f"{name}: error code must be between 400 and 599, not {code}")
    if not 0 <= probability <= 100:
        raise RequestError(f"{name}: probability must be between 0 and 100, not {probability}")
    return Trigger(code, probability)


def _number(name: str, field: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"{name}: {field} is no whole number")
    return value


def _json(triggers: Triggers) -> dict[str, Any]:
    return {
        name: {"ErrorCode": trigger.code, "Probability": trigger.probability}
        for name in _NAMES
        for trigger in (getattr(triggers, name.lower()),)
    }
