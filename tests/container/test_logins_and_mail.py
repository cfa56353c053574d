"""Logins and mail at the same time.

smtpd's parent asks PAM, forks the delivery agents and looks for a .forward at each RCPT, and does
one after the other.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest

from .conftest import ALICE, STANDARD
from .harness.load import CLIENTS, load, running_agents, zombies
from .harness.shell import wait_until
from .harness.signpost import Signpost
from .harness.world import World

# Seconds. smtpd's PAM rests for five from a late answer; then a login takes as long as it does.
RESTS, LONGEST_RCPT = 5.0, 3.0


@pytest.fixture(scope="module")
def busy(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(STANDARD) as signpost:
        yield signpost


def test_mail_is_delivered_while_many_log_in(world: World, busy: Signpost) -> None:
    """A delivery agent that ends while PAM is asked is not lost to smtpd: see `filters/pam`."""
    seen = load(world, busy, ALICE, loops=6, rate=10, seconds=15)
    assert set(seen.logins) == {"235"}, seen
    assert seen.logins["235"] > 20, seen
    assert seen.refused == []
    assert seen.delivered == seen.accepted, seen
    wait_until(lambda: running_agents(busy) == 0, "smtpd to have no delivery agent")
    wait_until(lambda: zombies(busy) == [], "no zombie")


def test_port_25_answers_while_nobody_checks_passwords(world: World, busy: Signpost) -> None:
    script = (CLIENTS / "waiting.py").read_bytes()
    words = json.dumps([*ALICE, ALICE[0]])
    busy.submit(world.swaks, ALICE, to=ALICE[0]).accepted()
    busy.exec("pkill", "-STOP", "-f", "filters.logins", user="logins")
    try:
        said = json.loads(world.exec_client("python3", "-", busy.v4, "20", words, stdin=script))
    finally:
        busy.exec("pkill", "-CONT", "-f", "filters.logins", user="logins")
    going_on = time.monotonic()
    assert set(said["codes"]) == {250}
    assert max(said["rcpt"]) < LONGEST_RCPT, said
    assert set(said["auth"]) == {421}, said
    wait_until(lambda: log_in(world, busy) == 235, "a login to work again")
    took, begin = time.monotonic() - going_on, time.monotonic()
    assert log_in(world, busy) == 235
    # One was tried before the rest was over, and another one after that.
    assert took < RESTS + max(1, 3 * (time.monotonic() - begin))


def log_in(world: World, signpost: Signpost) -> int:
    said = world.swaks(signpost.v4, port=465, security="implicit", login=ALICE, quit_after="AUTH")
    return said.code
