"""When a certificate is asked for, case by case, and that no limit of Let's Encrypt is met."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.tls.acme_plan import Attempt, Outcome, Validity, next_attempt, recent

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = 1_800_000_000.0


def ago(seconds: float, outcome: Outcome = "failed", not_before: float = 0.0) -> Attempt:
    return Attempt(NOW - seconds, outcome, not_before)


QUARTER = Validity(NOW - 30 * DAY, NOW + 60 * DAY)

CASES = [
    ("nothing there: at once", None, [], 0.0),
    ("a third of its life is left at the end of day 60", QUARTER, [], NOW + 30 * DAY),
    ("six days are renewed after four", Validity(NOW, NOW + 6 * DAY), [], NOW + 4 * DAY),
    ("after one failure", None, [ago(0)], NOW + 2 * MINUTE),
    ("after two", None, [ago(HOUR), ago(0)], NOW + 10 * MINUTE),
    ("what was cut off counts as a failure", None, [ago(0, "begun")], NOW + 2 * MINUTE),
    ("after many", None, [ago(n * 5 * HOUR) for n in range(9, -1, -1)], NOW + 4 * HOUR),
    ("a success ends the waiting", None, [ago(600), ago(500), ago(0, "issued")], 0.0),
    (
        "four within an hour",
        None,
        [ago(50 * MINUTE), ago(2), ago(1), ago(0, "issued")],
        NOW + 10 * MINUTE,
    ),
    ("a day has its limit", None, [ago(23 * HOUR), *[ago(9 * HOUR)] * 11], NOW + HOUR),
    (
        "four certificates a week are enough",
        None,
        [ago(6 * DAY, "issued"), *[ago(2 * DAY, "issued")] * 3],
        NOW + DAY,
    ),
    ("the server says when", None, [ago(0, "failed", NOW + 7 * HOUR)], NOW + 7 * HOUR),
]


@pytest.mark.parametrize(
    ("validity", "attempts", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_moment(validity: Validity | None, attempts: list[Attempt], expected: float) -> None:
    assert next_attempt(validity, attempts) == expected


@pytest.mark.parametrize(
    ("name", "attempts", "expected"),
    [
        ("the waiting is over", [ago(5 * HOUR), ago(3 * HOUR), ago(0)], 0.0),
        ("the limits are not", [ago(50 * MINUTE), *[ago(0)] * 3], NOW + 10 * MINUTE),
        ("nor is the server's word", [ago(0, "failed", NOW + HOUR)], NOW + HOUR),
    ],
)
def test_after_a_restart(name: str, attempts: list[Attempt], expected: float) -> None:
    assert next_attempt(None, attempts, restarted=True) == expected


def test_old_ones_and_those_of_a_wrong_clock_do_not_count() -> None:
    kept = ago(7 * DAY), ago(0)
    assert recent([ago(9 * DAY), *kept, ago(-DAY)], NOW) == kept


@given(st.lists(st.tuples(st.sampled_from(("begun", "failed", "issued")), st.booleans())))
def test_never_more_than_the_limits(outcomes: list[tuple[Outcome, bool]]) -> None:
    attempts: list[Attempt] = []
    now = NOW
    for outcome, restarted in outcomes:
        now = max(now, next_attempt(None, attempts, restarted=restarted))
        attempts.append(Attempt(now, outcome))
    every = [each.at for each in attempts]
    issued = [each.at for each in attempts if each.outcome == "issued"]
    assert all(later - earlier >= HOUR for earlier, later in zip(every, every[4:], strict=False))
    assert all(b - a >= 7 * DAY for a, b in zip(issued, issued[4:], strict=False))
