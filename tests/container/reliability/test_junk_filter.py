"""A junk filter that hangs is started again, and nothing is unhealthy for it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from ..conftest import ALICE, STANDARD
from ..harness.messages import letter
from ..harness.shell import fresh, wait_until
from ..harness.signpost import Signpost
from ..harness.world import World

pytestmark = pytest.mark.reliability


@pytest.fixture(scope="module")
def server(world: World, image: None) -> Iterator[Signpost]:
    with world.signpost(STANDARD | {"JUNK_FILTER": "yes"}, place=161) as signpost:
        yield signpost


def is_judged(world: World, server: Signpost) -> bool:
    token = fresh("judged")
    world.swaks(server.v4, to=ALICE[0], message=letter(token=token)).accepted()
    return bool(re.search(rb"(?m)^X-Signpost-Junk: no ", server.wait_for_mail(ALICE[0], token)))


def test_one_that_hangs_is_started_again(world: World, server: Signpost) -> None:
    wait_until(lambda: is_judged(world, server), "a verdict", 30)
    process = server.exec("pgrep", "-u", "vmail", "-f", "entrypoint.junk").split()[0]
    server.exec("kill", "-STOP", process, user="vmail")
    assert not is_judged(world, server)
    assert server.exec("signpost", "health").startswith("healthy")
    server.wait_for_log(r"junk is restarted \(1 of 3", timeout=300)
    wait_until(lambda: is_judged(world, server), "a verdict", 60)
