"""When a certificate is asked for, and with which names; and that no limit of Let's Encrypt is met.

Case by case, and by property over whatever may come: names that begin and cease to lead here,
challenges that fail for some of them, restarts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrypoint.tls.acme_plan import (
    MOST_NAMES,
    Attempt,
    Held,
    Order,
    Outcome,
    next_order,
    next_try,
    recent,
)

MINUTE, HOUR, DAY = 60, 3600, 86_400
NOW = 1_800_000_000.0
HOST, STS, CONFIG, DISCOVER = (
    f"{label}.example.org" for label in ("mail", "mta-sts", "autoconfig", "autodiscover")
)
FURTHER = (STS, CONFIG, DISCOVER)


def ago(
    seconds: float,
    outcome: Outcome = "failed",
    not_before: float = 0.0,
    names: Sequence[str] = (HOST,),
    blamed: Sequence[str] = (),
) -> Attempt:
    return Attempt(NOW - seconds, outcome, not_before, tuple(names), tuple(blamed))


def held(*further: str, days: int = 90, gone: int = 30) -> Held:
    begins = NOW - gone * DAY
    return Held(begins, begins + days * DAY, frozenset((HOST, *further)))


def order(
    leading: Sequence[str] = (),
    there: Held | None = None,
    attempts: Sequence[Attempt] = (),
    *,
    restarted: bool = False,
) -> Order:
    return next_order(HOST, leading, there, attempts, NOW, restarted=restarted)


CASES = [
    ("nothing there: at once", None, [], 0.0),
    ("a third of its life is left at the end of day 60", held(), [], NOW + 30 * DAY),
    ("six days are renewed after four", held(days=6, gone=0), [], NOW + 4 * DAY),
    ("after one failure", None, [ago(0)], NOW + 2 * MINUTE),
    ("after two", None, [ago(HOUR), ago(0)], NOW + 10 * MINUTE),
    ("what was cut off counts as a failure", None, [ago(0, "begun")], NOW + 2 * MINUTE),
    ("what an earlier version wrote counts", None, [ago(0, names=())], NOW + 2 * MINUTE),
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
    (
        "nothing that failed for others alone",
        None,
        [ago(0, "failed", NOW + 7 * HOUR, (HOST, STS), (STS,))] * 5,
        0.0,
    ),
]


@pytest.mark.parametrize(
    ("there", "attempts", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_the_moment(there: Held | None, attempts: list[Attempt], expected: float) -> None:
    assert order((), there, attempts) == Order(expected, (HOST,))


@pytest.mark.parametrize(
    ("name", "attempts", "expected"),
    [
        ("the waiting is over", [ago(5 * HOUR), ago(3 * HOUR), ago(0)], 0.0),
        ("the limits are not", [ago(50 * MINUTE), *[ago(0)] * 3], NOW + 10 * MINUTE),
        ("nor is the server's word", [ago(0, "failed", NOW + HOUR)], NOW + HOUR),
    ],
)
def test_after_a_restart(name: str, attempts: list[Attempt], expected: float) -> None:
    assert order((), None, attempts, restarted=True).at == expected


def test_old_ones_and_those_of_a_wrong_clock_do_not_count() -> None:
    kept = ago(7 * DAY), ago(0)
    assert recent([ago(9 * DAY), *kept, ago(-DAY)], NOW) == kept


ALL = (HOST, *FURTHER)
TWO = (HOST, STS, CONFIG)
LATER = NOW + 30 * DAY
OLD = held(STS, CONFIG, gone=61)
ISSUED = ago(5 * MINUTE, "issued", names=(HOST, STS))
WITHOUT_STS = ago(MINUTE, names=TWO, blamed=(STS,))

# What leads here, what is held, what was tried → when, and which names.
FURTHER_CASES = [
    ("the first one is the host's alone", FURTHER, None, [], Order(0.0, (HOST,))),
    ("then the names that lead here are asked for", FURTHER, held(), [], Order(0.0, ALL)),
    ("soon, not at the renewal", (STS, CONFIG), held(STS), [], Order(0.0, TWO)),
    (
        "one that is held and leads here: at the renewal",
        (STS,),
        held(STS),
        [],
        Order(LATER, TWO[:2]),
    ),
    ("one that no longer does: nothing now", (), held(STS), [], Order(LATER, (HOST,))),
    ("it falls out with the next one", (CONFIG,), held(STS), [], Order(0.0, (HOST, CONFIG))),
    (
        "the next ones are collected for a while",
        (STS, CONFIG),
        held(STS),
        [ISSUED],
        Order(NOW + 5 * MINUTE, TWO),
    ),
    (
        "the host's own needs no such pause",
        (STS,),
        held(),
        [ago(MINUTE, "issued")],
        Order(0.0, TWO[:2]),
    ),
    (
        "one that failed is left out, and not waited for",
        (STS, CONFIG),
        held(),
        [WITHOUT_STS],
        Order(0.0, (HOST, CONFIG)),
    ),
    (
        "not where it is held: it is not given up for another",
        (STS, CONFIG),
        held(STS),
        [WITHOUT_STS],
        Order(LATER, (HOST, CONFIG)),
    ),
    ("at the renewal all are asked for", (STS, CONFIG), OLD, [], Order(OLD.renewal, TWO)),
    (
        "at once without the one that failed",
        (STS, CONFIG),
        OLD,
        [WITHOUT_STS],
        Order(OLD.renewal, (HOST, CONFIG)),
    ),
    (
        "the host's alone, if all of them failed",
        (STS, CONFIG),
        OLD,
        [ago(MINUTE, names=TWO, blamed=TWO[1:])],
        Order(OLD.renewal, (HOST,)),
    ),
    (
        "the names' own rate limit is not the host's",
        (STS,),
        OLD,
        [ago(MINUTE, "failed", NOW + DAY, TWO[:2], (STS,))],
        Order(OLD.renewal, (HOST,)),
    ),
    (
        "the server is down: the host waits, the names are kept",
        (STS, CONFIG),
        OLD,
        [ago(MINUTE, names=TWO)],
        Order(NOW + MINUTE, TWO),
    ),
    (
        "a second time may be the names' fault",
        (STS, CONFIG),
        OLD,
        [ago(12 * MINUTE, names=TWO), ago(9 * MINUTE, names=TWO)],
        Order(NOW + MINUTE, (HOST,)),
    ),
    (
        "many that fail one after the other: the host goes on alone",
        (CONFIG,),
        OLD,
        [ago(n, names=(HOST, f"n{n}"), blamed=(f"n{n}",)) for n in (40, 30, 20, 10)],
        Order(OLD.renewal, (HOST,)),
    ),
    (
        "twenty certificates a week, whatever their names",
        (),
        OLD,
        [ago((6 * 24 - n) * HOUR, "issued", names=(HOST, f"n{n}")) for n in range(20)],
        Order(NOW + DAY, (HOST,)),
    ),
    (
        "twelve certificates a week for further names",
        (STS,),
        held(),
        [ago((6 * 24 - n) * HOUR, "issued", names=(HOST, f"n{n}")) for n in range(12)],
        Order(NOW + DAY, TWO[:2]),
    ),
]


@pytest.mark.parametrize(
    ("leading", "there", "attempts", "expected"),
    [c[1:] for c in FURTHER_CASES],
    ids=[c[0] for c in FURTHER_CASES],
)
def test_further_names(
    leading: Sequence[str], there: Held | None, attempts: list[Attempt], expected: Order
) -> None:
    assert order(leading, there, attempts) == expected


def test_a_restart_ends_the_waiting_of_the_names_too() -> None:
    assert order((STS, CONFIG), held(), [WITHOUT_STS], restarted=True) == Order(0.0, TWO)
    assert order((STS, CONFIG), held(STS), [ISSUED], restarted=True) == Order(0.0, TWO)


def test_a_name_that_goes_on_failing_waits_longer_each_time() -> None:
    attempts: list[Attempt] = []
    for wait in (10 * MINUTE, HOUR, 4 * HOUR, 12 * HOUR, DAY, DAY):
        attempts.append(replace(WITHOUT_STS, at=NOW))
        assert next_try(STS, attempts[-1:] if wait < HOUR else attempts) == NOW + wait
        attempts = [replace(each, at=each.at - 2 * DAY) for each in attempts]


def test_a_certificate_has_so_many_names_and_no_more() -> None:
    many = tuple(f"autoconfig.d{n}.example" for n in range(150))
    assert order(many, held()).names == (HOST, *many[: MOST_NAMES - 1])


# -- whatever may come ----------------------------------------------------------------------


@dataclass
class Server:
    """A server, a calendar, and what the plan has asked for so far."""

    now: float = NOW
    there: Held | None = None
    life: float = 90 * DAY
    attempts: list[Attempt] = field(default_factory=list)

    def step(
        self, leading: Sequence[str], failing: Sequence[str], said: str, restarted: bool
    ) -> None:
        """Ask for what is due next, however far that is; the server answers."""
        kept = recent(self.attempts, self.now)
        asked = next_order(HOST, leading, self.there, kept, self.now, restarted=restarted)
        if asked.at > self.now:
            # What the plan knows changes as time goes by.
            self.now = asked.at
            kept = recent(self.attempts, self.now)
            asked = next_order(HOST, leading, self.there, kept, self.now, restarted=restarted)
            if asked.at > self.now:
                return
        wrong = tuple(name for name in asked.names if name in failing)
        made = Attempt(self.now, "failed", names=asked.names, blamed=wrong)
        if said == "nothing":
            made = replace(made, outcome="begun", blamed=())
        elif said == "unclear":
            made = replace(made, blamed=())
        elif not wrong:
            made = replace(made, outcome="issued")
            self.there = Held(self.now, self.now + self.life, frozenset(asked.names))
        self.attempts.append(made)


STEPS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(FURTHER), unique=True),  # leads here
        st.lists(st.sampled_from((HOST, *FURTHER)), unique=True),  # its challenge fails
        st.sampled_from(("clear", "clear", "clear", "unclear", "nothing")),
        st.booleans(),
        st.sampled_from((0, 1, 90, 700, 4000, 5 * HOUR, 3 * DAY)),  # until somebody looks again
    ),
    max_size=60,
)


def spaced(moments: Sequence[float], most: int, span: float) -> bool:
    """Are there never more than so many within the span?"""
    return all(b - a >= span for a, b in zip(moments, moments[most:], strict=False))


@given(STEPS, st.sampled_from((60, 6 * DAY, 90 * DAY)))
def test_never_more_than_the_limits(
    steps: list[tuple[list[str], list[str], str, bool, int]], life: float
) -> None:
    server = Server(life=life)
    for leading, failing, said, restarted, later in steps:
        server.step(leading, failing, said, restarted)
        server.now += later
    issued = [each for each in server.attempts if each.outcome == "issued"]
    same: dict[frozenset[str], list[float]] = defaultdict(list)
    for each in issued:
        same[frozenset(each.names)].append(each.at)
    for name in ALL:
        failed = [each.at for each in server.attempts if each.against(name)]
        assert spaced(failed, 4, HOUR), name  # Let's Encrypt: 5
    assert all(spaced(moments, 4, 7 * DAY) for moments in same.values())  # 5
    assert spaced([each.at for each in issued], 20, 7 * DAY)  # 50
    assert spaced([each.at for each in server.attempts], 12, HOUR)  # 300 orders in three hours


@given(STEPS, st.sampled_from((6 * DAY, 90 * DAY)))
def test_further_names_never_hold_the_host_up(
    steps: list[tuple[list[str], list[str], str, bool, int]], life: float
) -> None:
    """Whatever becomes of them, its own certificate is there at once and is renewed in time."""
    server = Server(life=life)
    server.step(FURTHER, FURTHER, "clear", restarted=False)
    assert server.there is not None
    for leading, failing, _, restarted, later in steps:
        server.step(leading, [name for name in failing if name != HOST], "clear", restarted)
        server.now += later
        # The orders that fail come one after the other, without a pause.
        for _ in range(len(FURTHER) + 2):
            due = next_order(HOST, leading, server.there, server.attempts, server.now)
            if server.now < server.there.renewal or due.at > server.now:
                break
            server.step(leading, [name for name in failing if name != HOST], "clear", False)
        assert server.now < server.there.renewal
