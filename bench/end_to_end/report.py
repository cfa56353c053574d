"""The section as Markdown. It must not measure anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from statistics import median

from bench.end_to_end.logins import DELIVERIES, LOGINS, Logins
from bench.end_to_end.measure import SYNCED, Effort, Found, Outcome
from bench.end_to_end.scene import ACCOUNTS, CONNECTIONS
from bench.end_to_end.stacks import Signpost, Stack
from bench.end_to_end.targets import MILLISECONDS, of_stack, ratios, targets
from bench.end_to_end.traffic import KINDS, Traffic
from bench.markdown import number, table
from bench.stuck import percentile

MB = 1_000_000
_SMALL = 0.02  # milliseconds of processor time that are not worth a line

_ABOUT = """\
Messages of 4 KB, each new, over {connections} connections, to and from {accounts} accounts with a
quota and a Sieve script each; one in four of those to an account is for a sub-address. *Port 25:*
from an address that nobody trusts, signed with RSA-2048 by one of 50 domains; one name server on
loopback answers for SPF, DKIM and DMARC. *Port 465:* over TLS; each connection logs in once and
sends many (the hash is SHA-512-crypt with 5,000 rounds everywhere), and the message is signed with
RSA-2048. The outside MX offers STARTTLS with a certificate that nobody knows, and stands on
loopback, too: each server looks its address up and delivers as it does by itself. After each round
every message is looked at: there once, with `pass` of DKIM, SPF and DMARC in its header, or with
one signature that dkimpy finds good; one whose body was changed has `fail`.

Each stack is started anew for each round and runs alone; the others are left at what their
packages, and docker-mailserver or Mailu, say. Left out there, and so to their advantage: Amavis,
postscreen and Fail2ban; Redis, look-ups of accounts over HTTP, limits of what an account sends,
and nginx, which checks Mailu's logins. docker-mailserver asks for the quota on port 25 only.
Milters are reached {milters}.

*Arrived* is from the first MAIL to the last file in a mailbox, or at the outside MX. The delays
from the dot were taken at a fixed rate, {rate} (times of files have steps of {step:.0f} ms, and so
has the clock that they are compared with), with an IMAP client in IDLE for every account where
mail arrives. {rounds} rounds by turns; medians (lowest-highest); the ratio is {ours}'s to that
stack's in the same round. *Client* is how much of one processor the client itself took, and how
late a message of the fixed rate went out at most. Beside other load the kernel gives more to who
has more processes: look at the processor time then.

"""
_ABOUT_SYNCS = f"""\
Syncs a message that comes to port 25, as strace sees them, of {SYNCED} messages. All stacks have
Dovecot's own `mail_fsync`. Where a stack's queue is in no line, it takes a message without waiting
for the disk, which no setting of smtpd's changes: on a disk the others wait once more a message,
and where queue and mail are in memory nobody waits.

"""
_STEP = 4.0


def section(
    disk: str, load: str, stacks: Sequence[type[Stack]], effort: Effort, outcome: Outcome
) -> str:
    """Rates, delays, costs, what is synced, and what was to be reached."""
    about = _ABOUT.format(
        connections=CONNECTIONS,
        accounts=ACCOUNTS,
        step=_STEP,
        rate="one for all" if effort.rates else "half of what the slowest had stored before",
        rounds=effort.rounds,
        ours=Signpost.title,
        milters="over TCP" if effort.tcp else "at sockets with names, which is faster than TCP",
    )
    facts = f"{_now()}, commit {os.environ.get('BENCH_COMMIT', 'unknown')}, load before {load}"
    text = f"\n## End to end, queue and mail on {disk}\n\n{facts}.\n\n{about}"
    for traffic in KINDS:
        rate = f"delays at {number(outcome.rates[traffic.name])} messages a second"
        text += f"### {traffic.title} ({rate})\n\n{_rates(stacks, traffic, outcome)}\n"
    if outcome.logins is not None:
        text += f"### Logins beside deliveries\n\n{_logins(outcome.logins)}\n"
    text += f"### Memory\n\n{_memory(stacks, outcome)}\n"
    text += "### Milliseconds of processor time a message, by process, medians\n\n"
    text += "".join(_costs(stack, outcome) + "\n" for stack in stacks)
    if any(found.syncs for found in outcome.stacks.values()):
        text += _ABOUT_SYNCS + _syncs(stacks, outcome) + "\n"
    head = ["target", "measured", "range", "wanted", "reached"]
    return text + f"### What was to be reached\n\n{table(head, targets(stacks, outcome))}"


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rates(stacks: Sequence[type[Stack]], traffic: Traffic, outcome: Outcome) -> str:
    head = ["stack", "arrived/s", "ratio", "accepted/s", f"dot to {_where(traffic)}, ms, p50 / p99"]
    head += ["dot to 250, ms, p50 / p99", "dot to IDLE, ms, p50 / p99", "CPU, ms", "client"]
    rows = []
    for stack in stacks:
        found = outcome.stacks[stack.name].traffic[traffic.name]
        spent = [1e3 * sum(of_stack(one).values()) for one in found.processor]
        late = f"{1e3 * max(found.slipped):.0f} ms late"
        row = [stack.title, _spread(found.arrived), _ratio(outcome, stack, traffic)]
        row += [_spread(found.accepted), _delays(found.delays), _delays(found.answers)]
        row += [_delays(found.told), f"**{median(spent):.1f}**"]
        rows.append([*row, f"{median(found.client):.2f}, {late}"])
    return table(head, rows)


def _where(traffic: Traffic) -> str:
    return "the outside MX" if traffic.leaves else "the file"


def _ratio(outcome: Outcome, stack: type[Stack], traffic: Traffic) -> str:
    found = ratios(outcome, stack, traffic)
    return f"**{median(found):.2f}** ({min(found):.2f}-{max(found):.2f})" if found else ""


def _delays(rounds: Sequence[Sequence[float]]) -> str:
    values = [delay for one in rounds for delay in one]
    if not values:
        return ""
    return f"**{1e3 * percentile(values, 0.5):.0f}** / {1e3 * percentile(values, 0.99):.0f}"


def _logins(found: Logins) -> str:
    rows = [
        [title, str(len(values)), _delays([values])]
        for title, values in (
            (f"{LOGINS:.0f} right logins a second on 465, from connect to 235", found.logins),
            (f"{DELIVERIES:.0f} deliveries a second on 25, dot to the file", found.deliveries),
        )
    ]
    late = f"The client was {1e3 * found.slipped:.0f} ms late at most."
    return table([Signpost.title, "how many", "ms, p50 / p99"], rows) + f"\n{late}\n"


def _memory(stacks: Sequence[type[Stack]], outcome: Outcome) -> str:
    about = "PSS right after mail into mailboxes, without the client and the name server."
    rows = [
        [stack.title, _spread([sum(of_stack(one).values()) / MB for one in rounds])]
        for stack in stacks
        if (rounds := outcome.stacks[stack.name].memory)
    ]
    return f"{about}\n\n" + table(["stack", "MB"], rows)


def _costs(stack: type[Stack], outcome: Outcome) -> str:
    by_traffic = [_middle(outcome.stacks[stack.name].traffic[one.name]) for one in KINDS]
    names = {name for costs in by_traffic for name, value in costs.items() if value >= _SMALL}
    rows = [
        [name, *(f"{costs.get(name, 0.0):.2f}" for costs in by_traffic)]
        for name in sorted(names, key=lambda name: -by_traffic[0].get(name, 0.0))
    ]
    return table([stack.title, *(traffic.name for traffic in KINDS)], rows)


def _middle(found: Found) -> Mapping[str, float]:
    names = {name for one in found.processor for name in one}
    return {
        name: MILLISECONDS * median(one.get(name, 0.0) for one in found.processor) for name in names
    }


def _syncs(stacks: Sequence[type[Stack]], outcome: Outcome) -> str:
    rows = [
        [f"{stack.name}: {name}", f"{value:.2f}"]
        for stack in stacks
        for name, value in outcome.stacks[stack.name].syncs.items()
    ]
    return table(["call", "a message"], rows)


def _spread(values: Sequence[float]) -> str:
    return f"**{number(median(values))}** ({number(min(values))}-{number(max(values))})"
