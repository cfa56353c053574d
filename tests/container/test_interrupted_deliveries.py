"""smtpd dies, or is stopped, in the middle of a delivery: no part of a message is ever stored."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from .conftest import ALICE, STANDARD
from .harness.interruptions import COPIES, Disturbance, arrive_whole, hand_in, smtpctl
from .harness.shell import run, wait_until
from .harness.signpost import READY, Signpost
from .harness.world import World

# supervisor gives up at five ends within a minute.
KILLS = 4


@pytest.fixture(scope="module", params=["yes", "no"], ids=["imap", "maildir"])
def server(world: World, image: None, request: pytest.FixtureRequest) -> Iterator[Signpost]:
    with world.signpost(STANDARD | {"ENABLE_IMAP": request.param}, place=122) as signpost:
        yield signpost


def test_whose_dispatcher_is_killed(world: World, server: Signpost) -> None:
    token = hand_in(world, server, ALICE[0])
    kills = Disturbance(server, "kill", 0.5, KILLS)
    smtpctl(server, "resume", "mda")
    kills.finish()
    # More than one where a kill came when all was stored and smtpd did not know it yet.
    assert arrive_whole(server, ALICE[0], token) <= COPIES * (1 + KILLS)


def test_a_stop_lets_them_finish(world: World, server: Signpost) -> None:
    token = hand_in(world, server, ALICE[0])
    pause = Disturbance(server, "stop", 1.0)
    smtpctl(server, "resume", "mda")
    pause.wait_for("stopped")
    lines = len(server.logs().splitlines())
    run("docker", "restart", server.container)
    pause.leave()

    def since() -> str:
        return "\n".join(server.logs().splitlines()[lines:])

    wait_until(lambda: re.search(READY, since()), "its start", 30)
    # On a slow machine they may not have been finished in time; then some come twice.
    most = 2 * COPIES if "deliveries: " in since() else COPIES
    assert arrive_whole(server, ALICE[0], token) <= most
