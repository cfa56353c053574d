"""Every endpoint there is, once."""

from __future__ import annotations

from entrypoint.test_target.api import (
    about,
    chaos,
    faults,
    message,
    messages,
    metrics,
    send,
    tags,
    view,
    zones,
)
from entrypoint.test_target.api.endpoint import Endpoint, Parameter

_START = Parameter("start", "How many of the newest are left out", "integer")
_LIMIT = Parameter("limit", "How many at most; 50 where nothing is said", "integer")
_BEFORE = Parameter("before", "Only what was received before this date")
_QUERY = Parameter("query", "A search query, as Mailpit's", required=True)
_ANY_QUERY = Parameter("query", "A search query; for the ID `latest` only")
_ZONE = Parameter("tz", "The time zone of dates in the query, such as Europe/Paris")
_RUN = Parameter("run", "Only messages of this test run")
_RUNS = Parameter("run", "Only faults of this test run")
_OF_RUN = Parameter("run", "This run's own zone, which stands in front of the one for all")
_WAIT = Parameter("wait", "Until there is something to answer; no longer than this, such as 10s")
_COUNT = Parameter("count", "How many messages to wait for; 1 where nothing is said", "integer")
_LATEST = (_ANY_QUERY, _ZONE, _RUN, _WAIT)
_ONE = "/api/v1/message/{ID}"
_TEXT, _HTML, _BYTES = "text/plain", "text/html", "application/octet-stream"

ENDPOINTS = (
    Endpoint("GET", "/livez", about.livez, "Whether the server runs", _TEXT),
    Endpoint("GET", "/readyz", about.readyz, "Whether it accepts mail", _TEXT, errors=(503,)),
    Endpoint(
        *("GET", "/api/v1/messages", messages.list_messages),
        *("List messages, the newest first", "MessagesSummary"),
        (_START, _LIMIT, _BEFORE, _RUN, _WAIT, _COUNT),
    ),
    Endpoint(
        *("PUT", "/api/v1/messages", messages.set_read),
        *("Mark messages as read or unread; all, where none are named", _TEXT, (_ZONE, _RUN)),
        body="SetRead",
    ),
    Endpoint(
        *("DELETE", "/api/v1/messages", messages.delete_messages),
        *("Delete messages; all, where none are named", _TEXT, (_RUN,)),
        body="IDs",
    ),
    Endpoint(
        *("GET", "/api/v1/search", messages.search, "Search messages", "MessagesSummary"),
        (_QUERY, _START, _LIMIT, _BEFORE, _ZONE, _RUN, _WAIT, _COUNT),
    ),
    Endpoint(
        *("DELETE", "/api/v1/search", messages.delete_search, "Delete what matches", _TEXT),
        (_QUERY, _ZONE, _RUN),
    ),
    Endpoint(
        *("GET", "/api/v1/wait", messages.wait),
        *("Wait until messages match; 404 if they do not in time", "MessagesSummary"),
        (
            *(Parameter("query", "A search query; every message where nothing is said"), _COUNT),
            Parameter("timeout", "Such as 10s, 500ms or 1m; 10s where nothing is said"),
            *(_START, _LIMIT, _ZONE, _RUN),
        ),
        errors=(404, 503),
        ours=True,
    ),
    Endpoint("GET", _ONE, message.get_message, "A message", "Message", _LATEST, errors=(404,)),
    Endpoint(
        *("GET", f"{_ONE}/headers", message.get_headers, "Its header", "Headers", _LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", f"{_ONE}/raw", message.get_raw, "Its bytes as they were received", _TEXT),
        (Parameter("dl", "1: as a file"), *_LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", _ONE + "/part/{PartID}", message.get_part, "A part of it", _BYTES, _LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", _ONE + "/part/{PartID}/thumb", message.get_thumbnail, "A small picture of it"),
        *("image/jpeg", _LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", f"{_ONE}/html-check", message.html_check),
        *("What mail programs cannot show: nothing is known here", "HTMLCheck", _LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", f"{_ONE}/link-check", message.link_check, "Its links, unchecked", "LinkCheck"),
        (Parameter("follow", "Has no effect", "boolean"), *_LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", f"{_ONE}/links", message.links, "Its links, with their words", "Links", _LATEST),
        errors=(404,),
        ours=True,
    ),
    Endpoint(
        *("GET", f"{_ONE}/codes", message.codes, "Its one-time codes", "Codes", _LATEST),
        errors=(404,),
        ours=True,
    ),
    Endpoint(
        *("POST", f"{_ONE}/release", message.release, "Refused: nothing is sent out", _TEXT),
        body="Release",
        errors=(404,),
    ),
    Endpoint(
        *("POST", "/api/v1/send", send.send, "Send a message to this server", "Sent"),
        body="Send",
    ),
    Endpoint("GET", "/api/v1/tags", tags.list_tags, "All tags", "Tags"),
    Endpoint("PUT", "/api/v1/tags", tags.set_tags, "Set messages' tags", _TEXT, body="SetTags"),
    Endpoint("PUT", "/api/v1/tags/{Tag}", tags.rename_tag, "Rename a tag", _TEXT, body="Name"),
    Endpoint("DELETE", "/api/v1/tags/{Tag}", tags.delete_tag, "Delete a tag", _TEXT),
    Endpoint("GET", "/api/v1/chaos", chaos.get_chaos, "Errors on purpose", "Chaos"),
    Endpoint(
        "PUT", "/api/v1/chaos", chaos.set_chaos, "Set errors on purpose", "Chaos", body="Chaos"
    ),
    Endpoint(
        *("GET", "/api/v1/faults", faults.list_faults),
        *("Faults by sequence, and how far each is", "Faults", (_RUNS,)),
        ours=True,
    ),
    Endpoint(
        *("POST", "/api/v1/faults", faults.add_fault),
        *("Add a fault; it holds from the next command on", "Fault", (_RUNS,)),
        body="FaultRequest",
        errors=(503,),
        ours=True,
    ),
    Endpoint(
        *("DELETE", "/api/v1/faults", faults.delete_faults),
        *("Delete faults: all, or a run's", _TEXT, (_RUNS,)),
        errors=(503,),
        ours=True,
    ),
    Endpoint(
        *("DELETE", "/api/v1/faults/{ID}", faults.delete_fault, "Delete a fault", _TEXT),
        errors=(404, 503),
        ours=True,
    ),
    Endpoint(
        *("GET", "/api/v1/dns", zones.get_dns, "What DNS holds", "Dns", (_OF_RUN,)),
        ours=True,
    ),
    Endpoint(
        *("PUT", "/api/v1/dns", zones.set_dns),
        *("Set what DNS holds, as JSON or YAML; it holds for the next message", "Dns"),
        (_OF_RUN,),
        body="Zone",
        errors=(503,),
        ours=True,
    ),
    Endpoint(
        *("DELETE", "/api/v1/dns", zones.delete_dns),
        *("Delete a run's zone; every zone that was set, where no run is named", _TEXT, (_OF_RUN,)),
        errors=(503,),
        ours=True,
    ),
    Endpoint("GET", "/api/v1/info", about.info, "Version and numbers", "Info"),
    Endpoint("GET", "/api/v1/webui", about.webui, "What Mailpit's page needs to know", "WebUI"),
    Endpoint("GET", "/metrics", metrics.metrics, "Numbers for Prometheus", _TEXT),
    Endpoint(
        *("GET", "/view/latest", view.view_latest, "Redirects to the newest message's page", _HTML),
        (_ANY_QUERY, _ZONE, _RUN),
    ),
    Endpoint(
        *("GET", "/view/{ID}.html", view.view_html, "A message's HTML, in a sandbox", _HTML),
        (Parameter("embed", "1: links open a tab of their own"), *_LATEST),
        errors=(404,),
    ),
    Endpoint(
        *("GET", "/view/{ID}.txt", view.view_text, "A message's text", _TEXT, _LATEST),
        errors=(404,),
    ),
)
