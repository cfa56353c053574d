"""The page with more messages than anybody reads."""

import smtplib
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.entrypoint.test_target.mails import RECEIVED, mail
from tests.entrypoint.test_target.page.browser import NARROW, Tab, fill, tab
from tests.entrypoint.test_target.running import Running, running

expect.set_options(timeout=20_000)

MANY = 10_000
MOST_ROWS = 60  # in the page: what can be seen, and a few beside it
MOST_SECONDS = 5.0  # to the first rows, on a machine with much other work; alone it is 0.3


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    database = tmp_path_factory.mktemp("many") / "store.db"
    moments = (RECEIVED + timedelta(seconds=number) for number in range(MANY))
    fill(database, [mail(subject=f"number {n}", received=each) for n, each in enumerate(moments)])
    with running(database) as full:
        yield full


@pytest.fixture
def one(browser: Browser, full: Running) -> Iterator[Tab]:
    with tab(browser, full) as one:
        yield one


def row(page: Page, subject: str) -> None:
    expect(page.locator(".row .subject", has_text=subject).first).to_be_in_viewport()
    assert page.locator(".row").count() < MOST_ROWS


def test_the_first_rows_come_at_once_and_any_other_when_it_is_looked_at(one: Tab) -> None:
    page = one.open()
    row(page, f"number {MANY - 1}")
    seconds = page.evaluate("performance.getEntriesByName('first-rows')[0].startTime") / 1000
    assert seconds < MOST_SECONDS
    height = page.evaluate("document.querySelector('.row').offsetHeight")
    for place in (MANY // 2, MANY - 1, 1):
        page.evaluate(f"document.getElementById('list').scrollTop = {place * height}")
        row(page, f"number {MANY - 1 - place}")
    lists = one.asked("/api/v1/messages")
    assert lists <= 8
    page.keyboard.press("G")
    row(page, "number 0")


def test_who_reads_further_down_keeps_the_place(one: Tab) -> None:
    page = one.open()
    row(page, f"number {MANY - 1}")
    page.evaluate("document.getElementById('list').scrollTop = 78 * 300")
    row(page, f"number {MANY - 1 - 300}")
    before = page.locator(".row", has_text=f"number {MANY - 1 - 302}").bounding_box()
    one.target.deliver(b"From: a@a.example\r\nSubject: new\r\n\r\nx\r\n")
    expect(page.locator("#news")).to_have_text("1 new message ↑")
    assert page.locator(".row", has_text=f"number {MANY - 1 - 302}").bounding_box() == before
    page.locator("#news").click()
    row(page, "new")
    expect(page.locator("#news")).to_be_hidden()


def test_a_narrow_screen_comes_back_to_where_it_was(browser: Browser, full: Running) -> None:
    with tab(browser, full, NARROW) as one:
        page = one.open()
        page.evaluate("document.getElementById('list').scrollTop = 78 * 300")
        subject = f"number {MANY - 1 - 303}"
        page.locator(".row", has_text=subject).click()
        expect(page.locator(".message-subject")).to_have_text(subject)
        expect(page.locator("#detail")).to_be_focused()
        page.go_back()
        row(page, subject)


def test_a_burst_is_drawn_once_in_a_while(one: Tab) -> None:
    page = one.open()
    expect(page.locator("#state")).to_have_text("Live")
    with smtplib.SMTP("127.0.0.1", one.target.smtp_port, timeout=30) as smtp:
        for number in range(300):
            raw = f"From: a@a.example\r\nSubject: burst {number}\r\n\r\nx\r\n"
            smtp.sendmail("a@a.example", ["b@b.example"], raw)
    row(page, "burst 299")
    expect(page.locator("#counts")).to_contain_text(f"{MANY + 301:,}")
