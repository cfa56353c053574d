from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.entrypoint.test_target.page.browser import NARROW, Tab, chromium, tab
from tests.entrypoint.test_target.running import Running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def wide(browser: Browser, target: Running) -> Iterator[Tab]:
    with tab(browser, target) as wide:
        yield wide


@pytest.fixture
def narrow(browser: Browser, target: Running) -> Iterator[Tab]:
    with tab(browser, target, NARROW) as narrow:
        yield narrow
