"""When a program counts as hung, how often it is restarted, and what never restarts anything."""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Mapping

import pytest

from entrypoint.health.looking import Looking
from entrypoint.health.watchdog import AGAIN, EVERY, LOOK_TIMEOUT, PAUSES, WITHIN, Watchdog

HUNG = {"smtpd": "smtpd's queue does not answer"}


class Server:
    """A watchdog, a clock, and what was restarted when."""

    def __init__(self, said: list[tuple[str, str]]) -> None:
        self.now = 1_000.0
        self.restarts: list[tuple[str, float]] = []
        self.said = said
        self.watchdog = Watchdog(lambda name: self.restarts.append((name, self.now)))

    def look(self, silent: Mapping[str, str] | None, lasting: float = LOOK_TIMEOUT) -> None:
        """One look that begins now; the clock then stands at the next."""
        began = self.now
        self.now += lasting
        self.now += self.watchdog.saw(silent, began, self.now)

    def hang(self, seconds: float, silent: Mapping[str, str] = HUNG) -> None:
        end = self.now + seconds
        while self.now < end:
            self.look(silent)


@pytest.fixture
def server(logged: list[tuple[str, str]]) -> Server:
    return Server(logged)


def test_two_minutes_of_silence_are_a_restart_and_it_comes_within_three(server: Server) -> None:
    begin = server.now
    server.hang(180)
    ((name, when),) = server.restarts
    assert name == "smtpd"
    assert when - begin >= 120
    # The longest time before the first look began.
    assert EVERY + when - begin < 180
    assert server.said[0] == ("warning", "smtpd: smtpd's queue does not answer")
    assert server.said[1][0] == "error"
    assert "smtpd is restarted (1 of 3 within 60 minutes): smtpd's queue" in server.said[1][1]


def test_one_answer_in_between_begins_anew(server: Server) -> None:
    for _ in range(20):
        server.hang(90)
        server.look({}, 0.2)
    assert server.restarts == []
    assert ("info", "smtpd answers again") in server.said


def test_looks_that_say_nothing_begin_anew(server: Server) -> None:
    """The machine was suspended, or so busy that the look itself was late."""
    for _ in range(20):
        server.hang(90)
        server.look(None)
    assert server.restarts == []


def test_a_long_suspension_is_no_silence(server: Server) -> None:
    for _ in range(6):
        server.hang(70)
        server.now += 3600
    assert server.restarts == []


def test_at_most_three_restarts_an_hour_with_growing_pauses_and_then_again(server: Server) -> None:
    begin = server.now
    server.hang(WITHIN - 200)
    times = [when for _, when in server.restarts]
    assert len(times) == 3
    gaps = [after - before for before, after in itertools.pairwise(times)]
    assert all(gap > pause + 120 for gap, pause in zip(gaps, PAUSES, strict=False))
    given_up = [text for level, text in server.said if "not restarted again" in text]
    assert len(given_up) == 1
    server.hang(begin + WITHIN + 400 - server.now)
    assert len(server.restarts) == 4


def test_what_is_seen_at_once_is_not_looked_at_more_often(server: Server) -> None:
    before = server.now
    server.look(HUNG, lasting=0.2)
    assert server.now - before == pytest.approx(LOOK_TIMEOUT + AGAIN)
    before = server.now
    server.look({}, lasting=0.2)
    assert server.now - before == pytest.approx(EVERY + 0.2)


def test_each_program_is_counted_by_itself(server: Server) -> None:
    server.hang(180, {**HUNG, "dovecot": "Dovecot's master does not answer"})
    assert {name for name, _ in server.restarts} == {"smtpd", "dovecot"}


def test_what_is_only_reported_restarts_nothing_for_an_hour(server: Server) -> None:
    server.hang(3600, {})
    assert server.restarts == []
    assert server.said == []


class TestLooking:
    """The process that asks, beside a loop that it must never hold up."""

    @staticmethod
    def looks(code: str, seconds: float, longest: float = 30.0) -> list[Mapping[str, str] | None]:
        found: list[Mapping[str, str] | None] = []

        class Noting(Watchdog):
            def saw(self, silent: Mapping[str, str] | None, began: float, now: float) -> float:
                found.append(silent)
                return 3600.0

        watchdog = Noting(lambda name: None)
        looking = Looking(
            watchdog,
            lambda name: name == "web",
            command=(sys.executable, "-c", code),
            first=0.0,
            longest=longest,
        )
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end and not found:
                before = time.monotonic()
                looking.turn(before)
                assert time.monotonic() - before < 0.5
                time.sleep(0.01)
        finally:
            looking.end()
        return found

    @pytest.mark.parametrize(
        ("printed", "seen"),
        [
            ({"conclusive": True, "silent": HUNG}, HUNG),
            ({"conclusive": True, "silent": {}}, {}),
            ({"conclusive": True, "silent": {"web": "it starts just now"}}, {}),
            ({"conclusive": False, "silent": HUNG}, None),
            ({"something": "else"}, None),
        ],
    )
    def test_what_is_printed_is_what_was_seen(
        self, printed: object, seen: Mapping[str, str] | None
    ) -> None:
        assert self.looks(f"print({json.dumps(printed)!r})", 20) == [seen]

    def test_one_that_breaks_says_nothing(self) -> None:
        assert self.looks("raise SystemExit('broken')", 20) == [None]

    def test_one_that_hangs_is_ended_and_says_nothing(self) -> None:
        assert self.looks("import time; time.sleep(600)", 20, longest=0.5) == [None]

    def test_the_loop_never_waits_for_it(self) -> None:
        assert self.looks("import time; time.sleep(600)", 1.0) == []

    def test_the_times_fit_together(self) -> None:
        """Hung between two looks, seen by the next, restarted within three minutes."""
        looks = 1
        while looks * LOOK_TIMEOUT + (looks - 1) * AGAIN < 120:
            looks += 1
        assert EVERY + looks * LOOK_TIMEOUT + (looks - 1) * AGAIN < 180
