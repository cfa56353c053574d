"""Whatever is asked, the server answers, and never with an error of its own."""

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrypoint.test_target.api.description import ENDPOINTS
from tests.entrypoint.test_target.running import Running

TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            *("latest", "0", "-1", "9" * 30, "1e9", "true", "null", "10ms", "x" * 9000, "%", "'"),
            *("2026-01-01", "Europe/Paris", "../../etc/passwd", "a\x00b", "\ud800", "🜚", '"', "("),
            *("tag:x", "is:read", "-subject:a", "after:1", "larger:1k", "run:x", "a@b.example"),
        ]
    ),
)
NAMES = st.sampled_from(
    [
        *("query", "start", "limit", "before", "tz", "run", "count", "dl", "embed", "follow"),
        *("wait", "timeout"),
    ]
)
# Waiting is bounded, so that the test is.
QUERIES = st.dictionaries(NAMES, TEXTS, max_size=5).map(
    lambda query: {
        name: value if name not in {"wait", "timeout"} else "1ms" for name, value in query.items()
    }
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.one_of(
                st.sampled_from(
                    [
                        *("IDs", "Tags", "Read", "Search", "Name", "To", "From", "Email", "Cc"),
                        *("Bcc", "Subject", "Text", "HTML", "Attachments", "Content", "Headers"),
                        *("Filename", "ContentType", "ContentID", "ReplyTo", "Sender"),
                        *("Recipient", "ErrorCode", "Probability"),
                    ]
                ),
                st.text(max_size=5),
            ),
            inner,
            max_size=5,
        ),
    ),
    max_leaves=12,
)
MAILBOX = {"Email": "a@a.example", "Name": "A"}
SENDS = st.fixed_dictionaries(
    {"From": st.just(MAILBOX), "To": st.just([MAILBOX])},
    optional={
        "Subject": TEXTS,
        "Text": TEXTS,
        "HTML": TEXTS,
        "Tags": st.lists(TEXTS, max_size=3),
        "Headers": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "Cc": st.lists(st.fixed_dictionaries({"Email": TEXTS, "Name": TEXTS}), max_size=2),
        "Bcc": st.lists(TEXTS, max_size=2),
        "ReplyTo": st.lists(
            st.fixed_dictionaries({"Email": st.just("r@r.example"), "Name": TEXTS}), max_size=2
        ),
        "Attachments": st.lists(
            st.fixed_dictionaries(
                {
                    "Content": st.sampled_from(["", "aGk=", "%", "data:x;base64,aGk="]),
                    "Filename": TEXTS,
                    "ContentType": TEXTS,
                    "ContentID": TEXTS,
                }
            ),
            max_size=2,
        ),
    },
)
BODIES = st.one_of(st.binary(max_size=50), st.one_of(JSON, SENDS).map(json.dumps).map(str.encode))
BOUNDED = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "replace"), safe="")


@BOUNDED
@given(endpoint=st.sampled_from(ENDPOINTS), name=TEXTS, query=QUERIES, body=BODIES)
def test_no_request_is_an_error_of_the_servers(
    server: Running, endpoint: Any, name: str, query: dict[str, str], body: bytes
) -> None:
    path = endpoint.path
    for place in ("{ID}", "{PartID}", "{Tag}"):
        path = path.replace(place, encoded(name))
    pairs = "&".join(f"{key}={encoded(value)}" for key, value in query.items())
    content = body if endpoint.method != "GET" else None
    answer = server.ask(endpoint.method, f"{path}?{pairs}", content)
    assert answer.status < 500, answer.body


@BOUNDED
@given(body=SENDS)
def test_whatever_is_sent_is_refused_or_can_be_read_again(
    server: Running, body: dict[str, Any]
) -> None:
    sent = server.ask("POST", "/api/v1/send", body)
    assert sent.status in {200, 400}, sent.body
    if sent.status == 200:
        assert server.get(f"/api/v1/message/{sent.json['ID']}").status == 200


@BOUNDED
@given(raw=st.binary(max_size=200).filter(lambda raw: b"\r" not in raw and b"\n" not in raw[:1]))
def test_whatever_is_received_can_be_read(server: Running, raw: bytes) -> None:
    lines = [line for line in raw.split(b"\n") if len(line) < 900]
    identity = server.deliver(b"\r\n".join(lines) + b"\r\n")
    for what in ("", "/headers", "/raw", "/link-check", "/links", "/codes"):
        assert server.get(f"/api/v1/message/{identity}{what}").status == 200


VALUES = {
    "digits": b"9" * 5_000,
    "fewer digits": b"9" * 4_000,
    "infinite": b"1e999",
    "no number": b"NaN",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "half a pair": b'"\\ud800"',
    "no UTF-8": b'"\xff"',
    "a list": b"[1]",
}
FIELDS = (
    *(b"IDs", b"Tags", b"Name", b"Read", b"To", b"From", b"Headers", b"Sender", b"x", b"script"),
    *(b"match", b"run", b"Attachments", b"a.example"),
)


@pytest.mark.parametrize("name", VALUES)
def test_json_that_no_endpoint_expects_is_refused_with_words(target: Running, name: str) -> None:
    identity = target.deliver(b"Subject: s\r\n\r\nx\r\n")
    for method, path in (
        *(("PUT", "/api/v1/dns"), ("PUT", "/api/v1/chaos"), ("POST", "/api/v1/faults")),
        *(("POST", "/api/v1/send"), ("PUT", "/api/v1/tags"), ("PUT", "/api/v1/tags/t")),
        *(("PUT", "/api/v1/messages"), ("POST", f"/api/v1/message/{identity}/release")),
        ("DELETE", "/api/v1/messages"),
    ):
        for body in (VALUES[name], *(b'{"%s": %s}' % (field, VALUES[name]) for field in FIELDS)):
            answer = target.ask(method, path, body)
            assert answer.status in {200, 400}, (method, path, body[:40], answer.text)
            assert answer.text
    assert target.get("/api/v1/dns").status == 200
    assert target.get("/api/v1/faults").status == 200
