"""What a person sees and does, in a real browser."""

import re

import pytest
from playwright.sync_api import Browser, Route, WebSocketRoute, expect

from tests.entrypoint.test_target.page.browser import Tab, tab
from tests.entrypoint.test_target.running import Running

expect.set_options(timeout=20_000)

TEXT = b"From: Alice <alice@a.example>\r\nTo: bob@b.example\r\nSubject: %s\r\n\r\n%s\r\n"
PARTS = b"""From: Shop <shop@a.example>\r
To: bob@b.example\r
Subject: With parts\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
Content-Type: multipart/alternative; boundary=y\r
\r
--y\r
Content-Type: text/plain\r
\r
Your code is 482913. See https://shop.example/reset\r
--y\r
Content-Type: text/html\r
\r
<h1>Your code</h1><a href="https://shop.example/reset">reset</a>\r
--y--\r
--x\r
Content-Type: application/pdf; name=bill.pdf\r
Content-Disposition: attachment; filename=bill.pdf\r
\r
%PDF-1.7\r
--x--\r
"""
UNNAMED = """() => [...document.querySelectorAll("button, a, input, iframe, dialog")]
  .filter((one) => !(one.innerText || "").trim() && !one.labels?.length && !one.title
    && !one.getAttribute("aria-label") && !one.getAttribute("aria-labelledby"))
  .map((one) => one.outerHTML)"""
ZONE = b"""{"a.example": {"TXT": ["v=spf1 -all"]}, "broken.example": "SERVFAIL"}"""


def mail(subject: str, text: str = "a text") -> bytes:
    return TEXT % (subject.encode(), text.encode())


def deliver(target: Running, *subjects: str) -> list[str]:
    return [target.deliver(mail(subject)) for subject in subjects]


def subjects(one: Tab) -> list[str]:
    return one.page.locator(".row .subject").all_inner_texts()


def test_an_empty_mailbox_says_how_to_send_the_first_mail(wide: Tab) -> None:
    page = wide.open()
    expect(page.get_by_role("heading", name="No mail yet")).to_be_visible()
    expect(page.locator(".snippet-block").first).to_contain_text("swaks --server 127.0.0.1")
    expect(page.locator(".ports")).to_contain_text("1025")
    expect(page.locator("#state")).to_have_text("Live")


def test_mail_appears_as_it_arrives_without_asking_for_it(wide: Tab) -> None:
    page = wide.open()
    expect(page.locator("#state")).to_have_text("Live")
    page.wait_for_load_state("networkidle")
    lists = wide.asked("/api/v1/messages")
    deliver(wide.target, "first")
    expect(page.locator(".row .subject")).to_have_text(["first"])
    deliver(wide.target, "second")
    expect(page.locator(".row .subject")).to_have_text(["second", "first"])
    expect(page.locator("#counts")).to_have_text("2 · 2 unread")
    expect(page).to_have_title("(2) Signpost test")
    expect(page.locator("#live")).to_have_text("New message from Alice: second")
    assert wide.asked("/api/v1/messages") == lists
    wide.target.empty()
    expect(page.get_by_role("heading", name="No mail yet")).to_be_visible()


def test_a_message_shows_its_parts_and_is_read(wide: Tab) -> None:
    identity = wide.target.deliver(PARTS)
    page = wide.open()
    page.locator(".row").click()
    expect(page).to_have_url(f"{wide.target.url}/view/{identity}")
    expect(page.get_by_role("heading", name="With parts")).to_be_visible()
    wide.mail_frame("Your code")
    expect(page.locator(".code code")).to_have_text("482913")
    page.get_by_role("tab", name="Text").click()
    expect(page.locator(".text a")).to_have_attribute("href", "https://shop.example/reset")
    page.get_by_role("tab", name="Attachments").click()
    expect(page.locator(".file-name")).to_have_text("bill.pdf")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download bill.pdf").click()
    assert download.value.suggested_filename == "bill.pdf"
    page.get_by_role("tab", name="Links").click()
    expect(page.locator(".links a")).to_have_text("https://shop.example/reset")
    page.get_by_role("tab", name="Headers").click()
    expect(page.get_by_text("multipart/mixed; boundary=x")).to_be_visible()
    page.get_by_role("tab", name="Source").click()
    expect(page.locator(".source")).to_contain_text("%PDF-1.7")
    page.get_by_role("tab", name="Session").click()
    expect(page.locator(".panel")).to_contain_text("client.example")
    expect(page.locator("#counts")).to_have_text("1")


def test_a_message_has_an_address_that_can_be_opened(wide: Tab) -> None:
    (identity,) = deliver(wide.target, "by its address")
    page = wide.open(f"/view/{identity}")
    expect(page.get_by_role("heading", name="by its address")).to_be_visible()
    page = wide.open("/view/nobody")
    expect(page.get_by_role("heading", name="This message is not here")).to_be_visible()


def test_search_and_run_choose_what_is_listed(wide: Tab) -> None:
    target = wide.target
    deliver(target, "apples", "pears")
    target.deliver(mail("of a run"), recipients=["bob+one@b.example"])
    page = wide.open()
    page.locator("#query").fill("subject:pea")
    expect(page.locator(".row .subject")).to_have_text(["pears"])
    deliver(target, "peas", "nuts")
    expect(page.locator(".row .subject")).to_have_text(["peas", "pears"])
    expect(page).to_have_url(f"{target.url}/?q=subject%3Apea")
    page.locator("#query").fill("")
    # Who types is waited for; then it is a place of its own to go back to.
    expect(page).to_have_url(f"{target.url}/")
    page.locator("#run").fill("one")
    page.locator("#run").press("Enter")
    expect(page.locator(".row .subject")).to_have_text(["of a run"])
    target.deliver(mail("of another"), recipients=["bob+two@b.example"])
    target.deliver(mail("of the same"), recipients=["bob+one@b.example"])
    expect(page.locator(".row .subject")).to_have_text(["of the same", "of a run"])
    page.go_back()
    expect(page.locator(".row")).to_have_count(7)
    page.go_back()
    expect(page.locator(".row .subject")).to_have_text(["peas", "pears"])
    page.locator("#home").click()
    expect(page.locator(".row")).to_have_count(7)
    page.locator("#query").fill("x" * 9_000)
    expect(page.locator("#nothing")).to_contain_text("8000 characters at most")


def test_keys(wide: Tab) -> None:
    deliver(wide.target, "one", "two", "three")
    page = wide.open()
    heading = page.locator(".message-subject")
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(heading).to_have_text("two")
    page.keyboard.press("j")
    expect(heading).to_have_text("one")
    page.keyboard.press("k")
    page.keyboard.press("k")
    expect(heading).to_have_text("three")
    expect(page.locator("#counts")).to_have_text("3")
    page.keyboard.press("u")
    expect(page.locator("#counts")).to_have_text("3 · 1 unread")
    page.keyboard.press("4")
    expect(page.get_by_role("tab", name="Session")).to_have_attribute("aria-selected", "true")
    page.keyboard.press("#")
    expect(heading).to_have_text("two")
    expect(page.locator(".row .subject")).to_have_text(["two", "one"])
    page.keyboard.press("Escape")
    expect(page).to_have_url(f"{wide.target.url}/")
    page.keyboard.press("/")
    expect(page.locator("#query")).to_be_focused()
    page.keyboard.type("j#one")
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_contain_text("addressed-exactly:")
    page.keyboard.press("#")
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert wide.target.get("/api/v1/messages").json["total"] == 2


def test_keys_of_one_letter_can_be_turned_off(wide: Tab) -> None:
    deliver(wide.target, "two", "one")
    page = wide.open()
    page.keyboard.press("?")
    page.get_by_label("Keys of one letter are on").uncheck()
    page.keyboard.press("Escape")
    page.locator(".row").first.click()
    expect(page.locator(".message-subject")).to_have_text("one")
    page.keyboard.press("#")
    page.keyboard.press("4")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.keyboard.press("Delete")  # no letter
    expect(page.locator(".message-subject")).to_have_text("two")
    assert wide.target.get("/api/v1/messages").json["total"] == 1


def test_all_that_match_are_deleted_after_a_question(wide: Tab) -> None:
    deliver(wide.target, "keep", "drop one", "drop two")
    page = wide.open("/?q=drop")
    page.locator("#delete-all").click()
    expect(page.get_by_role("dialog")).to_contain_text("Delete the 2 messages that match?")
    page.get_by_role("button", name="Cancel").click()
    page.locator("#delete-all").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(page.locator("#nothing")).to_contain_text("Nothing matches")
    page.get_by_role("button", name="Show all messages").click()
    expect(page.locator(".row .subject")).to_have_text(["keep"])
    page.locator("#mark-all").click()
    expect(page.locator("#counts")).to_have_text("1")


def test_what_others_do_is_seen(wide: Tab) -> None:
    first, second = deliver(wide.target, "first", "second")
    page = wide.open(f"/view/{first}")
    expect(page.locator("#counts")).to_have_text("2 · 1 unread")
    wide.target.ask("PUT", "/api/v1/messages", {"IDs": [second], "Read": True})
    expect(page.locator("#counts")).to_have_text("2")
    wide.target.ask("DELETE", "/api/v1/messages", {"IDs": [first]})
    expect(page.locator(".row .subject")).to_have_text(["second"])
    expect(page).to_have_url(f"{wide.target.url}/")


def test_faults_and_zone_are_shown(wide: Tab) -> None:
    target = wide.target
    fault = {"match": {"phase": "rcpt-to", "recipient": "*@b.example"}, "run": "r1"}
    script = [{"reply": "451 4.7.1 later", "times": 2}]
    assert target.ask("POST", "/api/v1/faults", {**fault, "script": script}).status == 200
    assert target.ask("PUT", "/api/v1/dns", ZONE).status == 200
    page = wide.open("/overview")
    expect(page.locator("#overview-link")).to_contain_text("1 fault · DNS: 2 names")
    expect(page.locator(".fault")).to_contain_text("2 times 451 4.7.1 later")
    expect(page.locator(".zone")).to_contain_text("v=spf1 -all")
    expect(page.locator(".zone .failed")).to_have_text("SERVFAIL")
    target.ask("DELETE", "/api/v1/faults")
    target.ask("DELETE", "/api/v1/dns")
    deliver(target, "a test goes on")
    expect(page.locator("#overview-link")).to_contain_text("No faults · DNS: empty")


def test_it_comes_back_when_the_connection_does(wide: Tab) -> None:
    sockets: list[WebSocketRoute] = []

    def through(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    wide.page.route_web_socket("**/api/events", through)
    page = wide.open()
    expect(page.locator("#state")).to_have_text("Live")
    sockets[-1].close()
    expect(page.locator("#state")).to_contain_text("Connection lost")
    deliver(wide.target, "meanwhile")
    expect(page.locator(".row .subject")).to_have_text(["meanwhile"])
    expect(page.locator("#state")).to_have_text("Live")


def test_a_file_that_does_not_come_is_asked_for_again(wide: Tab) -> None:
    dropped = []

    def drop(route: Route) -> None:
        dropped.append(route.request.url)
        if len(dropped) < 3:
            route.abort("connectionfailed")
        else:
            route.fallback()

    wide.page.route("**/assets/list.js", drop)
    wide.page.goto(f"{wide.target.url}/?q=x")
    expect(wide.page.locator("#nothing")).to_contain_text("Nothing matches")
    expect(wide.page).to_have_url(f"{wide.target.url}/?q=x")


def test_a_narrow_screen_has_one_pane(narrow: Tab) -> None:
    deliver(narrow.target, "narrow")
    page = narrow.open()
    expect(page.locator("#detail")).to_be_hidden()
    page.locator(".row").click()
    expect(page.locator(".message-subject")).to_have_text("narrow")
    expect(page.locator(".list-pane")).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="All messages").click()
    expect(page.locator(".row")).to_be_visible()
    expect(page.locator("#detail")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_are_the_systems_until_somebody_chooses(
    browser: Browser, target: Running, scheme: str
) -> None:
    ground = {"light": "rgb(255, 255, 255)", "dark": "rgb(24, 25, 28)"}
    other = {"light": "dark", "dark": "light"}[scheme]
    with tab(browser, target, color_scheme=scheme) as one:
        page = one.open()
        top = page.locator(".top")
        expect(top).to_have_css("background-color", ground[scheme])
        button = page.locator("#theme")
        while button.get_attribute("aria-label") != f"Colours: {other}":
            button.click()
        expect(top).to_have_css("background-color", ground[other])
        one.open("/overview")
        expect(top).to_have_css("background-color", ground[other])


def test_names_and_roles(wide: Tab) -> None:
    """What has no words has a name, and each place a landmark."""
    wide.target.deliver(PARTS)
    page = wide.open()
    page.locator(".row").click()
    wide.mail_frame("Your code")
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    for role in ("banner", "main", "search", "navigation"):
        expect(page.get_by_role(role)).to_have_count(1)  # type: ignore[arg-type]
    unnamed = page.evaluate(UNNAMED)
    assert unnamed == []
    assert re.search(r"Unread|Shop", page.locator(".row").first.inner_text())
