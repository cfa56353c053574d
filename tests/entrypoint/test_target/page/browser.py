"""Debian's Chromium, driven by Playwright, and what it was seen doing."""

import asyncio
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Frame, Page, sync_playwright

from entrypoint.test_target.messages.received import ReceivedMessage
from entrypoint.test_target.store.mailbox import Mailbox
from tests.entrypoint.test_target.running import Running

_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
_TRIES = 10
_SECONDS = 20
WIDE, NARROW = (1280, 800), (390, 844)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Its own loop runs in this thread until the end: no asyncio.run meanwhile."""
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        pytest.fail("no Chromium: apt-get install chromium-headless-shell, or `make test` does it")
    with sync_playwright() as playwright:
        # The sandbox needs rights that a container's root has not. Nothing here comes from outside.
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """A page of the target's, and all that it asked for and said."""

    page: Page
    target: Running
    requests: list[str] = field(default_factory=list)
    websockets: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        """Until the list is there. Chromium drops what is under way when a network of the machine
        changes, as it does for each container that another test starts: then once more.
        """
        for _ in range(_TRIES):
            try:
                self.page.goto(self.target.url + path)
                self.page.locator("body[data-ready]").wait_for(timeout=_SECONDS * 100)
            except Error:
                continue
            return self.page
        raise AssertionError(f"{path} does not come: {self.errors} {self.console}")

    def mail_frame(self, holding: str) -> Frame:
        """The frame with a message's HTML, once it has this text."""
        for _ in range(_TRIES):
            element = self.page.locator("iframe.mail-frame").element_handle(timeout=_SECONDS * 1000)
            frame = element.content_frame() if element else None
            try:
                assert frame
                frame.get_by_text(holding).first.wait_for(timeout=_SECONDS * 100)
            except Error:
                self.page.reload()
                continue
            return frame
        raise AssertionError(f"no frame with {holding!r}")

    def asked(self, path: str) -> int:
        """How many requests there were for it."""
        return sum(urlsplit(url).path == path for url in self.requests)

    def check(self) -> None:
        """Nobody else was asked for anything, and no script of the page failed."""
        host = urlsplit(self.target.url).netloc
        hosts = {urlsplit(url).netloc for url in self.answered + self.websockets}
        assert hosts <= {host}, hosts
        assert self.errors == []


@contextmanager
def tab(
    browser: Browser, target: Running, size: tuple[int, int] = WIDE, **more: Any
) -> Iterator[Tab]:
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, locale="en-GB", timezone_id="UTC", **more
    )
    context.set_default_timeout(_SECONDS * 1000)
    try:
        one = _watched(context, target)
        yield one
        one.check()
    finally:
        context.close()


def _watched(context: BrowserContext, target: Running) -> Tab:
    one = Tab(context.new_page(), target)

    context.on("request", lambda request: one.requests.append(request.url))
    context.on("requestfinished", lambda request: one.answered.append(request.url))
    one.page.on("websocket", lambda socket: one.websockets.append(socket.url))
    context.on("console", lambda message: one.console.append(message.text))
    context.on("weberror", lambda error: one.errors.append(str(error.error)))
    one.page.on("dialog", lambda dialog: (one.errors.append(dialog.message), dialog.dismiss()))
    return one


def fill(database: Path, messages: Sequence[ReceivedMessage]) -> None:
    """A store that no process has opened, before one does."""

    async def add() -> None:
        mailbox = Mailbox(database)
        for start in range(0, len(messages), 1_000):
            await mailbox.add(messages[start : start + 1_000])
        mailbox.close()

    # Playwright's loop runs in this thread.
    ThreadPoolExecutor(1).submit(asyncio.run, add()).result()
