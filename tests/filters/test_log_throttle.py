"""A line of the log that is written when a state begins, and now and then while it lasts."""

from __future__ import annotations

import logging

import pytest

from filters.log_throttle import LogThrottle, Throttle

log = logging.getLogger(__name__)


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_it_is_written_once_until_it_has_recovered(caplog: pytest.LogCaptureFixture) -> None:
    throttle = LogThrottle(log)
    throttle.recovered()
    for _ in range(3):
        throttle.warning("no answer: %s", "timeout")
    assert caplog.messages == ["no answer: timeout"]
    throttle.recovered()
    throttle.warning("no answer: %s", "refused")
    assert caplog.messages == ["no answer: timeout", "no answer: refused"]


def test_another_cause_is_news_and_so_is_its_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    throttle = LogThrottle(log)
    throttle.recovered("written again")
    for cause in ("full", "full", "read-only", "read-only"):
        throttle.error("not written: %s", cause, cause=cause)
    throttle.recovered("%s: written again", "FILE")
    throttle.recovered("%s: written again", "FILE")
    throttle.error("not written: %s", "read-only", cause="read-only")
    assert caplog.messages == [
        "not written: full",
        "not written: read-only",
        "FILE: written again",
        "not written: read-only",
    ]


def test_while_it_lasts_it_is_written_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    throttle = LogThrottle(log, 60.0, clock=clock)
    for second in range(130):
        clock.now = 1000.0 + second
        throttle.error("second %d", second)
    assert caplog.messages == ["second 0", "second 60", "second 120"]
    clock.now += 1
    throttle.recovered()
    throttle.error("again")
    assert caplog.messages[-1] == "again"


def test_each_has_its_own_silence_and_its_level(caplog: pytest.LogCaptureFixture) -> None:
    first, second = LogThrottle(log), LogThrottle(log)
    first.warning("first")
    second.error("second")
    assert [(record.levelname, record.name) for record in caplog.records] == [
        ("WARNING", __name__),
        ("ERROR", __name__),
    ]


def test_of_several_troubles_those_are_news_that_have_begun_since() -> None:
    clock = Clock()
    troubles = Throttle[str](60.0, clock=clock)
    assert troubles.news(["disk", "queue"]) == ["disk", "queue"]
    assert troubles.news(["queue", "keys", "disk"]) == ["keys"]
    assert troubles.news(["keys", "keys"]) == []
    assert troubles.lasting == {"keys"}
    assert troubles.news(["disk", "keys"]) == ["disk"]  # it was over
    clock.now += 61
    assert troubles.news(["disk", "keys"]) == ["disk", "keys"]
