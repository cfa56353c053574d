"""Six login loops beside ten messages a second for ten minutes, with and without who checks
passwords. SIGNPOST_RELIABILITY_SECONDS is another length.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.container.conftest import ALICE, STANDARD
from tests.container.harness.load import load, percentile, running_agents, zombies
from tests.container.harness.shell import wait_until
from tests.container.harness.signpost import Signpost
from tests.container.harness.world import World

SECONDS = float(os.environ.get("SIGNPOST_RELIABILITY_SECONDS", "600"))
STOPPED = min(60.0, SECONDS / 3)

pytestmark = pytest.mark.reliability


@pytest.fixture(scope="module")
def signpost(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(STANDARD) as signpost:
        yield signpost


@contextmanager
def stopped_for_a_while(signpost: Signpost) -> Iterator[None]:
    """Stops filters.logins after some seconds, for STOPPED seconds, while the inside runs."""

    def stop_and_go_on() -> None:
        time.sleep(SECONDS / 6)
        signpost.exec("pkill", "-STOP", "-f", "filters.logins", user="logins")
        time.sleep(STOPPED)
        signpost.exec("pkill", "-CONT", "-f", "filters.logins", user="logins")

    stopping = threading.Thread(target=stop_and_go_on)
    stopping.start()
    try:
        yield
    finally:
        stopping.join()


def test_everything_is_delivered_once_and_soon(
    world: World, signpost: Signpost, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = load(world, signpost, ALICE, loops=6, rate=10, seconds=SECONDS, patience=60)
    with capsys.disabled():
        print(f"\nsix login loops beside 10 messages/s for {SECONDS:.0f} s: {seen}")
    assert set(seen.logins) == {"235"}
    assert seen.refused == []
    assert seen.delivered == seen.accepted
    assert percentile(seen.rcpt, 99) < 2
    assert percentile(seen.delivery, 99) < 2
    wait_until(lambda: running_agents(signpost) == 0 and not zombies(signpost), "no agent")


def test_mail_goes_on_while_nobody_checks_passwords(
    world: World, signpost: Signpost, capsys: pytest.CaptureFixture[str]
) -> None:
    with stopped_for_a_while(signpost):
        seen = load(world, signpost, ALICE, loops=6, rate=10, seconds=SECONDS, patience=60)
    with capsys.disabled():
        print(f"\nthe same, filters.logins stopped for {STOPPED:.0f} s: {seen}")
    assert set(seen.logins) <= {"235", "421"}
    assert seen.logins["235"] > seen.logins["421"] > 0
    assert seen.refused == []
    assert seen.delivered == seen.accepted
    assert max(seen.rcpt) < 3
    wait_until(lambda: running_agents(signpost) == 0 and not zombies(signpost), "no agent")
