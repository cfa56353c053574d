"""The OpenAPI document of the endpoints."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from entrypoint.test_target.api.endpoint import Endpoint
from entrypoint.test_target.api.schemas import SCHEMAS

_IN_PATH = re.compile(r"\{(\w+)\}")
_ERRORS = {
    400: "What is wrong, as text",
    404: "There is none such",
    503: "Not now",
}


def document(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """OpenAPI 3.0. version: Signpost's."""
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in endpoints:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "Signpost, test target",
            "description": "Mailpit's REST API and what goes beyond it (x-beyond-mailpit).",
            "version": version,
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS},
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _IN_PATH.findall(endpoint.path)
    ]
    in_query = [
        {
            "name": parameter.name,
            "in": "query",
            "description": parameter.text,
            "required": parameter.required,
            "schema": {"type": parameter.kind},
        }
        for parameter in endpoint.parameters
    ]
    operation: dict[str, Any] = {
        "summary": endpoint.summary,
        "operationId": endpoint.handler.__name__,
        "parameters": in_path + in_query,
        "responses": {
            "200": {"description": "It succeeded", "content": _content(endpoint.answer)},
            **{
                str(status): {"description": _ERRORS[status], "content": _content("text/plain")}
                for status in (400, *endpoint.errors)
            },
        },
    }
    if endpoint.body:
        operation["requestBody"] = {"content": _content(endpoint.body)}
    if endpoint.ours:
        operation["x-beyond-mailpit"] = True
    return operation


def _content(answer: str) -> dict[str, Any]:
    if "/" in answer:
        return {answer: {"schema": {"type": "string"}}}
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer}"}}}
