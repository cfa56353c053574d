"""How smtpctl is run: what it prints, and what is said where it fails."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from entrypoint import smtpctl


def shell(script: str) -> tuple[str, ...]:
    return "/bin/sh", "-c", script, "smtpctl"


def run(script: str, seconds: float = 5.0) -> str:
    return asyncio.run(smtpctl.run("show", "queue", command=shell(script), seconds=seconds))


def test_what_it_prints() -> None:
    assert run('printf "%s\\n\\377\\n" "$*"') == "show queue\n\\xff\n"


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("echo smtpctl: no daemon >&2; exit 1", "no daemon"),
        ("echo this; echo '\033[31m'; exit 1", r"this \x1b[31m"),
        ("echo '1|inet4|mta|auth|a@b.test|c@d.te'; exit 1", "exit status 1"),
        ("exit 3", "exit status 3"),
        ("kill -9 $$", "exit status -9"),
    ],
)
def test_it_fails(script: str, why: str) -> None:
    with pytest.raises(smtpctl.SmtpctlError) as caught:
        run(script)
    assert str(caught.value) == f"smtpctl show queue: {why}"


def test_it_is_not_there() -> None:
    with pytest.raises(smtpctl.SmtpctlError) as caught:
        asyncio.run(smtpctl.run("resume", "mta", command=("/nowhere",)))
    assert str(caught.value) == "smtpctl resume mta: /nowhere: No such file or directory"


def test_it_has_no_end() -> None:
    with pytest.raises(
        smtpctl.SmtpctlError, match=r"^smtpctl show queue: no answer within 0\.2 s$"
    ):
        run("exec sleep 60", seconds=0.2)


async def lines(script: str, most: int = 100) -> list[str]:
    found: list[str] = []
    async with aclosing(smtpctl.lines_of("show", "queue", command=shell(script))) as printed:
        async for line in printed:
            found.append(line)
            if len(found) == most:
                break
    return found


def test_its_lines_come_one_by_one() -> None:
    assert asyncio.run(lines("echo one; echo two; exec sleep 60", most=2)) == ["one", "two"]
    assert asyncio.run(lines("echo one; printf two")) == ["one", "two"]


def test_the_last_line_is_why_it_fails() -> None:
    with pytest.raises(smtpctl.SmtpctlRefusedError) as caught:
        asyncio.run(lines("echo one; echo smtpctl: no daemon >&2; exit 1"))
    assert str(caught.value) == "smtpctl show queue: no daemon"


def test_a_queue_that_is_cut_off_is_no_reason() -> None:
    """Whose mail it is stands in no health check."""
    with pytest.raises(smtpctl.SmtpctlRefusedError) as caught:
        asyncio.run(lines("echo '1|inet4|mta|auth|a@b.test|c@d.te'; exit 1"))
    assert str(caught.value) == "smtpctl show queue: exit status 1"


REST = "1764000000|1764400000|0|3|pending|-9|451 a | b@c|1|2|3|4|inflight|5|x"


@pytest.mark.parametrize(
    ("listed", "sender", "recipient"),
    [
        ("a@x.test|b@y.test|b@y.test", "a@x.test", "b@y.test"),
        ("@|b@y.test|b@y.test", "@", "b@y.test"),
        (
            "a|1|2|3|4|pending|5|@x.test|b|@y.test|b|@y.test",
            "a|1|2|3|4|pending|5|@x.test",
            "b|@y.test",
        ),
    ],
)
def test_addresses_may_hold_bars(listed: str, sender: str, recipient: str) -> None:
    line = f"4c5a2a0e1f1e2d3c|inet4|mda|auth|{listed}|{REST}"
    (found,) = smtpctl.envelopes_of(f"{line}\n")
    assert found == smtpctl.QueuedEnvelope(
        evpid="4c5a2a0e1f1e2d3c",
        agent="mda",
        sender=sender,
        recipient=recipient,
        created=1764000000,
        state="pending",
        seconds=-9,
        reason="451 a | b@c|1|2|3|4|inflight|5|x",
    )


def test_an_envelope_that_smtpd_does_not_list_has_no_seconds() -> None:
    line = "4c5a2a0e1f1e2d3c|local|mta||@|b@y.test|b@y.test|1|2|0|0|offline||"
    found = smtpctl.QueuedEnvelope.parse(line)
    assert (found.state, found.seconds, found.reason) == ("offline", 0, "")


# Printed by the image's smtpctl, but for the last three, which are as its source prints them
# (show_queue_envelope). What it gives as the end is the creation, and the last try is 0 but of one
# that is running.
CREATED = 1795721449
INTERNAL = (
    '"451 4.2.0 <alice@example.org> Internal error occurred. Refer to server log for more '
    'information. [2026-11-26 19:32:16]"'
)
LISTED = {
    "local": (
        "0fac8780e6bd087c|inet4|mda|auth|alice@example.org|info@example.org|alice@example.org"
        "|1795721449|1795721449|0|0|pending|-4|",
        ("mda", "info@example.org", "pending", -4, ""),
    ),
    "local, deferred": (
        "68fee52533234ec6|inet4|mda|auth|alice@example.org|both+x@example.org|alice@example.org"
        f"|1795721449|1795721449|0|1|pending|6|{INTERNAL}",
        ("mda", "both+x@example.org", "pending", 6, INTERNAL),
    ),
    "local, running": (
        "9cbff7fd0bd3d242|inet4|mda|auth|alice@example.org|info@example.org|alice@example.org"
        "|1795721449|1795721449|1795721449|0|inflight|3|",
        ("mda", "info@example.org", "inflight", 3, ""),
    ),
    "relayed, deferred": (
        "75a6bc5d7292ab9c|inet4|mta|auth|alice@example.org|x@far.test|x@far.test"
        "|1795721449|1795721449|0|1|pending|396|Temporary failure in MX lookup",
        ("mta", "x@far.test", "pending", 396, "Temporary failure in MX lookup"),
    ),
    "relayed by an alias, suspended": (
        "c688818eed62310b|inet4|mta|auth,suspend|alice@example.org|both+tag@example.org|x@far.test"
        "|1795721449|1795721449|0|1|pending|309|Temporary failure in MX lookup",
        ("mta", "both+tag@example.org", "pending", 309, "Temporary failure in MX lookup"),
    ),
    "a bounce": (
        "1d3c4a5b6e7f8097|local|bounce|bounce,internal|alice@example.org|x@far.test|x@far.test"
        "|1795721449|1795721449|0|0|pending|30|550 no such user",
        ("bounce", "x@far.test", "pending", 30, "550 no such user"),
    ),
    "one that the scheduler has let go of": (
        "1d3c4a5b6e7f8098|?|mda||@|alice@example.org|alice@example.org"
        "|1795721449|1795721449|0|0|invalid||",
        ("mda", "alice@example.org", "invalid", 0, ""),
    ),
    "without smtpd": (
        "1d3c4a5b6e7f8099|inet6|mta|auth|alice@example.org|x@far.test|x@far.test"
        "|1795721449|1795721449|0|1|offline||Network error on destination MXs",
        ("mta", "x@far.test", "offline", 0, "Network error on destination MXs"),
    ),
}


@pytest.mark.parametrize(("line", "meant"), LISTED.values(), ids=LISTED)
def test_every_kind_of_envelope_with_its_age(
    line: str, meant: tuple[str, str, str, int, str]
) -> None:
    assert line.count("|") == 13
    (found,) = smtpctl.envelopes_of(f"{line}\n")
    assert found.created == CREATED
    assert (found.agent, found.recipient, found.state, found.seconds, found.reason) == meant
