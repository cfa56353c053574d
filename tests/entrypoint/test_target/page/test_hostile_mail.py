"""Mail that wants to run in the page, to call home, or to look like something else."""

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from playwright.sync_api import Page, expect

from tests.entrypoint.test_target.page.browser import Tab
from tests.entrypoint.test_target.running import Running

expect.set_options(timeout=20_000)

# Whatever runs says so: the console is heard of every frame.
RUN = "console.log('canary')"
MARKUP = f'<img src=x onerror="{RUN}"><script>{RUN}</script>'
IMAGE = '<img src="{home}/image">'
# Many together, since each mail is looked at for half a second.
ELEMENTS = {
    "loading": f'<p>the end</p>{IMAGE}<div style="background:url({{home}}/background)">x</div>'
    '<table background="{home}/table"><tr><td>x</table>'
    "<style>@import url({home}/import); @font-face {{font-family: f; src: url({home}/font)}}"
    " p {{font-family: f}}</style>"
    '<link rel=stylesheet href="{home}/css"><LINK/rel=preconnect href="{home}/">'
    '<link rel=prefetch href="{home}/prefetch"><link rel=preload as=image href="{home}/preload">'
    '<iframe src="{home}/frame"></iframe><object data="{home}/object"></object>'
    '<video src="{home}/video" poster="{home}/poster" autoplay></video>'
    '<svg><image href="{home}/svg"/></svg><script type=speculationrules>'
    '{{"prefetch": [{{"source": "list", "urls": ["{home}/speculation"]}}]}}</script>',
    "base": '<base href="{home}/"><p>the end</p><img src="relative.png">',
    "going away": '<p>the end</p><meta http-equiv=refresh content="0;url={home}/refresh">'
    '<form action="{home}/form"><input autofocus onfocus="this.form.submit()"></form>',
    "running": f"<p>the end</p>{MARKUP}<svg onload=\"{RUN}\"></svg><script>fetch('{{home}}/fetch');"
    " top.location = '{home}/top'</script>",
}


@dataclass
class Home:
    """A server of the sender's, and who has called it."""

    url: str
    calls: list[bytes] = field(default_factory=list)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    with socket.create_server(("127.0.0.2", 0)) as listener:
        home = Home(f"http://127.0.0.2:{listener.getsockname()[1]}")
        threading.Thread(target=_note, args=(listener, home), daemon=True).start()
        yield home
        listener.shutdown(socket.SHUT_RDWR)


def _note(listener: socket.socket, home: Home) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            home.calls.append(b"connected")


@contextmanager
def nothing_runs(one: Tab, home: Home) -> Iterator[None]:
    before = len(home.calls)
    yield
    one.page.wait_for_load_state("networkidle")
    assert [line for line in one.console if line == "canary"] == []
    assert home.calls[before:] == []
    assert one.page.url.startswith(one.target.url)
    one.check()


def html_mail(html: str, field: str = "") -> bytes:
    text = f"From: a@a.example\r\nSubject: hostile\r\n{field}Content-Type: text/html\r\n\r\n{html}"
    return text.encode() + b"\r\n"


def test_the_trap_catches_what_is_not_held_back(wide: Tab, home: Home) -> None:
    """Else the cases below would say nothing."""
    page = wide.open()
    page.goto("about:blank")
    for _ in range(10):  # Chromium drops it when a network of the machine changes
        with page.expect_event("requestfailed"):
            page.set_content(IMAGE.format(home=home.url))
        if home.calls:
            break
    assert home.calls
    home.calls.clear()
    with page.expect_console_message(lambda message: message.text == "canary"):
        page.set_content(MARKUP)
    wide.console.clear()


@pytest.mark.parametrize("kind", ELEMENTS)
def test_html_runs_nothing_and_calls_nobody(wide: Tab, home: Home, kind: str) -> None:
    identity = wide.target.deliver(html_mail(ELEMENTS[kind].format(home=home.url)))
    with nothing_runs(wide, home):
        page = wide.open(f"/view/{identity}")
        frame = wide.mail_frame("the end")
        assert frame.url.startswith(wide.target.url)
        for tab in ("Text", "Links", "Verdict", "Session", "Headers", "Source"):
            page.get_by_role("tab", name=tab).click()


def test_no_script_reaches_the_page_from_the_frame(wide: Tab, home: Home) -> None:
    identity = wide.target.deliver(html_mail("<p>the end</p>"))
    page = wide.open(f"/view/{identity}")
    frame = wide.mail_frame("the end")
    # The test's own script runs there; a mail's would be of no origin as well.
    assert frame.evaluate("origin") == "null"
    sandbox = page.locator("iframe.mail-frame").get_attribute("sandbox") or ""
    assert "allow-scripts" not in sandbox
    assert "allow-same-origin" not in sandbox


SUBJECTS = [MARKUP, f'"><svg onload="{RUN}">', f"javascript:{RUN}"]


@pytest.mark.parametrize("text", SUBJECTS)
def test_fields_and_names_are_text(wide: Tab, home: Home, text: str) -> None:
    raw = hostile_fields(text)
    with nothing_runs(wide, home):
        page = wide.open()
        wide.target.deliver(raw, sender="x<img/src=x>@a.example", recipients=["b+<i>@b.example"])
        row = page.locator(".row .subject")
        expect(row).to_have_text(text)
        row.click()
        expect(page.locator(".message-subject")).to_have_text(text)
        for tab in ("Text", "Attachments", "Links", "Session", "Headers", "Source"):
            page.get_by_role("tab", name=tab).click()
            expect(page.locator(".panel")).not_to_be_empty()
        assert injected(page) == 0


def hostile_fields(text: str) -> bytes:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'From: "{quoted}" <a@a.example>\r\nTo: "{quoted}" <b@b.example>\r\nSubject: {text}\r\n'
        f"X-{'A' * 20}: {text}\r\nX-Tags: {text}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/plain\r\n\r\n"
        f"{text} http://x.example/{text}\r\n--x\r\nContent-Type: image/png\r\n"
        f'Content-ID: <{text}>\r\nContent-Disposition: attachment; filename="{quoted}"\r\n\r\n'
        "no picture\r\n--x--\r\n"
    ).encode()


def injected(page: Page) -> int:
    """Elements that only a mail can have made."""
    return page.locator("script:not([src]), [onerror], [onload], [href^='javascript:']").count()


def test_an_html_attachment_is_downloaded_and_not_shown(wide: Tab, home: Home) -> None:
    raw = html_mail(MARKUP, 'Content-Disposition: attachment; filename="page.html"\r\n')
    identity = wide.target.deliver(raw)
    answer = wide.target.get(f"/api/v1/message/{identity}/part/0")
    assert answer.headers["Content-Type"] == "application/octet-stream"
    with nothing_runs(wide, home):
        page = wide.open(f"/view/{identity}")
        page.get_by_role("tab", name="Attachments").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download page.html").click()
        assert download.value.suggested_filename == "page.html"


def test_a_name_that_runs_backwards_is_seen(wide: Tab) -> None:
    name = "photo\u202egpj.exe"
    identity = wide.target.deliver(
        f'From: a@a.example\r\nSubject: {name}\r\nContent-Type: image/jpeg; name="{name}"\r\n'
        f'Content-Disposition: attachment; filename="{name}"\r\n\r\nx\r\n'.encode()
    )
    page = wide.open(f"/view/{identity}")
    page.get_by_role("tab", name="Attachments").click()
    for place in (".file-name", ".message-subject", ".row .subject"):
        expect(page.locator(place)).to_have_text("photo⟨U+202E⟩gpj.exe")


def test_the_page_can_be_in_no_frame(target: Running) -> None:
    assert "frame-ancestors 'none'" in target.get("/").headers["Content-Security-Policy"]


def test_no_element_opens_a_connection_that_the_policy_does_not_know(target: Running) -> None:
    html = "<p>x</p><link rel=preconnect href=//e.example><LINK\trel=dns-prefetch href=//e.example>"
    identity = target.deliver(html_mail(html))
    for query in ({}, {"embed": 1}):
        shown = target.get(f"/view/{identity}.html", **query)
        assert "<link" not in shown.text.lower()
        assert shown.headers["X-DNS-Prefetch-Control"] == "off"
        assert ("<base" in shown.text) == bool(query)


def test_a_picture_that_the_mail_brought_is_shown(wide: Tab) -> None:
    picture = (
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5E"
        "rkJggg=="
    )
    identity = wide.target.deliver(
        (
            "Subject: s\r\nContent-Type: multipart/related; boundary=b\r\n\r\n--b\r\n"
            "Content-Type: text/html\r\n\r\n<p>the end</p><img src=cid:i>\r\n--b\r\n"
            "Content-Type: image/png\r\nContent-ID: <i>\r\nContent-Transfer-Encoding: base64"
            f"\r\n\r\n{picture}\r\n--b--\r\n"
        ).encode()
    )
    wide.open(f"/view/{identity}")
    frame = wide.mail_frame("the end")
    expect(frame.locator("img")).to_have_js_property("naturalWidth", 1)
    wide.page.goto(f"{wide.target.url}/view/{identity}.html")
    expect(wide.page.locator("img")).to_have_js_property("naturalWidth", 1)


class _ElsewherePage(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<p>elsewhere</p>")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """A page of another origin, as a browser sees it: another port is enough."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _ElsewherePage) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_a_page_of_another_origin_learns_and_changes_nothing(wide: Tab, elsewhere: str) -> None:
    wide.target.deliver(html_mail("<p>the code is 4</p>"))
    page = wide.page
    page.goto(elsewhere)
    for path in ("/api/v1/message/latest", "/view/latest.html"):
        ended = page.evaluate(
            "url => fetch(url, {mode: 'no-cors'}).then(() => 'answered', () => 'refused')",
            wide.target.url + path,
        )
        assert ended == "refused"
        frame = (
            "url => new Promise(done => { const frame = document.createElement('iframe');"
            " frame.onload = done; frame.src = url; document.body.append(frame); })"
        )
        page.evaluate(f"url => ({frame})(url).then(() => 'loaded')", wide.target.url + path)
    assert wide.target.get("/api/v1/messages").json["unread"] == 1
    page.evaluate("url => { location = url }", f"{wide.target.url}/overview")
    expect(page).to_have_title(re.compile("Signpost"))
    wide.console.clear()
    wide.answered[:] = [url for url in wide.answered if url != elsewhere]


def test_no_picture_asks_anything_of_the_server(wide: Tab) -> None:
    other = wide.target.deliver(html_mail("<p>another</p>"))
    wide.target.deliver(html_mail(f'<p>the end</p><img src="/api/v1/message/{other}">'))
    page = wide.page
    with page.expect_event("requestfailed", lambda one: one.url.endswith(f"/message/{other}")):
        page.goto(f"{wide.target.url}/view/latest.html")
    assert wide.target.get("/api/v1/messages").json["unread"] == 1
    wide.console.clear()
