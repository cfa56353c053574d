"""Which program's end is the container's."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from entrypoint.supervise import __main__ as supervising
from entrypoint.supervise.__main__ import Watch, states


@pytest.mark.parametrize(("name", "ends"), [("smtpd", True), ("metrics", False), ("junk", False)])
def test_the_container_ends_with_what_mail_needs(name: str, ends: bool) -> None:
    running = states.SupervisorStates.RUNNING
    options = SimpleNamespace(mood=running)
    watch = Watch(options)
    event = SimpleNamespace(process=SimpleNamespace(config=SimpleNamespace(name=name)))
    for _ in range(2 * supervising._MOST_EXITS):
        watch._exited(event)
    watch._fatal(event)
    assert watch.failed is ends
    assert (options.mood != running) is ends
