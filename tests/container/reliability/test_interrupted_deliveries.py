"""Fifty ends of smtpd in the middle of deliveries, by SIGKILL and by a restart of the container."""

from __future__ import annotations

import re

import pytest

from ..conftest import ALICE, STANDARD
from ..harness.interruptions import COPIES, Disturbance, arrive_whole, hand_in, smtpctl
from ..harness.shell import run, wait_until
from ..harness.signpost import READY, Signpost
from ..harness.world import World

ROUNDS = 10
# supervisor gives up at five ends within a minute; each round ends with a restart of the container.
KILLS = 4


def restart(server: Signpost) -> None:
    lines = len(server.logs().splitlines())
    run("docker", "restart", server.container)
    wait_until(
        lambda: re.search(READY, "\n".join(server.logs().splitlines()[lines:])), "its start", 30
    )


@pytest.mark.reliability
@pytest.mark.parametrize("imap", ["yes", "no"])
def test_no_part_of_a_message_is_stored(world: World, image: None, imap: str) -> None:
    with world.signpost(STANDARD | {"ENABLE_IMAP": imap}, place=123) as server:
        for _ in range(ROUNDS):
            token = hand_in(world, server, ALICE[0])
            kills = Disturbance(server, "kill", 0.8, KILLS)
            smtpctl(server, "resume", "mda")
            kills.finish()
            restart(server)
            assert arrive_whole(server, ALICE[0], token) <= COPIES * (2 + KILLS)
            server.exec("sh", "-c", "rm -rf /data/mail/example.org/alice/Maildir/new/*")
