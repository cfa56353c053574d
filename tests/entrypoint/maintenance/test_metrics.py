"""When maintenance looks at how things are: the less often the longer that takes."""

from __future__ import annotations

import asyncio

import pytest

from entrypoint.config import environ
from entrypoint.config.settings import HostFacts, Settings
from entrypoint.maintenance.metrics import MetricsTicker
from entrypoint.metrics.looks import Certificate

ENVIRONMENT = {"DOMAINS": "example.org", "ACCOUNTS": "alice@example.org:secret"}


def settings(**more: str) -> Settings:
    return environ.load({**ENVIRONMENT, **more}, host=HostFacts(ipv6=False))


class Looks:
    """Looks that take some seconds of a clock of their own, and may come to nothing."""

    def __init__(self, seconds: float, fault: Exception | None = None) -> None:
        self.now, self._seconds, self._fault = 0.0, seconds, fault
        self.count = 0
        self._ticker = MetricsTicker(self._state, self._mailboxes, lambda: self.now)

    async def _state(self, before: Certificate) -> Certificate:
        self._look()
        return before

    async def _mailboxes(self, addresses: list[str]) -> None:
        assert addresses == ["alice@example.org"]
        self._look()

    def _look(self) -> None:
        self.count += 1
        self.now += self._seconds
        if self._fault is not None:
            raise self._fault

    def rest(self, what: str, of: Settings) -> float:
        """Seconds from the end of a look to the beginning of the next."""
        tick = self._ticker.tick if what == "state" else self._ticker.tick_mailboxes
        ended = 0.0
        for _ in range(1_000):
            begun = self.now
            try:
                asyncio.run(tick(of))  # type: ignore[arg-type]
            except OSError:
                assert self._fault is not None
            if self.count == 2:
                return begun - ended
            if self.count == 1 and not ended:
                ended = self.now
            self.now += 5.0
        raise AssertionError("there is no second look")


@pytest.mark.parametrize("fault", [None, OSError("no room")], ids=["well", "in vain"])
@pytest.mark.parametrize(
    ("what", "seconds", "least", "most"),
    [
        *(("state", 0.1, 15, 20), ("state", 10, 200, 205)),
        *(("mailboxes", 0.1, 300, 305), ("mailboxes", 30, 3000, 3005)),
    ],
)
def test_a_look_is_followed_by_a_rest_whether_it_failed_or_not(
    what: str, seconds: float, least: float, most: float, fault: Exception | None
) -> None:
    assert least <= Looks(seconds, fault).rest(what, settings(METRICS_PORT="9154")) <= most


def test_without_the_variable_nobody_looks() -> None:
    looks = Looks(1)
    with pytest.raises(AssertionError, match="no second look"):
        looks.rest("state", settings())
    assert not looks.count
