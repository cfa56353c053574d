"""What the application does when an endpoint fails, and when too many ask at once."""

import asyncio
import logging
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from entrypoint.test_target.api import app as module
from entrypoint.test_target.api.access import AccessRules
from entrypoint.test_target.api.endpoint import Endpoint, Handler
from entrypoint.test_target.api.safe import ok


def application(monkeypatch: pytest.MonkeyPatch, handler: Handler) -> ASGIApp:
    endpoints = (
        Endpoint("GET", "/readyz", handler, "", "text/plain"),
        Endpoint("GET", "/api/v1/{ID}", handler, "", "text/plain"),
    )
    monkeypatch.setattr(module, "ENDPOINTS", endpoints)
    events: Any = SimpleNamespace(version="1", events=SimpleNamespace(serve=handler))
    return module.make_app(events, AccessRules())


async def get(app: ASGIApp, path: str) -> tuple[int, bytes]:
    """0 where there is no answer."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode()}
    headers = [(b"host", b"localhost")]
    await app({**scope, "query_string": b"", "headers": headers}, receive, send)
    status = sent[0]["status"] if sent else 0
    return status, b"".join(message.get("body", b"") for message in sent)


def test_a_fault_of_an_endpoint_is_a_line_and_one_traceback(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(target: Any, request: Request) -> Response:
        raise KeyError("a\nb" * 1000)

    async def case() -> None:
        app = application(monkeypatch, handler)
        with caplog.at_level(logging.INFO):
            for _ in range(3):
                status, body = await get(app, "/api/v1/x\ny")
                assert status == 500
                assert b"KeyError" not in body
                assert b"log" in body

    asyncio.run(case())
    assert len(caplog.records) == 3
    assert [bool(record.exc_info) for record in caplog.records] == [True, False, False]
    for record in caplog.records:
        said = record.getMessage()
        assert record.levelno == logging.ERROR
        assert "GET" in said
        assert "/api/v1/x" in said
        assert "KeyError" in said
        assert "\n" not in said
        assert len(said) < 600


def test_a_client_that_has_gone_is_no_fault(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(target: Any, request: Request) -> Response:
        raise ClientDisconnect

    assert asyncio.run(get(application(monkeypatch, handler), "/api/v1/x")) == (0, b"")
    assert caplog.records == []


def test_only_so_many_requests_are_answered_at_a_time_and_the_probes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_MOST_REQUESTS", 2)

    async def case() -> None:
        finish = asyncio.Event()

        async def handler(target: Any, request: Request) -> Response:
            if request.url.path != "/readyz":
                await finish.wait()
            return ok()

        app = application(monkeypatch, handler)
        waiting = [asyncio.create_task(get(app, "/api/v1/x")) for _ in range(2)]
        await asyncio.sleep(0)
        assert await get(app, "/api/v1/x") == (503, b"Error: 2 requests are answered already")
        assert await get(app, "/readyz") == (200, b"ok")
        finish.set()
        assert await asyncio.gather(*waiting) == [(200, b"ok")] * 2
        assert await get(app, "/api/v1/x") == (200, b"ok")

    asyncio.run(case())
