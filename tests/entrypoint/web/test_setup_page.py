"""The page at https://MAIL_HOSTNAME/: what is on it, who gets it, and that nobody adds to it."""

from __future__ import annotations

import base64
import hashlib
import plistlib
import re
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
from pydantic import SecretStr

from entrypoint.completion import preview
from entrypoint.config.settings import Settings
from entrypoint.render import render, template_environment
from entrypoint.web.answer import respond
from entrypoint.web.http import HttpRequest, HttpResponse, parse_head
from entrypoint.web.published import site_of

from .sites import configured

HOST = "mail.example.org"


def page_of(settings: Settings) -> bytes | None:
    """What a start writes for the web service."""
    files = {file.path.name: file.content for file in render(preview(settings))}
    return files["setup.html"].encode() if "setup.html" in files else None


def settings(**variables: str) -> Settings:
    return configured(**{"ENABLE_AUTOCONFIG": "yes", **variables})


PAGE = page_of(settings())
assert PAGE is not None


def answered(request: HttpRequest, page: bytes | None = PAGE, **variables: str) -> HttpResponse:
    site = site_of(settings(**variables))
    return respond(site, request, lambda _: None, lambda: page)


def get(host: str = HOST, *, method: str = "GET", secure: bool = True) -> HttpRequest:
    return HttpRequest(method, host, "/", secure=secure)


class _Page(HTMLParser):
    """Its elements with their attributes, and the text of its table's cells."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.cells: list[str] = []
        self._in_cell = False
        self.feed(content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("td", "th"):
            self.cells.append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.mark.parametrize("pop3", ["no", "yes"])
def test_it_has_the_ports_that_are_served_and_no_others(pop3: str) -> None:
    chosen = settings(ENABLE_POP3=pop3)
    content = page_of(chosen)
    assert content is not None
    page = _Page(content)
    shown = {int(number) for cell in page.cells for number in re.findall(r"\b\d+\b", cell)}
    assert shown == {port.number for port in site_of(chosen).services}
    assert page.cells.count(HOST) == (3 if pop3 == "yes" else 2)
    assert (b"POP3" in content) == (pop3 == "yes")


def test_it_is_one_file_without_programs() -> None:
    page = _Page(PAGE)
    assert page.of("html") == [{"lang": "en"}]
    assert page.of("meta")[1]["content"] == "width=device-width, initial-scale=1"
    assert not {tag for tag, _ in page.elements} & {"script", "link", "img", "iframe", "object"}
    assert not [
        name
        for _, attributes in page.elements
        for name in attributes
        if name.startswith("on") or name in ("src", "style", "href", "srcset")
    ]
    assert not re.search(rb"https?://|@import|url\(", PAGE)


def test_its_form_leads_to_the_profile_and_each_field_has_a_label() -> None:
    page = _Page(PAGE)
    (form,) = page.of("form")
    assert form == {"action": "/apple.mobileconfig", "method": "get"}
    fields = {field["id"]: field["name"] for field in page.of("input")}
    assert fields == {"email": "email", "name": "name"}
    assert [label["for"] for label in page.of("label")] == list(fields)
    # What a browser makes of it.
    line = "GET /apple.mobileconfig?email=bob%2Bx%40example.net&name=Bob+O%27Neill+%2B+Zo%C3%AB"
    raw = f"{line} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode()
    found = answered(parse_head(raw, secure=True).request)
    (account,) = plistlib.loads(found.content)["PayloadContent"]
    assert account["EmailAddress"] == "bob+x@example.net"
    assert account["EmailAccountName"] == "Bob O'Neill + Zoë"


@pytest.mark.parametrize(
    ("email", "name", "status"),
    [
        ("alice@example.org", "x" * 101, 400),
        ("alice@example.org", "a\u202eb", 400),
        ("alice@example.org", "a\0b", 400),
        ("alice", "", 400),
        ("alice@example.com", "", 404),
        ("nobody@example.org", "", 200),
        ("alice@example.org", " \t </string><key>x ", 200),
    ],
)
def test_what_is_typed_wrong_is_answered_in_words(email: str, name: str, status: int) -> None:
    query = {"email": email, "name": name}
    found = answered(HttpRequest("GET", HOST, "/apple.mobileconfig", query, secure=True))
    assert found.status == status
    if status != 200:
        assert found.content.endswith(b"\n")
        assert b"correct" in found.content
        assert name.encode() not in found.content or not name
        assert found.type.startswith("text/plain")
    else:
        (account,) = plistlib.loads(found.content)["PayloadContent"]
        assert account["EmailAccountName"] == (" ".join(name.split()) or "nobody")


def test_it_is_sent_with_a_policy_that_allows_its_own_style_alone() -> None:
    found = answered(get())
    assert (found.status, found.type, found.content) == (200, "text/html; charset=utf-8", PAGE)
    (style,) = re.findall(r"<style>(.*?)</style>", PAGE.decode(), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert dict(found.fields) == {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
    }


def test_head_is_answered_as_get() -> None:
    assert answered(get(method="HEAD")) == answered(get())


def test_nothing_is_posted_there() -> None:
    found = answered(get(method="POST"))
    assert (found.status, found.fields) == (405, (("Allow", "GET, HEAD"),))


def test_in_plaintext_it_leads_to_https() -> None:
    found = answered(get(secure=False))
    assert (found.status, found.fields) == (302, (("Location", f"https://{HOST}/"),))


@pytest.mark.parametrize("secure", [True, False])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize(
    "host",
    [
        *("", "example.org", "autoconfig.example.org", "mta-sts.example.org", "evil.example"),
        *("mail.example.org.evil.example", "127.0.0.1", "xmail.example.org"),
    ],
)
def test_no_other_host_has_it(host: str, method: str, secure: bool) -> None:
    found = answered(get(host, method=method, secure=secure))
    assert (found.status, found.fields) == (404, ())
    assert found.content == b"404 Not Found\n"


def test_without_autoconfig_there_is_none() -> None:
    off = {"ENABLE_AUTOCONFIG": "no", "MTA_STS": "testing"}
    assert page_of(settings(**off)) is None
    # Nor is one served that an earlier start has left.
    assert answered(get(), **off).status == 404
    assert answered(get(), None).status == 404


def test_it_names_nobody() -> None:
    more = settings(
        ACCOUNTS="alice@example.org:x, carol@example.net:y", ALIASES="i@example.org: a@b.example"
    )
    assert page_of(more) == PAGE
    for word in (b"alice", b"@", b"example.net"):
        assert word not in PAGE.replace(b"@media", b"")


def test_what_is_written_into_it_is_escaped() -> None:
    environment = template_environment(SecretStr.get_secret_value)
    hostile = SimpleNamespace(mail_hostname='"><script>x</script>', enable_pop3=False)
    content = environment.get_template("client-setup.html.j2").render(settings=hostile)
    assert "<script>" not in content
    assert "&lt;script&gt;" in content
