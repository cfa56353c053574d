"""Who may ask, and what a browser is told to do with hostile mail."""

import base64
import socket
from collections.abc import Iterator

import pytest

from tests.entrypoint.test_target.running import Running, running
from tests.entrypoint.test_target.websocket import websocket

EVIL = "https://evil.example"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    options = {
        "hosts": "Mail.Corp.example",
        "origins": "https://app.corp.example",
        "logins": "me:secret you:pass:word",
        "send": "app:sends",
    }
    with running(tmp_path_factory.mktemp("guarded") / "store.db", **options) as server:
        yield server


def login(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


# ── DNS rebinding ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8025", "LOCALHOST.", "app.localhost", "127.0.0.1:8025"),
        *("192.0.2.7", "[::1]:8025", "[2001:db8::1]", "mailpit", "signpost:8025"),
        *("host.docker.internal:8025", "mail.test"),
    ],
)
def test_names_that_nobody_else_can_have_are_known(target: Running, host: str) -> None:
    assert target.ask("GET", "/api/v1/messages", headers={"Host": host}).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8025", "localhost.evil.example", "127.0.0.1.evil.example"),
        *("internal.evil.example", "xinternal.example"),
        *(
            "[::1].evil.example",
            "",
            "localhost:x",
            "a@localhost",
            "[evil]",
            "127.0.0.1evil.example",
        ),
    ],
)
def test_a_name_of_anybodys_is_refused_for_reads_too(target: Running, host: str) -> None:
    for path in ("/api/v1/messages", "/livez", "/view/latest.html", "/api/v1/dns"):
        assert target.ask("GET", path, headers={"Host": host}).status in {400, 403}
    refused = target.ask("GET", "/api/v1/messages", headers={"Host": "evil.example"})
    assert "TEST_HTTP_HOSTS" in refused.text


def test_a_name_that_is_listed_is_known(guarded: Running) -> None:
    headers = {"Host": "mail.corp.EXAMPLE:8025", **login("me:secret")}
    assert guarded.ask("GET", "/api/v1/messages", headers=headers).status == 200


# ── pages of others ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "http://"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_origin_cannot_write(target: Running, headers: dict[str, str]) -> None:
    identity = target.deliver(b"Subject: s\r\n\r\nx\r\n")
    for method, path in (
        *(("DELETE", "/api/v1/messages"), ("DELETE", "/api/v1/search?query=s")),
        *(("PUT", "/api/v1/messages"), ("PUT", "/api/v1/tags"), ("PUT", "/api/v1/chaos")),
        *(("POST", "/api/v1/send"), ("POST", f"/api/v1/message/{identity}/release")),
        *(
            ("POST", "/api/v1/faults"),
            ("DELETE", "/api/v1/faults"),
            ("DELETE", "/api/v1/faults/f1"),
        ),
        *(("PUT", "/api/v1/dns"), ("DELETE", "/api/v1/dns?run=a")),
    ):
        answer = target.ask(method, path, b"{}", {"Content-Type": "text/plain", **headers})
        assert (answer.status, "origin" in answer.text) == (403, True), (method, path)
    assert target.get("/api/v1/messages").json["total"] == 1


def test_its_own_page_and_programs_can(target: Running) -> None:
    for headers in (
        {"Origin": target.url},
        {"Origin": "http://localhost:8025", "Host": "localhost:8025"},
        {"Sec-Fetch-Site": "same-origin"},
        {},
    ):
        assert target.ask("PUT", "/api/v1/messages", {}, headers).status == 200


def test_a_page_of_another_origin_cannot_read(target: Running) -> None:
    answer = target.ask("GET", "/api/v1/messages", headers={"Origin": EVIL})
    assert "Access-Control-Allow-Origin" not in answer.headers
    preflight = target.ask(
        "OPTIONS",
        "/api/v1/messages",
        headers={"Origin": EVIL, "Access-Control-Request-Method": "PUT"},
    )
    assert "Access-Control-Allow-Origin" not in preflight.headers


READS = [
    *("/api/v1/wait?query=x&timeout=9s", "/api/v1/messages", "/api/v1/search?query=x"),
    *("/api/v1/message/latest", "/api/v1/message/latest/part/1", "/metrics", "/openapi.json"),
    "/api/v1/dns",
]
NAVIGATION = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
FRAME = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "cross-site", **NAVIGATION},
        {"Sec-Fetch-Site": "cross-site", **FRAME},
        {"Sec-Fetch-Site": "cross-site", "Origin": EVIL},
        {"Sec-Fetch-Site": "something-new"},
        {"Origin": EVIL},
        {"Origin": "null"},
    ],
)
def test_a_page_of_another_origin_is_answered_nothing_that_takes_time(
    target: Running, headers: dict[str, str]
) -> None:
    """It need not read the answer: how long that takes, and what is marked read, says enough."""
    target.deliver(b"Subject: x\r\n\r\nx\r\n")
    for path in READS:
        for method in ("GET", "HEAD"):
            answer = target.ask(method, path, headers=headers)
            assert answer.status == 403, (method, path)
    assert " page " in target.ask("GET", READS[0], headers=headers).text
    assert target.get("/api/v1/messages").json["unread"] == 1
    for path in ("/livez", "/readyz"):
        assert target.ask("GET", path, headers=headers).status == 200


def test_a_link_from_elsewhere_opens_the_page_and_nothing_else(target: Running) -> None:
    identity = target.deliver(b"Subject: x\r\nContent-Type: text/html\r\n\r\nx\r\n")
    for site in ("cross-site", "same-site"):
        link = {"Sec-Fetch-Site": site, **NAVIGATION}
        for path, status in (
            *(("/", 200), ("/overview", 200), (f"/view/{identity}", 200), ("/view/latest", 302)),
            *((f"/view/{identity}.html", 200), (f"/view/{identity}.txt", 200)),
            *(("/view/latest?query=x&wait=1ms", 403), ("/view/latest.html?query=x", 403)),
            *(("/assets/app.js", 403), (f"/api/v1/message/{identity}", 403)),
        ):
            assert target.ask("GET", path, headers=link).status == status, path
        frame = {"Sec-Fetch-Site": site, **FRAME}
        assert target.ask("GET", f"/view/{identity}.html", headers=frame).status == 403


def test_programs_and_its_own_page_read_everything(target: Running) -> None:
    target.deliver(b"Subject: x\r\n\r\nx\r\n")
    for headers in (
        {},
        {"Sec-Fetch-Mode": "cors"},  # Node's fetch
        {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
        {"Sec-Fetch-Site": "none", **NAVIGATION},  # the address bar, and a browser's driver
        {"Origin": target.url},
    ):
        for path in READS:
            if "/part/" not in path:
                answer = target.ask("GET", path, headers=headers)
                assert answer.status == 200, (path, headers)
                assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


IMAGE = (
    b"Subject: x\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
    b"Content-Type: text/html\r\n\r\n<img src=cid:i>\r\n--b\r\nContent-Type: image/png\r\n"
    b"Content-ID: <i>\r\n\r\nx\r\n--b--\r\n"
)


@pytest.mark.parametrize("site", ["cross-site", "same-origin"])
@pytest.mark.parametrize(
    "kind", ["image", "audio", "video", "track", "style", "font", "script", "object", "embed"]
)
def test_an_element_loads_a_part_of_a_message_and_nothing_else(
    target: Running, site: str, kind: str
) -> None:
    """The frame with a mail's HTML is of no origin: what it loads is cross-site."""
    identity = target.deliver(IMAGE)
    element = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": kind}
    for path in (
        *(*READS, f"/api/v1/message/{identity}", f"/view/{identity}.html"),
        *(f"/api/v1/message/{identity}/part/2?x=1", "/api/v1/message/LATEST/part/2"),
    ):
        answer = target.ask("GET", path, headers=element)
        assert answer.status == (404 if "LATEST" in path and kind in MEDIA else 403), path
    for end in ("", "/thumb"):
        answer = target.ask("GET", f"/api/v1/message/{identity}/part/2{end}", headers=element)
        assert answer.status == (200 if kind in MEDIA else 403)
        if kind in MEDIA:
            assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    own = target.ask("GET", "/assets/style.css", headers=element)
    assert own.status == (200 if site == "same-origin" else 403)
    assert target.get("/api/v1/messages").json["unread"] == 1


MEDIA = {"image", "audio", "video"}


def test_an_origin_is_the_servers_own_with_its_scheme_only(target: Running) -> None:
    host = {"Host": "localhost:8025"}
    for origin, forwarded, status in (
        *(("http://localhost:8025", "", 200), ("HTTP://LOCALHOST:8025", "", 200)),
        *(("https://localhost:8025", "", 200), ("https://localhost:8025", "https", 200)),
        *(("https://localhost:8025", "http", 403), ("http://localhost:8025", "https", 403)),
        *(("javascript://localhost:8025", "", 403), ("//localhost:8025", "", 403)),
        *(("ws://localhost:8025", "", 403), ("http://me@localhost:8025", "", 403)),
        *(("http://localhost:8025/x", "", 403), ("http://localhost:8025?x", "", 403)),
        *(("http://[", "", 403), ("http://localhost", "", 403)),
    ):
        headers = {**host, "Origin": origin}
        if forwarded:
            headers["X-Forwarded-Proto"] = forwarded
        for method in ("GET", "PUT"):
            body = {} if method == "PUT" else None
            answer = target.ask(method, "/api/v1/messages", body, headers)
            assert answer.status == status, (method, origin, forwarded)


def test_what_the_browser_says_goes_before_the_origin(target: Running) -> None:
    headers = {"Origin": target.url, "Sec-Fetch-Site": "cross-site"}
    assert target.ask("PUT", "/api/v1/messages", {}, headers).status == 403


@pytest.mark.parametrize("name", ["Origin", "Sec-Fetch-Site", "Sec-Fetch-Dest"])
def test_a_field_that_stands_twice_is_refused(target: Running, name: str) -> None:
    values = {"Origin": target.url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Dest": "empty"}
    for method in ("GET", "PUT"):
        answer = twice(target, method, f"{name}: {values[name]}")
        assert answer.startswith(b"HTTP/1.1 403"), answer


def twice(target: Running, method: str, line: str) -> bytes:
    with socket.create_connection(("127.0.0.1", target.http_port), 10) as client:
        client.sendall(
            f"{method} /api/v1/messages HTTP/1.1\r\nHost: localhost\r\n{line}\r\n{line}\r\n"
            "Content-Length: 2\r\nConnection: close\r\n\r\n{}".encode()
        )
        return b"".join(iter(lambda: client.recv(65536), b""))


def test_a_page_that_is_named_reads_from_another_site(guarded: Running) -> None:
    page = {"Origin": "https://app.corp.example", "Sec-Fetch-Site": "cross-site"}
    answer = guarded.ask("GET", "/api/v1/messages", headers={**page, **login("me:secret")})
    assert answer.status == 200
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert guarded.ask("OPTIONS", "/api/v1/messages", headers=page).status == 204


def test_a_page_that_is_named_can(guarded: Running) -> None:
    page = {"Origin": "https://app.corp.example"}
    preflight = guarded.ask("OPTIONS", "/api/v1/messages", headers=page)
    assert preflight.status == 204
    assert "PUT" in preflight.headers["Access-Control-Allow-Methods"]
    answer = guarded.ask("PUT", "/api/v1/messages", {}, {**page, **login("me:secret")})
    assert answer.status == 200
    assert answer.headers["Access-Control-Allow-Origin"] == page["Origin"]
    assert guarded.ask("PUT", "/api/v1/messages", {}, {"Origin": EVIL}).status == 403


def test_the_websocket_asks_the_same(target: Running, guarded: Running) -> None:
    for headers, status in (
        ({"Origin": EVIL}, 403),
        ({"Origin": "null"}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        ({"Origin": target.url}, 0),
        ({}, 0),
    ):
        with websocket(target.http_port, headers) as client:
            assert client.refused == status, headers
    with websocket(guarded.http_port) as client:
        assert client.refused == 403
    with websocket(guarded.http_port, login("me:secret")) as client:
        assert client.refused == 0


# ── passwords ──────────────────────────────────────────────────────────────────────────────────


def test_with_passwords_every_endpoint_but_the_probes_asks(guarded: Running) -> None:
    for path in (
        *("/api/v1/messages", "/metrics", "/view/latest.txt", "/openapi.json", "/nothing"),
        *("/api/v1/faults", "/api/v1/dns"),
        *("//livez/x", "/livez/", "//api//v1/messages"),
    ):
        answer = guarded.ask("GET", path)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    for path in ("/livez", "/readyz"):
        assert guarded.ask("GET", path).status == 200


@pytest.mark.parametrize(
    ("text", "status"),
    [
        *(("me:secret", 200), ("you:pass:word", 200), ("me:wrong", 401), ("me:", 401)),
        *((":secret", 401), ("none:", 401), ("none:secret", 401), ("ü:ü", 401)),
    ],
)
def test_a_password_has_to_be_right(guarded: Running, text: str, status: int) -> None:
    assert guarded.ask("GET", "/api/v1/messages", headers=login(text)).status == status


@pytest.mark.parametrize("header", ["Basic", "Basic %%%", "Bearer x", "Basic /w=="])
def test_a_login_that_cannot_be_read_is_none(guarded: Running, header: str) -> None:
    headers = {"Authorization": header}
    assert guarded.ask("GET", "/api/v1/messages", headers=headers).status == 401


def test_sending_can_have_logins_of_its_own(guarded: Running) -> None:
    body = {"From": {"Email": "a@a.example"}, "Bcc": ["b@b.example"]}
    for text, status in (("app:sends", 200), ("me:secret", 401)):
        assert guarded.ask("POST", "/api/v1/send", body, login(text)).status == status
    assert guarded.ask("GET", "/api/v1/messages", headers=login("app:sends")).status == 401


# ── stored XSS ─────────────────────────────────────────────────────────────────────────────────

SCRIPT = "<script>alert(1)</script>"


def test_every_answer_forbids_sniffing_and_has_a_policy(target: Running) -> None:
    target.deliver(f"Subject: {SCRIPT}\r\n\r\n{SCRIPT}\r\n".encode())
    for path in (
        *("/api/v1/messages", "/api/v1/message/latest", "/api/v1/message/latest/raw", "/livez"),
        *("/view/latest.txt", "/nothing", "/api/v1/search", "/metrics", "/openapi.json"),
    ):
        answer = target.get(path)
        assert answer.headers["X-Content-Type-Options"] == "nosniff", path
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"], path
        assert "html" not in answer.headers.get("Content-Type", ""), path


def test_a_subject_is_no_markup_in_json(target: Running) -> None:
    target.deliver(f"Subject: {SCRIPT}\r\n\r\n{SCRIPT}\r\n".encode())
    for path in ("/api/v1/messages", "/api/v1/message/latest", "/api/v1/message/latest/headers"):
        assert "<" not in target.get(path).text
        assert SCRIPT in str(target.get(path).json)


def test_html_runs_in_a_sandbox_that_loads_nothing_from_elsewhere(target: Running) -> None:
    target.deliver(f"Subject: s\r\nContent-Type: text/html\r\n\r\n{SCRIPT}\r\n".encode())
    for path in ("/view/latest.html", "/view/latest.html?embed=1"):
        policy = target.get(path).headers["Content-Security-Policy"]
        directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert "allow-scripts" not in directives["sandbox"]
        assert "allow-same-origin" not in directives["sandbox"]
        assert "allow-forms" not in directives["sandbox"]
        assert directives["default-src"] == "'none'"
        assert directives["img-src"] == "'self' data:"
        assert "script-src" not in directives


@pytest.mark.parametrize(
    "kind",
    [
        *("text/html", "TEXT/HTML; charset=utf-8", "image/svg+xml", "application/xhtml+xml"),
        *("text/xml", "application/javascript", "text/css", 'text/html"\r\n\tx', "text/h tml", "x"),
    ],
)
def test_a_part_that_a_browser_would_run_is_a_file(target: Running, kind: str) -> None:
    target.deliver(
        (
            "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            f"Content-Type: {kind}\r\nContent-Disposition: attachment; filename=x\r\n\r\n{SCRIPT}"
            "\r\n--b--\r\n"
        ).encode()
    )
    answer = target.get("/api/v1/message/latest/part/1")
    assert answer.status == 200
    assert answer.headers["Content-Type"] in {"application/octet-stream", "text/plain"}
    assert answer.headers["Content-Security-Policy"].startswith("sandbox;")
    if kind != "x":  # what is no type is text/plain (RFC 2045 §5.2)
        assert answer.headers["Content-Disposition"].startswith("attachment;")


@pytest.mark.parametrize(
    "name", ['a"b.png', "a\r\n\tSet-Cookie: x=y.png", "<b>.png", "../../x", "ü;x"]
)
def test_a_file_name_stays_within_its_quotes(target: Running, name: str) -> None:
    quoted = name.replace('"', '\\"')
    target.deliver(
        (
            "Subject: s\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"
            f'Content-Type: image/png\r\nContent-Disposition: inline; filename="{quoted}"\r\n\r\nx'
            "\r\n--b--\r\n"
        ).encode()
    )
    answer = target.get("/api/v1/message/latest/part/1")
    disposition = answer.headers["Content-Disposition"]
    assert answer.status == 200
    assert disposition.count('"') == 2
    assert not set(disposition) & set("<>/\\\r\n")
    assert "Set-Cookie" not in answer.headers


def test_a_path_that_holds_markup_is_not_given_back(target: Running) -> None:
    for path in (f"/api/v1/message/{SCRIPT}", f"/view/{SCRIPT}.html", f"/{SCRIPT}"):
        answer = target.get(path)
        assert (answer.status, "<" in answer.text) == (404, False)
