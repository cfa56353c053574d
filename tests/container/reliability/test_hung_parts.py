"""The long form of tests/container/test_health.py: what is restarted, and what never is."""

from __future__ import annotations

import re
import time
from contextlib import nullcontext

import pytest

from ..conftest import ALICE, STANDARD
from ..harness.messages import letter
from ..harness.parts import PATTERNS
from ..harness.shell import fresh, run, wait_until
from ..harness.signpost import Signpost
from ..harness.world import World
from ..test_health import Row, beside, health, rows

pytestmark = pytest.mark.reliability

PROGRAMS = {
    "smtpd": "smtpd",
    "Dovecot": "dovecot",
    "logins": "logins",
    "maintenance": "maintenance",
}
TEN_MINUTES = 600.0
# From the stop to mail that flows: two minutes of silence, the look before, and the restart.
RESTARTED_WITHIN = 200.0


@pytest.mark.parametrize(
    "row", [row for row in rows() if row.restarted != "web"], ids=lambda row: row.part
)
def test_a_stopped_part_is_restarted_within_three_minutes_and_mail_flows(
    world: World, image: None, row: Row
) -> None:
    with (
        world.signpost({**STANDARD, "ENABLE_POP3": "yes"}, place=140) as server,
        beside(server) as outside,
    ):
        assert health(server)[0] == 0
        run("docker", "exec", outside, "pkill", "-STOP", "-f", "--", PATTERNS[row.part])
        begin = time.monotonic()
        program = PROGRAMS[row.restarted]
        server.wait_for_log(rf"{program} is restarted \(1 of 3", timeout=RESTARTED_WITHIN)
        wait_until(lambda: health(server)[0] == 0, "health to be good again", 60)
        assert time.monotonic() - begin < RESTARTED_WITHIN
        flows(world, server)
        assert server.logs().count(" is restarted (") == 1


def flows(world: World, server: Signpost) -> None:
    token = fresh("flows")
    message = letter(ALICE[0], token=token)
    server.submit(world.swaks, ALICE, to=ALICE[0], message=message).accepted()
    assert server.wait_for_mail(ALICE[0], token)


@pytest.mark.parametrize(
    ("silent", "commands", "said"),
    [
        (True, (), "DNS: no name server answers"),
        (False, ("smtpctl pause smtp",), "SMTP is paused"),
        (False, ("smtpctl pause mda", "smtpctl pause mta"), "MDA is paused"),
    ],
    ids=["DNS", "pause smtp", "pause mda"],
)
def test_what_no_restart_cures_restarts_nothing_for_ten_minutes(
    world: World, image: None, silent: bool, commands: tuple[str, ...], said: str
) -> None:
    dns = {"DNS_SERVERS": world.address(54)[0]} if silent else {}
    with (
        world.ns2.silent() if silent else nullcontext(),
        world.signpost({**STANDARD, **dns}, place=140) as server,
    ):
        for command in commands:
            server.exec(*command.split())
        end = time.monotonic() + TEN_MINUTES
        while time.monotonic() < end:
            status, text, _ = health(server)
            assert status == 1
            assert re.search(said, text)
            assert " is restarted (" not in server.logs()


def test_a_machine_that_is_starved_and_one_that_was_suspended_restart_nothing(
    world: World, image: None
) -> None:
    with world.signpost(STANDARD, place=140) as server:
        # A twentieth of a processor: everything is slow, and nothing hangs.
        run("docker", "update", "--cpus", "0.05", server.container)
        end = time.monotonic() + TEN_MINUTES / 2
        while time.monotonic() < end:
            assert " is restarted (" not in server.logs()
            time.sleep(1)
        run("docker", "update", "--cpus", "2", server.container)
        run("docker", "pause", server.container)
        time.sleep(TEN_MINUTES / 2)
        run("docker", "unpause", server.container)
        wait_until(lambda: health(server)[0] == 0, "health to be good again", 60)
        assert " is restarted (" not in server.logs()
        flows(world, server)
