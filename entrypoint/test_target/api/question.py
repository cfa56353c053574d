"""The parameters of a request, and its body."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request

from entrypoint.test_target.search.dates import parse_moment, time_zone
from entrypoint.test_target.search.parse import QueryError, parse_query
from entrypoint.test_target.search.terms import Query
from entrypoint.test_target.store.reading import Selection
from filters.capture.runs import NAME

PAGE = 50
_NUMBER = re.compile(r"[0-9]{1,18}\Z")
_DURATION = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m)?\Z")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class RequestError(Exception):
    """An answer that is an error: text, as Mailpit's are."""

    def __init__(self, text: str, status: int = 400) -> None:
        super().__init__(text)
        self.text, self.status = text, status


def number(request: Request, name: str, default: int) -> int:
    """As Mailpit reads it: what is no number, or less than none, is the default."""
    text = request.query_params.get(name, "")
    return int(text) if _NUMBER.match(text) else default


def seconds(request: Request, name: str) -> float | None:
    """A duration such as `10s`, `500ms`, `1m` or `10`. Raises RequestError."""
    text = request.query_params.get(name, "").strip()
    if not text:
        return None
    match = _DURATION.match(text)
    if match is None:
        raise RequestError(f"{name}={text[:40]!r}: write a duration such as 10s, 500ms or 1m")
    return float(match[1]) * _UNITS[match[2]]


def only_with(request: Request, names: Collection[str]) -> None:
    """Raises RequestError for a parameter of another name: it was to narrow what is asked for."""
    for name in request.query_params:
        if name not in names:
            known = ", ".join(sorted(names))
            raise RequestError(f"{name[:40]!r} is no parameter here: there are {known}")


def run_of(request: Request) -> str:
    """ "" is none. Raises RequestError for an empty one: whoever writes it means a run."""
    text = request.query_params.get("run")
    if text is not None and not text.strip():
        raise RequestError("run: name the test run, or leave the parameter out for all")
    return (text or "").strip()


def new_run_of(request: Request) -> str | None:
    """The run that something is made for, in lower case. Raises RequestError for what is none."""
    run = run_of(request)
    if run and not re.fullmatch(NAME, run):
        raise RequestError(f"run: {run!r:.60}: write 1 to 255 characters without white space")
    return run.lower() or None


def query_of(request: Request, text: str | None = None) -> Query:
    """What `query` (or the text) asks for, within `run`. Raises RequestError."""
    wanted = request.query_params.get("query", "") if text is None else text
    try:
        query = parse_query(wanted.strip(), request.query_params.get("tz", ""))
    except QueryError as error:
        raise RequestError(f"Error: {error}") from None
    return query.within(run_of(request))


def required_query_of(request: Request) -> Query:
    """Raises RequestError where there is none."""
    if not request.query_params.get("query", "").strip():
        raise RequestError("Error: no search query")
    return query_of(request)


def selection_of(request: Request, query: Query) -> Selection:
    """With `before`; a date that cannot be read is passed over, as Mailpit does."""
    text = request.query_params.get("before", "")
    moment = parse_moment(text, time_zone(request.query_params.get("tz", ""))) if text else None
    return Selection(query, moment)


async def bounded_body(request: Request, most: int) -> bytes:
    """The body. Raises RequestError where it is longer than that; no more of it is read then."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise RequestError(
                f"the body is longer than {most} bytes, the most that are taken here"
            )
    return bytes(body)


@asynccontextmanager
async def changing() -> AsyncIterator[None]:
    """Around what the rest of the server has to know before there is an answer."""
    try:
        yield
    except OSError as error:
        said = str(error) or "no answer in time"
        raise RequestError(
            f"the mail server has not taken it over: {said}; try again", 503
        ) from None


async def json_object(request: Request) -> dict[str, Any]:
    """The body, its names in lower case: Go reads them in whatever case. Raises RequestError."""
    try:
        value = json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise RequestError(f"the body is no JSON: {error}") from None
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError("the body is no JSON object")
    return {str(name).lower(): field for name, field in value.items()}


def texts(body: dict[str, Any], name: str) -> list[str]:
    """A list of texts; none where there is no such field. Raises RequestError."""
    value = body.get(name.lower())
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise RequestError(f"{name} is no list of strings")
    return [_clean(item) for item in value]


def text(body: dict[str, Any], name: str) -> str:
    """A text; "" where there is no such field. Raises RequestError."""
    value = body.get(name.lower())
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RequestError(f"{name} is no string")
    return _clean(value)


def truth(body: dict[str, Any], name: str) -> bool:
    """true or false; false where there is no such field. Raises RequestError."""
    value = body.get(name.lower())
    if value is None:
        return False
    if not isinstance(value, bool):
        raise RequestError(f"{name} is not true or false")
    return value


def _clean(value: str) -> str:
    """Without half of a character pair, which JSON can hold and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode("utf-8")
