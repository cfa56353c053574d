"""The section as Markdown. It must not measure anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median
from typing import TypeVar

from bench.end_to_end.measure import SYNCED, Effort, Found, Outcome
from bench.end_to_end.scene import ACCOUNTS, CONNECTIONS, TAGGED
from bench.end_to_end.stacks import Signpost, Stack
from bench.markdown import number, table
from bench.stuck import percentile

MB = 1_000_000
_Value = TypeVar("_Value")
_SMALL = 0.02  # milliseconds of processor time that are not worth a line

_ABOUT = """\
Each message of 4 KB is new and signed with RSA-2048 by one of 50 domains; one name server on
loopback answers for SPF, DKIM and DMARC. {connections} connections from an address that nobody
trusts, {accounts} mailboxes, one message in {tagged} for a sub-address; every account has a quota
and a Sieve script of its own. After each round every stored message is looked at: there once, with
`pass` of DKIM, SPF and DMARC in its header; one whose body was changed has `fail`. Each stack is
started anew for each round and runs alone; the others are left at what their packages, and
docker-mailserver or Mailu, say. Left out there, and so to their advantage: Amavis, postscreen and
Fail2ban; Redis, and look-ups of accounts over HTTP. Milters are reached {milters}.

*Stored* is from the first MAIL to the last file. The delay from the dot to the file was taken at
{rate:.0f} messages a second, half of what the slowest stored before (times of files have steps of
{step:.0f} ms, and so has the clock that they are compared with). {rounds} rounds by turns; medians
(lowest-highest); the ratio is {ours}'s to that stack's in the same round. Memory is PSS right after
the load, without the client and the name server. Beside other load the kernel gives more to who has
more processes: look at the processor time then.

"""
_ABOUT_SYNCS = f"""\
Syncs a message, as strace sees them, of {SYNCED} messages. Where a stack's queue is in no line, it
takes a message without waiting for the disk, which no setting of smtpd's changes: compare what is
stored on a disk with that in mind.

"""
_STEP = 4.0


def section(
    disk: str, load: str, stacks: Sequence[type[Stack]], effort: Effort, outcome: Outcome
) -> str:
    """Rates, delays, costs, and what is synced."""
    about = _ABOUT.format(
        connections=CONNECTIONS,
        accounts=ACCOUNTS,
        tagged=TAGGED,
        step=_STEP,
        rate=outcome.rate,
        rounds=effort.rounds,
        ours=Signpost.title,
        milters="over TCP" if effort.tcp else "at sockets with names, which is faster than TCP",
    )
    facts = f"{_now()}, commit {os.environ.get('BENCH_COMMIT', 'unknown')}, load before {load}"
    text = f"\n## End to end, queue and mail on {disk}\n\n{facts}.\n\n{about}"
    text += _rates(stacks, outcome) + "\n"
    text += "Milliseconds of processor time a message, by process, medians:\n\n"
    text += _costs(stacks, outcome) + "\n"
    text += _ABOUT_SYNCS
    text += _syncs(stacks, outcome) + "\n"
    return text


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rates(stacks: Sequence[type[Stack]], outcome: Outcome) -> str:
    ours = outcome.stacks.get(Signpost.name)
    rows = []
    for stack in stacks:
        found = outcome.stacks[stack.name]
        delays = [delay for one in found.delays for delay in one]
        answers = [delay for one in found.answers for delay in one]
        held = [sum(_of_stack(one).values()) / MB for one in found.memory]
        spent = [1e3 * sum(_of_stack(one).values()) for one in found.processor]
        rows.append(
            [
                stack.title,
                _spread(found.stored),
                _ratio(ours, found),
                _spread(found.accepted),
                f"**{1e3 * percentile(delays, 0.5):.0f}** / {1e3 * percentile(delays, 0.99):.0f}",
                f"{1e3 * percentile(answers, 0.5):.0f} / {1e3 * percentile(answers, 0.99):.0f}",
                f"{1e3 * max(found.slipped):.0f}",
                f"**{median(spent):.1f}**",
                f"**{median(held):.0f}**",
            ]
        )
    return table(
        [
            "stack",
            "stored/s",
            "ratio",
            "accepted/s",
            "dot to file, ms, p50 / p99",
            "dot to 250, ms, p50 / p99",
            "client late, ms",
            "CPU, ms",
            "memory, MB",
        ],
        rows,
    )


def _ratio(ours: Found | None, found: Found) -> str:
    if ours is None or ours is found:
        return ""
    ratios = [one / other for one, other in zip(ours.stored, found.stored, strict=True)]
    return f"**{median(ratios):.2f}** ({min(ratios):.2f}-{max(ratios):.2f})"


def _of_stack(by_name: Mapping[str, _Value]) -> dict[str, _Value]:
    # What is not the stack's: the container's first process, whoever waits for orphans.
    others = ("unbound", "docker-init", "docker-init > children")
    return {name: value for name, value in by_name.items() if name not in others}


def _costs(stacks: Sequence[type[Stack]], outcome: Outcome) -> str:
    rows = []
    for stack in stacks:
        rounds = outcome.stacks[stack.name].processor
        names = {name for one in rounds for name in one}
        middle = {name: 1e3 * median(one.get(name, 0.0) for one in rounds) for name in names}
        for name, value in sorted(middle.items(), key=lambda item: -item[1]):
            if value >= _SMALL:
                rows.append([f"{stack.name}: {name}", f"{value:.2f}"])
    return table(["process", "ms"], rows)


def _syncs(stacks: Sequence[type[Stack]], outcome: Outcome) -> str:
    rows = [
        [f"{stack.name}: {name}", f"{value:.2f}"]
        for stack in stacks
        for name, value in outcome.stacks[stack.name].syncs.items()
    ]
    return table(["call", "a message"], rows)


def _spread(values: Sequence[float]) -> str:
    return f"**{number(median(values))}** ({number(min(values))}-{number(max(values))})"
