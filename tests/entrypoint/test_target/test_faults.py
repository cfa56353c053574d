"""Which faults a test can ask for, and the order in which their steps come."""

from __future__ import annotations

import asyncio
import json

import pytest
from pydantic import ValidationError

from entrypoint.test_target.chaos import Trigger, Triggers
from entrypoint.test_target.fault_table import FaultTable
from entrypoint.test_target.faults import MOST_FAULTS, REQUEST, Command, Faults, FaultStep, Phase

LATER = {"reply": "451 4.7.1 later"}


def with_faults(*requests: dict[str, object]) -> Faults:
    faults = Faults()
    for request in requests:
        faults.add(REQUEST.validate_json(json.dumps(request)))
    return faults


def rcpt(recipient: str = "a@b.example", phase: Phase = "rcpt-to", **known: object) -> Command:
    return Command(phase, recipients=(recipient,), **known)  # type: ignore[arg-type]


def outcomes(faults: Faults, *commands: Command, now: float = 0.0) -> list[str]:
    """`-` where nothing is to happen, `ok` for a step that accepts."""
    found = [faults.step_for(command, now) for command in commands]
    return ["-" if step is None else _shown(step) for step in found]


def _shown(step: FaultStep) -> str:
    what = step.reply[:3] if step.reply else "cut" if step.disconnect else step.dsn or "ok"
    return f"{step.delay:g}s {what}" if step.delay else what


def test_twice_refused_then_accepted() -> None:
    faults = with_faults({"match": {"phase": "rcpt-to"}, "script": [{**LATER, "times": 2}]})
    assert outcomes(faults, *[rcpt()] * 4) == ["451", "451", "-", "-"]


def test_a_script_is_played_in_order_and_again_where_it_says_so() -> None:
    script = [LATER, {"times": 2}, {"delay": 3.0}, {"disconnect": True}]
    once = with_faults({"match": {"phase": "data"}, "script": script})
    again = with_faults({"match": {"phase": "data"}, "script": script, "repeat": True})
    played = ["451", "ok", "ok", "3s ok", "cut"]
    assert outcomes(once, *[rcpt(phase="data")] * 7) == [*played, "-", "-"]
    assert outcomes(again, *[rcpt(phase="data")] * 7) == [*played, "451", "ok"]


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"recipient": "A@b.EXAMPLE"}, True),
        ({"recipient": "*@b.example"}, True),
        ({"recipient": "b.example"}, False),
        ({"recipient": "[ab]@b.example"}, True),
        ({"sender": "s@*"}, True),
        ({"sender": "s@*", "login": "other"}, False),
        ({"client": "192.0.2.*", "login": "user"}, True),
        ({"client": "192.0.2.2"}, False),
    ],
)
def test_all_that_is_named_has_to_fit(match: dict[str, str], fits: bool) -> None:
    faults = with_faults({"match": {"phase": "rcpt-to", **match}, "script": [LATER]})
    command = rcpt(sender="s@c.example", client="192.0.2.1", login="user")
    assert outcomes(faults, command) == (["451"] if fits else ["-"])
    assert outcomes(faults, rcpt(phase="mail-from")) == ["-"]


def test_a_message_fits_by_one_of_its_recipients() -> None:
    faults = with_faults({"match": {"phase": "message", "recipient": "b@*"}, "script": [LATER]})
    assert outcomes(faults, Command("message", recipients=("a@x.example", "b@x.example"))) == [
        "451"
    ]


def test_a_run_has_its_own_and_leaves_those_of_others_alone() -> None:
    faults = with_faults(
        {"run": "one", "match": {"phase": "rcpt-to"}, "script": [LATER]},
        {"run": "two", "match": {"phase": "rcpt-to"}, "script": [{"disconnect": True}]},
    )
    commands = [rcpt(runs=frozenset({run})) for run in ("two", "three", "one", "two")]
    assert outcomes(faults, *commands) == ["cut", "-", "451", "-"]
    assert [fault.hits for fault in faults.listed("two")] == [1]
    assert (faults.clear(run="one"), len(faults.listed()), faults.clear(), faults.listed()) == (
        1,
        1,
        1,
        [],
    )


def test_the_first_that_has_a_step_is_the_one() -> None:
    faults = with_faults(
        {"match": {"phase": "rcpt-to"}, "script": [LATER]},
        {"match": {"phase": "rcpt-to"}, "script": [{"reply": "550 5.1.1 no"}]},
    )
    assert outcomes(faults, *[rcpt()] * 3) == ["451", "550", "-"]


def test_greylisting_lets_each_in_after_its_time() -> None:
    faults = with_faults({"match": {"phase": "rcpt-to"}, "script": [{"greylist": 30.0}]})
    first, other = rcpt(client="192.0.2.1"), rcpt(client="192.0.2.2")
    assert outcomes(faults, first, now=0.0) == ["451"]
    assert outcomes(faults, first, other, now=29.0) == ["451", "451"]
    assert outcomes(faults, first, other, now=30.0) == ["ok", "451"]
    assert outcomes(faults, first, other, now=59.0) == ["ok", "ok"]
    (fault,) = faults.listed()
    assert (fault.hits, fault.done) == (4, False)


def test_a_script_stays_at_its_greylisting() -> None:
    script = [{**LATER, "times": 2}, {"greylist": 30.0}, {"reply": "550 5.1.1 no"}]
    for repeat in (False, True):
        faults = with_faults({"match": {"phase": "rcpt-to"}, "script": script, "repeat": repeat})
        assert outcomes(faults, *[rcpt()] * 5) == ["451"] * 5
        assert outcomes(faults, *[rcpt()] * 3, now=30.0) == ["ok"] * 3
        (fault,) = faults.listed()
        assert (fault.hits, fault.done) == (5, False)


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        ({"match": {"phase": "rcpt"}, "script": [LATER]}, "phase"),
        ({"match": {"phase": "data"}, "script": []}, "script"),
        ({"match": {"phase": "data"}, "script": [{"reply": "250 fine"}]}, "reply"),
        ({"match": {"phase": "data"}, "script": [{"reply": "451 a\r\n250 b"}]}, "reply"),
        ({"match": {"phase": "data"}, "script": [{**LATER, "disconnect": True}]}, "one of"),
        ({"match": {"phase": "data"}, "script": [{"delay": 61}]}, "delay"),
        ({"match": {"phase": "data"}, "script": [{"dsn": "5.1.1"}]}, "phase must be message"),
        ({"match": {"phase": "data"}, "script": [{"greylist": 3}]}, "phase must be rcpt-to"),
        ({"match": {"phase": "accepted"}, "script": [LATER]}, "only disconnect or delay"),
        ({"match": {"phase": "message"}, "script": [{"dsn_after": 1}]}, "dsn_after needs dsn"),
        ({"match": {"phase": "data"}, "script": [LATER], "runs": "a"}, "runs"),
        ({"match": {"phase": "data"}, "script": [LATER], "run": "a b"}, "run"),
        ({"match": {"phase": "connect"}, "script": [LATER], "run": "a"}, "leave run out"),
        ({"match": {"phase": "helo"}, "script": [LATER], "run": "a"}, "match client or login"),
        ({"match": {"phase": "auth"}, "script": [LATER], "run": "a"}, "no run is known at auth"),
        ({"match": {"phase": "data"}, "script": [{}]}, "says nothing: reply, delay, disconnect,"),
        ({"match": {"phase": "data"}, "script": [{"times": 3}]}, "says nothing"),
        ({"match": {"phase": "data"}, "script": [{"reply": "451 x"}, {}]}, "says nothing"),
        ({"match": {"phase": "data"}, "script": [{}], "repeat": True}, "says nothing"),
        ({"match": {"phase": "data"}, "script": [{"delay": 0, "reply": None}]}, "says nothing"),
    ],
)
def test_what_cannot_be_is_refused_and_named(request_: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        REQUEST.validate_json(json.dumps(request_))


def test_there_is_an_end_to_them() -> None:
    faults = with_faults(*[{"match": {"phase": "data"}, "script": [LATER]}] * MOST_FAULTS)
    with pytest.raises(ValueError, match="1000 faults already"):
        faults.add(REQUEST.validate_python({"match": {"phase": "data"}, "script": [LATER]}))


def test_a_run_is_in_lower_case() -> None:
    faults = with_faults({"run": "One", "match": {"phase": "rcpt-to"}, "script": [LATER]})
    assert outcomes(faults, rcpt(runs=frozenset({"one"}))) == ["451"]
    assert (len(faults.listed("ONE")), faults.clear(run="oNe")) == (1, 1)


def test_chaos_has_what_no_fault_has_and_that_of_every_run() -> None:
    faults = with_faults(
        {"match": {"phase": "rcpt-to"}, "script": [{"reply": "550 5.1.1 no"}, {"delay": 1.0}]}
    )
    faults.triggers = Triggers(recipient=Trigger(452, 100), authentication=Trigger(535, 100))
    assert outcomes(faults, *[rcpt()] * 3) == ["550", "1s ok", "452"]
    assert outcomes(faults, rcpt(phase="auth"), rcpt(phase="mail-from")) == ["535", "-"]
    step = faults.step_for(rcpt(runs=frozenset({"one"})), 0.0)
    assert step == FaultStep(reply="452 Chaos recipient error")


@pytest.mark.parametrize(("probability", "chance", "hit"), [(0, 0.0, False), (30, 0.29, True)])
def test_chaos_comes_by_its_probability(probability: int, chance: float, hit: bool) -> None:
    triggers = Triggers(sender=Trigger(451, probability))
    assert (triggers.reply("mail-from", lambda: chance) is not None) == hit
    assert triggers.reply("mail-from", lambda: 0.3) is None
    assert triggers.reply("data", lambda: 0.0) is None


def test_whoever_answers_commands_is_told_when_there_are_some_and_when_none() -> None:
    told: list[bool] = []

    async def announce(present: bool) -> None:
        told.append(present)

    async def case() -> None:
        scripts = FaultTable(announce)
        request = REQUEST.validate_python({"match": {"phase": "data"}, "script": [LATER]})
        await scripts.clear()
        first, _ = [await scripts.add(request) for _ in range(2)]
        assert told == [True]
        await scripts.clear(fault_id=first.id)
        await scripts.set_triggers(Triggers(sender=Trigger(451, 1)))
        await scripts.clear()
        assert told == [True]
        await scripts.set_triggers(Triggers())
        assert (told, scripts.present) == ([True, False], False)

    asyncio.run(case())


def test_what_could_not_be_told_is_told_the_next_time() -> None:
    told: list[bool] = []

    async def announce(present: bool) -> None:
        told.append(present)
        if len(told) == 1:
            raise TimeoutError

    async def case() -> None:
        scripts = FaultTable(announce)
        request = REQUEST.validate_python({"match": {"phase": "data"}, "script": [LATER]})
        with pytest.raises(TimeoutError):
            await scripts.add(request)
        await scripts.add(request)
        assert (told, len(scripts.listed())) == ([True, True], 2)

    asyncio.run(case())
