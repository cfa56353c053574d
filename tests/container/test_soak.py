"""The short form of `make soak`: every fault once, while mail goes by every route."""

from __future__ import annotations

import secrets

from ..soak.scenario import Run
from ..soak.table import markdown
from .harness.world import World

MESSAGES = 1_200


def test_nothing_is_lost_whatever_fails(world: World, image: None) -> None:
    seed = secrets.randbelow(10**6)
    report = Run(world, "soak" + secrets.token_hex(3), MESSAGES, seed, short=True).carry_out(300)
    print(markdown(report))
    assert report.problems() == []
