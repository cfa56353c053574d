"""The document describes what is served, and what is served is Mailpit's API."""

import re
import smtplib
from pathlib import Path
from typing import Any

from starlette.routing import Route

from entrypoint.test_target.api.access import AccessRules
from entrypoint.test_target.api.app import make_app
from entrypoint.test_target.api.description import ENDPOINTS
from entrypoint.test_target.api.openapi import document
from entrypoint.test_target.api.schemas import SCHEMAS
from entrypoint.test_target.api.smtp_submission import SmtpSubmission
from entrypoint.test_target.api.target import Target
from entrypoint.test_target.fault_table import FaultTable
from entrypoint.test_target.store.mailbox import Mailbox
from entrypoint.test_target.zone_table import ZoneTable
from tests.entrypoint.test_target.running import Running

# Mailpit 1.30.5 (server/server.go), without the page's own files and what has to be enabled.
MAILPIT = """
GET /livez
GET /readyz
GET /metrics
GET /api/v1/messages
PUT /api/v1/messages
DELETE /api/v1/messages
GET /api/v1/search
DELETE /api/v1/search
GET /api/v1/message/{ID}
GET /api/v1/message/{ID}/headers
GET /api/v1/message/{ID}/raw
GET /api/v1/message/{ID}/part/{PartID}
GET /api/v1/message/{ID}/part/{PartID}/thumb
GET /api/v1/message/{ID}/html-check
GET /api/v1/message/{ID}/link-check
POST /api/v1/message/{ID}/release
POST /api/v1/send
GET /api/v1/tags
PUT /api/v1/tags
PUT /api/v1/tags/{Tag}
DELETE /api/v1/tags/{Tag}
GET /api/v1/chaos
PUT /api/v1/chaos
GET /api/v1/info
GET /api/v1/webui
GET /view/latest
GET /view/{ID}.html
GET /view/{ID}.txt
"""


def described(paths: dict[str, dict[str, Any]]) -> set[str]:
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item}


def test_every_route_is_described_and_every_description_routed(tmp_path: Path) -> None:
    mailbox = Mailbox(tmp_path / "store.db")
    target = Target(mailbox, SmtpSubmission(mailbox, smtplib.SMTP), FaultTable(), ZoneTable(), "1")
    routes = [route for route in make_app(target, AccessRules()).routes if isinstance(route, Route)]
    mailbox.close()
    routed = {
        f"{method} {route.path}"
        for route in routes
        for method in (route.methods or set()) - {"HEAD"}
    }
    itself = {"GET /api/v1/swagger.json", "GET /openapi.json"}
    assert routed - itself == described(document(ENDPOINTS, "1")["paths"])
    assert itself < routed


def test_mailpits_endpoints_are_all_there_and_others_are_marked() -> None:
    paths = document(ENDPOINTS, "1")["paths"]
    ours = {
        f"{method.upper()} {path}"
        for path, item in paths.items()
        for method, operation in item.items()
        if operation.get("x-beyond-mailpit")
    }
    assert described(paths) - ours == set(MAILPIT.split("\n")) - {""}


def test_the_document_is_whole(target: Running) -> None:
    served = target.get("/api/v1/swagger.json").json
    assert served == target.get("/openapi.json").json
    text = target.get("/openapi.json").text
    referred = set(re.findall(r"#/components/schemas/(\w+)", text))
    assert referred == set(SCHEMAS)
    names = [
        operation["operationId"] for item in served["paths"].values() for operation in item.values()
    ]
    assert len(names) == len(set(names))
    for path, item in served["paths"].items():
        in_path = set(re.findall(r"\{(\w+)\}", path))
        for operation in item.values():
            parameters = operation["parameters"]
            assert {p["name"] for p in parameters if p["in"] == "path"} == in_path


def fits(value: Any, schema: dict[str, Any], at: str) -> None:
    """The fields of a value are those that its schema names, and no others."""
    if "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rpartition("/")[2]]
    kind = schema["type"]
    if value is None:
        assert schema.get("nullable"), at
    elif kind == "array":
        for item in value:
            fits(item, schema["items"], f"{at}[]")
    elif kind == "object" and "properties" in schema:
        assert set(value) == set(schema["properties"]), at
        for name, field in schema["properties"].items():
            fits(value[name], field, f"{at}.{name}")
    else:
        kinds = {"string": str, "integer": int, "boolean": bool, "object": dict, "number": float}
        assert isinstance(value, kinds[kind]), at


def test_answers_have_the_shape_that_the_document_says(target: Running) -> None:
    target.deliver(
        b"Subject: s\r\nX-Tags: t\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
        b"Content-Type: text/html\r\n\r\n<a href='https://x.example/'>x</a>\r\n--b\r\n"
        b"Content-Disposition: attachment; filename=a\r\n\r\nx\r\n--b--\r\n"
    )
    fault = {"match": {"phase": "data"}, "script": [{"reply": "451 4.7.1 later"}]}
    fits(target.ask("POST", "/api/v1/faults", fault).json, SCHEMAS["Fault"], "Fault")
    fits(target.ask("PUT", "/api/v1/dns", {"a.example": "NODATA"}).json, SCHEMAS["Dns"], "Dns")
    for endpoint in ENDPOINTS:
        if endpoint.method == "GET" and "/" not in endpoint.answer:
            path = endpoint.path.replace("{ID}", "latest")
            answer = target.get(path, **({"query": "s"} if "search" in path else {}))
            fits(answer.json, SCHEMAS[endpoint.answer], endpoint.answer)
